"""Two ways of saying what the strict subset cannot: JSON text, and null for what is left out."""

from __future__ import annotations

import json

from aura.adapters.mcp._schema_keywords import DEFINITIONS, Schema, parts, types_of
from aura.adapters.mcp._schema_pointers import Pointers

LONGEST_SHOWN = 500
MOST_SHOWN = 100
"""Characters, and pieces, of a schema that the description of a value may quote."""

_NULL: Schema = {"type": "null"}


class _TooLong(Exception):
    """The schema is too long to be quoted."""


def as_text(node: Schema, pointers: Pointers) -> Schema:
    """A string in the place of a value that the schema describes."""
    sentence = "Write this value as JSON text"
    shown = _shown(node, pointers)
    sentence += f" that fits this JSON Schema: {shown}" if shown else "."
    own = node.get("description")
    described = f"{own}\n{sentence}" if isinstance(own, str) and own else sentence
    return {"type": "string", "description": described}


def nullable(schema: Schema) -> bool:
    """Whether a finished schema says itself that null fits, and nothing in it forbids that."""
    if "anyOf" in schema:
        said = any(isinstance(each, dict) and each.get("type") == "null" for each in _any(schema))
    else:
        said = "null" in types_of(schema)
    return said and not _forbids_null(schema)


def with_null(schema: Schema) -> Schema:
    """A finished schema that takes null, too."""
    if "anyOf" in schema and not _forbids_null(schema):
        return {**schema, "anyOf": [*_any(schema), _NULL]}
    above = ("title", "description", "default")
    top = {keyword: value for keyword, value in schema.items() if keyword in above}
    rest = {keyword: value for keyword, value in schema.items() if keyword not in above}
    return {"anyOf": [rest, _NULL], **top}


def _any(schema: Schema) -> list[object]:
    return parts(schema, "anyOf")


def _forbids_null(schema: Schema) -> bool:
    types, values = types_of(schema), schema.get("enum")
    return (
        bool(types and "null" not in types)
        or (isinstance(values, list) and None not in values)
        or schema.get("const") is not None
        or "not" in schema
        or "$ref" in schema
    )


def _shown(node: Schema, pointers: Pointers) -> str | None:
    """The schema in one line, if that is short and says anything."""
    hidden = ("title", "description", "default", "$schema", "$id", *DEFINITIONS)
    said = {keyword: value for keyword, value in node.items() if keyword not in hidden}
    try:
        whole = _expanded(said, pointers, [MOST_SHOWN], ())
    except _TooLong:
        return None
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    dead = isinstance(whole, dict) and "$ref" in whole
    return text if len(text) <= LONGEST_SHOWN and not dead else None


def _expanded(
    value: object, pointers: Pointers, room: list[int], within: tuple[tuple[str, ...], ...]
) -> object:
    """The value with what it refers to in place of references."""
    room[0] -= 1
    if room[0] < 0:
        raise _TooLong
    if isinstance(value, list):
        return [_expanded(each, pointers, room, within) for each in value]
    if not isinstance(value, dict):
        return value
    place = pointers.place(value.get("$ref"))
    if place is not None:
        if place.steps in within:
            raise _TooLong
        found = _expanded(place.schema, pointers, room, (*within, place.steps))
        beside = {keyword: each for keyword, each in value.items() if keyword != "$ref"}
        rest = _expanded(beside, pointers, room, within)
        if isinstance(found, dict) and isinstance(rest, dict):
            return {**found, **rest}
        return found
    return {key: _expanded(each, pointers, room, within) for key, each in value.items()}
