"""`${name}` in the texts and arguments of a script. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from aura.errors import ScriptError

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_JSON = re.compile(r"\$\{([^{}]*):json\}")

Values = Callable[[str], str]
"""What stands for a name."""


def filled(text: str, values: Values) -> str:
    """The text with its placeholders replaced; `$${` stands for `${`."""
    return _PLACEHOLDER.sub(lambda found: "${" if found[1] is None else values(found[1]), text)


def filled_value(value: object, values: Values) -> object:
    """The same for every string in a JSON value; a lone `${name:json}` becomes a JSON value."""
    match value:
        case str():
            lone = _JSON.fullmatch(value)
            return _json(lone[1], values) if lone else filled(value, values)
        case list():
            return [filled_value(each, values) for each in value]
        case dict():
            return {key: filled_value(each, values) for key, each in value.items()}
        case _:
            return value


def _json(name: str, values: Values) -> object:
    text = values(name)
    try:
        value: object = msgspec.json.decode(text)
    except ValueError as error:
        raise ScriptError(f"${{{name}:json}} is {text!r}, which is no JSON value") from error
    return value


def names(value: object) -> Iterator[str]:
    """The names in all placeholders of a value, `:json` included."""
    for text in _strings(value):
        for found in _PLACEHOLDER.finditer(text):
            if found[1] is not None:
                yield found[1]


def impure(value: object) -> Iterator[str]:
    """The strings that hold a `:json` placeholder and something else."""
    for text in _strings(value):
        if any(name.endswith(":json") for name in names(text)) and not _JSON.fullmatch(text):
            yield text


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list() | tuple():
            for each in value:
                yield from _strings(each)
        case dict():
            for each in value.values():
                yield from _strings(each)
        case _:
            pass
