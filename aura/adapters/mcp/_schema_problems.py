"""What is wrong with arguments, in words that help a model to write better ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

MOST_PROBLEMS = 5
MOST_LOOKED_AT = 50
LONGEST = 1_000
LONGEST_VALUE = 80
LONGEST_PATH = 120
"""How much is told: problems, and characters of the whole, of a quoted value and of a path."""

_LIMITS = {
    "exclusiveMaximum": "must be less than {}",
    "exclusiveMinimum": "must be more than {}",
    "maxItems": "must have at most {} elements",
    "maxLength": "must have at most {} characters",
    "maxProperties": "must have at most {} properties",
    "maximum": "must be at most {}",
    "minItems": "must have at least {} elements",
    "minLength": "must have at least {} characters",
    "minProperties": "must have at least {} properties",
    "minimum": "must be at least {}",
    "multipleOf": "must be a multiple of {}",
}


def told(errors: Iterable[Any]) -> str:
    """A line for each problem; nothing if there is none. Names paths, and never quotes much."""
    lines: dict[str, None] = {}
    for error in islice(errors, MOST_LOOKED_AT):
        lines |= dict.fromkeys(_lines(error, ""))
        if len(lines) > MOST_PROBLEMS:
            break
    if not lines:
        return ""
    shown = [f"- {line}" for line in islice(lines, MOST_PROBLEMS)]
    if len(lines) > MOST_PROBLEMS:
        shown.append("- and more")
    text = "\n".join(["the arguments do not fit the schema of the tool:", *shown])
    return _cut(text, LONGEST).encode("utf-8", "replace").decode()


def _lines(error: Any, above: str) -> Iterator[str]:
    path = _path(above, error.path)
    where = path or "the arguments"
    expected, value = error.validator_value, error.instance
    match error.validator:
        case "required":
            for name in expected:
                if name not in value:
                    yield f"{_path(path, [name])}: is missing{_needed(error.schema, name)}"
        case "additionalProperties" if expected is False:
            known = ", ".join(map(str, error.schema.get("properties", {}))) or "none"
            for name in value:
                if name not in error.schema.get("properties", {}):
                    place = _path(path, [name])
                    yield f"{place}: is unknown; known are: {_cut(known, LONGEST_VALUE * 2)}"
        case "anyOf" | "oneOf" if error.context:
            yield from _alternatives(error, path)
        case "not" if expected == {}:
            yield f"{where}: must not be there"
        case _:
            yield f"{where}: {_rule(error)}, not {_short(value)}"


def _rule(error: Any) -> str:
    """What a value must be to satisfy a keyword."""
    keyword, expected = error.validator, error.validator_value
    if keyword in {"type", "enum", "const"}:
        text = "given as such or as JSON text" if _structured(keyword, expected) else ""
        how = f" ({text})" if text and isinstance(error.instance, str) else ""
        return f"must be {_kind({keyword: expected})}{how}"
    if keyword in _LIMITS:
        return _LIMITS[keyword].format(_short(expected))
    if keyword == "uniqueItems":
        return "must not have an element twice"
    if keyword == "oneOf":
        return "must fit only one of the alternatives"
    return f"must satisfy {keyword}: {_short(expected)}"


def _structured(keyword: str, expected: object) -> bool:
    types = expected if isinstance(expected, list) else [expected]
    return keyword == "type" and ("object" in types or "array" in types)


def _alternatives(error: Any, path: str) -> Iterator[str]:
    """The problems with the alternative that is meant, if it is plain which one that is."""
    branches: dict[object, list[Any]] = {}
    for each in error.context:
        branches.setdefault(each.schema_path[0], []).append(each)
    where = path or "the arguments"
    kinds = [_other_kind(each) for each in branches.values()]
    if all(kinds):
        wanted = " or ".join(dict.fromkeys(kind for kind in kinds if kind))
        yield f"{where}: must be {_cut(wanted, 3 * LONGEST_VALUE)}, not {_short(error.instance)}"
        return
    near = [each for each in branches.values() if not _other_kind(each)]
    meant = [each for each in near if not any(map(_tells_apart, each))] or near
    if len(meant) == 1:
        for each in meant[0]:
            yield from _lines(each, path)
        return
    firsts = dict.fromkeys(next(_lines(each[0], path), "") for each in meant)
    reasons = " | ".join(_cut(line, 2 * LONGEST_VALUE) for line in islice(firsts, 3))
    yield f"{where}: fits none of the alternatives: {reasons}"


def _other_kind(errors: list[Any]) -> str:
    """What a value must be for a branch, if it is something else altogether."""
    for error in errors:
        if error.validator in {"type", "enum", "const"} and not error.path:
            return _kind({error.validator: error.validator_value})
    return ""


def _tells_apart(error: Any) -> bool:
    """Whether a property that names the branch names another one."""
    return len(error.path) == 1 and error.validator in {"const", "enum"}


def _needed(schema: Any, name: str) -> str:
    inner = schema.get("properties", {}).get(name)
    kind = _kind(inner) if isinstance(inner, dict) else ""
    return f"; it must be {kind}" if kind else ""


def _kind(schema: dict[str, Any]) -> str:
    """What a schema asks for, in a few words; nothing if that takes more."""
    if isinstance(schema.get("enum"), list):
        values = [_short(value) for value in schema["enum"][:20]]
        more = ", ..." if len(schema["enum"]) > len(values) else ""
        return _cut(f"one of {', '.join(values)}{more}", 3 * LONGEST_VALUE)
    if "const" in schema:
        return _short(schema["const"])
    types = schema.get("type")
    return " or ".join(map(str, types)) if isinstance(types, list) else str(types or "")


def _path(above: str, steps: Iterable[object]) -> str:
    for step in steps:
        name = f"[{step}]" if isinstance(step, int) else f".{_cut(str(step), LONGEST_VALUE)}"
        above = f"{above}{name}" if above or isinstance(step, int) else name[1:]
    return above if len(above) <= LONGEST_PATH else f"...{above[3 - LONGEST_PATH :]}"


def _short(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False), LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
