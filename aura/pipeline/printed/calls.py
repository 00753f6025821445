"""The forms in which models write calls, once a piece of text is whole. Pure.

Each function gives the calls in a text, or nothing if it is not what the form demands in full: an
unknown tool, arguments that are no object, or anything beside the call.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from aura.events import Json


class PrintedCall(NamedTuple):
    """A call of a known tool; the arguments are a JSON object."""

    name: str
    arguments: str


Calls = Sequence[PrintedCall]

ARGUMENTS = ("parameters", "arguments", "args")
"""What the arguments are called; exactly one of them may be there."""

WRAPPERS = ("function", "tool_call", "tool_calls")
"""Members that hold the call, or calls, of an object that has no name itself."""

KEYS = frozenset({"name", "id", "index", "type", "call_id", *ARGUMENTS, *WRAPPERS})
"""Members of an object that is a call; with any other it is something else, such as the description
of a tool."""

NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"

_FUNCTION = re.compile(rf"<function=\s*({NAME})\s*>(.*?)(?:</function>|</tool_call>)", re.DOTALL)
_CLOSED = re.compile(rf"<parameter=\s*({NAME})\s*>(.*?)</parameter>", re.DOTALL)
_OPEN = re.compile(rf"<parameter=\s*({NAME})\s*>([^<]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None, "none": None}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def in_json(text: str, names: Collection[str]) -> Calls | None:
    """Calls as JSON: an object, or a list of them."""
    try:
        value = _decode(text)
    except (ValueError, RecursionError):
        return None
    return _objects(value, names)


def _objects(value: Json, names: Collection[str]) -> Calls | None:
    if isinstance(value, list):
        found = [_objects(each, names) for each in value]
        whole = [calls for calls in found if calls is not None]
        return [call for calls in whole for call in calls] if value and whole == found else None
    if not isinstance(value, dict) or not value.keys() <= KEYS:
        return None
    if "name" not in value:
        inner = [value[key] for key in WRAPPERS if key in value]
        return _objects(inner[0], names) if len(inner) == 1 else None
    given = [value[key] for key in ARGUMENTS if key in value]
    name = value["name"]
    if name not in names or not isinstance(name, str) or len(given) > 1:
        return None
    arguments = _object(given[0]) if given else {}
    return None if arguments is None else [_call(name, arguments)]


def _object(value: Json) -> dict[str, Json] | None:
    """The arguments, which some models write as a text with JSON in it."""
    if isinstance(value, str):
        try:
            value = _decode(value)
        except (ValueError, RecursionError):
            return None
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def in_markup(text: str, names: Collection[str]) -> Calls | None:
    """Calls as `<function=NAME><parameter=KEY>value</parameter></function>`. End tags of parameters
    may be missing where all of them are, and `</tool_call>` may stand for the end of a function."""
    calls: list[PrintedCall] = []
    for found in _FUNCTION.finditer(text):
        name, inner = found[1], found[2]
        if name not in names:
            return None
        form = _CLOSED if "</parameter>" in inner else _OPEN
        calls.append(
            _call(name, {key: _scalar(value.strip()) for key, value in form.findall(inner)})
        )
    return calls or None


def _scalar(text: str) -> Json:
    """The value that a text stands for: a number, a truth value, nothing, JSON, or itself."""
    if number := _NUMBER.fullmatch(text):
        return float(text) if number[1] or "e" in text.lower() else int(text)
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text[:1] in {"{", "["}:
        try:
            decoded: Json = _decode(text)
        except (ValueError, RecursionError):
            return text
        return decoded
    return text


def in_python(names: Sequence[str], arguments: Sequence[str]) -> Calls | None:
    """Calls as in Python, `[name(key='value'), ...]`: the names, and what is in the parentheses."""
    calls: list[PrintedCall] = []
    for name, inner in zip(names, arguments, strict=True):
        try:
            parsed = ast.parse(f"call({inner}\n)", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        if not isinstance(parsed, ast.Call) or parsed.args:
            return None
        try:
            calls.append(_call(name, dict(_keywords(parsed.keywords))))
        except ValueError:
            return None
    return calls or None


def _keywords(keywords: Sequence[ast.keyword]) -> Iterator[tuple[str, Json]]:
    for keyword in keywords:
        if keyword.arg is None:
            raise ValueError("arguments need names")
        yield keyword.arg, _literal(keyword.value)


def _literal(node: ast.expr) -> Json:
    """The value of a literal; a bare word is a text. Raises `ValueError` for anything else."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id=word):
            return _WORDS.get(word.lower(), word.lower())
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_literal(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(key): _literal(value) for key, value in zip(keys, values, strict=True)}
        case _:
            raise ValueError("no literal")


def _key(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=str() as value):
            return value
        case _:
            raise ValueError("no key")


def _call(name: str, arguments: dict[str, Json]) -> PrintedCall:
    return PrintedCall(name, _encode(arguments).decode())
