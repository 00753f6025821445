"""Tool schemas in the strict subset of JSON Schema that some providers insist on. Pure.

What the sanitizer gives is always in this subset:

- The root is an object schema. Where a schema can stand there is an object, never a boolean.
- A schema with `type: "object"` or with `properties` has `properties`, `required` with the names of
  all of them (it may be absent if there are none), and `additionalProperties: false`.
- There is no `oneOf`, `allOf`, `patternProperties`, `if`, `then`, `else`, `propertyNames`,
  `contains`, `minProperties`, `maxProperties`, `definitions`, `$dynamicRef`, nothing that begins
  with `dependent` or `unevaluated`, and no `not` but `{"not": {}}`.
- A `$ref` is `#/$defs/<name>` of a definition that is there, has nothing beside it, and stands only
  where that definition contains itself, or where writing it out would make the whole too large.

What is optional may be null instead, and what the subset has no word for is written as JSON text:
`arguments` takes both back.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aura.adapters.mcp._schema_definitions import DEEPEST, arranged
from aura.adapters.mcp._schema_keywords import (
    DEFINITIONS,
    REFERENCES,
    Note,
    Schema,
    members,
    tidy,
    types_of,
)
from aura.adapters.mcp._schema_root import COMPOSED, Root
from aura.adapters.mcp._schema_writing import Endless, Writing

LARGEST = 20_000
"""How many lists and objects a schema may consist of."""


class Unusable(Exception):
    """The tool cannot be offered; `str` says why, for the log and for whoever asks."""


class Sanitized(msgspec.Struct, frozen=True):
    """A schema in the strict subset, and what it says in another way than the original: a sentence
    each, behind the JSON path. That objects are closed is only told if they said to be open."""

    schema: dict[str, object]
    changes: tuple[str, ...]


def sanitized(schema: Mapping[str, object]) -> Sanitized:
    """The schema of a tool's arguments in the strict subset. Raises `Unusable`."""
    if not isinstance(schema, Mapping):
        raise Unusable("its schema is no JSON object")
    _measure(schema)
    notes: dict[str, None] = {}

    def note(path: str, change: str) -> None:
        notes[f"{path or '$'}: {change}"] = None

    try:
        found = _written(dict(schema), note)
    except (Endless, RecursionError):
        raise Unusable("its schema unfolds into more than can be offered") from None
    _measure(found)
    return Sanitized(found, tuple(notes))


def _written(schema: Schema, note: Note) -> Schema:
    writing = Writing(schema, note)
    root = _object(schema, writing, note)
    found = writing.closed(root, "")
    whole = arranged(found, writing.definitions(), note)
    used = {place.steps: name for name, place in writing.places.items()}
    kept = members(whole, "$defs")
    for steps, name in used.items():
        if name in kept and steps != ("$defs", name):
            note(".".join(steps), f"moved to $defs.{name}")
    for keyword in DEFINITIONS:
        definitions = schema.get(keyword)
        for name in definitions if isinstance(definitions, dict) else ():
            if (keyword, name) not in used:
                note(f"{keyword}.{name}", "nothing refers to it any more, so it is left out")
    return whole


def _object(schema: Schema, writing: Writing, note: Note) -> Schema:
    """The root as an object that is not composed of others."""
    kind = schema.get("type")
    root = tidy(schema, "", note)
    types = types_of(root)
    if (isinstance(kind, str) and kind != "object") or (types and "object" not in types):
        raise Unusable(f"its schema is of type {_short(kind)}, not an object")
    if any(keyword in root for keyword in COMPOSED):
        plain = Root(writing, note).plain(root)
        if plain is None:
            raise Unusable("no object fits its schema")
        root = plain
    if types != ["object"]:
        note("", "its type is object")
    for keyword in REFERENCES:
        if keyword in root:
            note("", f"{keyword} is left out")
    dropped = (*DEFINITIONS, *REFERENCES)
    rest = {keyword: value for keyword, value in root.items() if keyword not in dropped}
    return {**rest, "type": "object"}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _measure(schema: object) -> None:
    """Refuse what is too large or too deep to be gone through."""
    count = 0
    waiting: list[tuple[object, int]] = [(schema, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            count += 1
            if count > LARGEST:
                raise Unusable(f"its schema consists of more than {LARGEST} lists and objects")
            if depth > DEEPEST:
                raise Unusable(f"its schema is nested more than {DEEPEST} levels deep")
            inner = value.values() if isinstance(value, dict) else value
            waiting.extend((each, depth + 1) for each in inner)
