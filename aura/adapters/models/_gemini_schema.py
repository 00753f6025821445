"""JSON Schema fitted to the part of it that Gemini takes for parameters and answers. Pure.

Gemini knows the schema objects of OpenAPI 3.0: one type each, `nullable`, `anyOf` alone, words in
an `enum`, and no references. What cannot be said that way is said in the description, or is left to
the check of a call's arguments against the schema that the tool's server gave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import msgspec

from aura.events import Json

Schema = dict[str, Json]

MOST_NODES = 5000
"""Schemas that one may become, with its references followed."""

DEEPEST = 32
"""Levels of schemas within schemas."""

TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")

FORMATS = {
    "string": {"date-time", "enum"},
    "number": {"float", "double"},
    "integer": {"int32", "int64"},
}
"""Formats that are taken; others are refused."""

BOUNDS = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
"""Limits that are taken, by type."""

TOLD = {
    "exclusiveMinimum": "Greater than",
    "exclusiveMaximum": "Less than",
    "multipleOf": "A multiple of",
    "format": "Format:",
}
"""Keywords that only the description can carry, and how it says them."""

_encode = msgspec.json.Encoder().encode


def fitted(schema: Json) -> Schema | None:
    """A schema that Gemini takes for the same values, or for some more; nothing for an object
    without properties, which it wants left out."""
    found = _Fitting(schema).schema(schema, 0, ())
    if found is None or (found.get("type") == "object" and not found.get("properties")):
        return None
    return found


class _Fitting:
    """One schema being fitted; `root` is what references are resolved in."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._nodes = 0

    def schema(self, value: Json, depth: int, within: tuple[str, ...]) -> Schema | None:
        """The schema, `within` the references that led to it; nothing for one that no value
        fits."""
        self._nodes += 1
        if value is False:
            return None
        if not isinstance(value, dict) or depth > DEEPEST or self._nodes > MOST_NODES:
            return _anything({})
        if "$ref" in value or "allOf" in value:
            return self._composed(value, depth, within)
        variants = _listed(value.get("anyOf")) or _listed(value.get("oneOf"))
        kinds = _kinds(value)
        if variants:
            return self._either(value, variants, depth, within)
        if len(kinds) > 1:
            return self._either(value, [{"type": kind} for kind in kinds], depth, within)
        return self._plain(value, kinds[0] if kinds else _implied(value), depth, within)

    def _composed(self, value: Schema, depth: int, within: tuple[str, ...]) -> Schema | None:
        """What a reference stands for and what `allOf` demands, with what is said beside them. A
        reference that leads to itself is cut off where it would begin again."""
        whole = {key: each for key, each in value.items() if key not in {"$ref", "allOf"}}
        parts = _listed(value.get("allOf"))
        if "$ref" in value:
            reference = str(value["$ref"])
            target = _found(self._root, reference)
            if not isinstance(target, dict):
                return _anything(whole) if target is not False else None
            if reference in within:
                target = {"type": target.get("type")}
            parts, within = [target, *parts], (*within, reference)
        for part in parts:
            if part is False:
                return None
            if isinstance(part, dict):
                whole = _together(whole, part)
        return self.schema(whole, depth + 1, within)

    def _either(
        self, value: Schema, variants: Sequence[Json], depth: int, within: tuple[str, ...]
    ) -> Schema | None:
        """One of several; Gemini takes nothing beside the choice, so that goes into each."""
        apart = {"anyOf", "oneOf", "title", "description"}
        beside = {key: each for key, each in value.items() if key not in apart}
        nullable: Schema = {"nullable": True} if any(map(_is_null, variants)) else {}
        found: list[Schema] = []
        for each in variants:
            if not _is_null(each):
                whole = {**_together(each, beside), **each} if isinstance(each, dict) else each
                fit = self.schema(whole, depth + 1, within)
                found += [one for one in _alternatives(fit) if one not in found]
        if not found:
            return {"type": "string", **nullable} if nullable else None
        first = {**_described(value), **found[0], **nullable}
        if len(found) == 1:
            return first
        return {"anyOf": [first, *({**each, **nullable} for each in found[1:])]}

    def _plain(
        self, value: Schema, kind: str | None, depth: int, within: tuple[str, ...]
    ) -> Schema | None:
        """A schema of one type."""
        if kind is None:
            return _anything(value)
        if kind == "null":
            return {"type": "string", "nullable": True, **_described(value)}
        words, others = _enumerated(value)
        fit: Schema = {"type": kind}
        if value.get("nullable") is True or None in others:
            fit["nullable"] = True
        fit |= _described(value, _notes(value, kind, [each for each in others if each is not None]))
        if words and kind == "string":
            fit["enum"] = list(words)
        if _has_format(value, kind):
            fit["format"] = value["format"]
        fit |= {key: value[key] for key in BOUNDS.get(kind, ()) if _is_bound(key, value.get(key))}
        if kind == "array":
            fit["items"] = self._items(value, depth, within)
        if kind == "object":
            fit |= self._members(value, depth, within)
        return fit

    def _items(self, value: Schema, depth: int, within: tuple[str, ...]) -> Schema:
        """What an array holds, which has to be said; of a tuple, what any of its places holds."""
        places = _listed(value.get("prefixItems")) or _listed(value.get("items"))
        inner: Json = {"anyOf": list(places)} if places else value.get("items", True)
        return self.schema(inner, depth + 1, within) or _anything({})

    def _members(self, value: Schema, depth: int, within: tuple[str, ...]) -> Schema:
        given = value.get("properties")
        members: Schema = {}
        for name, each in given.items() if isinstance(given, dict) else ():
            fit = self.schema(each, depth + 1, within)
            if fit is not None:
                members[name] = fit
        if not members:
            return {}
        named = dict.fromkeys(each for each in _listed(value.get("required")) if each in members)
        return {"properties": members, **({"required": list(named)} if named else {})}


def _anything(value: Mapping[str, Json]) -> Schema:
    """A schema for any simple value: Gemini has none for all of them."""
    first: Schema = {"type": "string", **_described(value)}
    return {"anyOf": [first, {"type": "number"}, {"type": "boolean"}]}


def _alternatives(fit: Schema | None) -> list[Schema]:
    """A schema that was fitted, without the choice around it; there is none within a choice."""
    if fit is None:
        return []
    return [each for each in _listed(fit.get("anyOf")) if isinstance(each, dict)] or [fit]


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _kinds(value: Mapping[str, Json]) -> list[str]:
    """The types that are named; `null` is one, words that are none are left out."""
    named = value.get("type")
    given = named if isinstance(named, list) else [named]
    return [kind for kind in dict.fromkeys(TYPES) if kind in given]


def _is_null(value: Json) -> bool:
    if not isinstance(value, dict):
        return False
    return value.get("type") == "null" or value.get("const", 0) is None


def _implied(value: Mapping[str, Json]) -> str | None:
    """The type of a schema that names none."""
    if not value.keys().isdisjoint({"properties", "required", "additionalProperties"}):
        return "object"
    if not value.keys().isdisjoint({"items", "prefixItems"}):
        return "array"
    if "pattern" in value:
        return "string"
    values = [value["const"]] if "const" in value else _listed(value.get("enum"))
    kinds = {_kind(each) for each in values if each is not None}
    return next((kind for kind in _BROADER if kinds and kinds <= _BROADER[kind]), None)


_BROADER = {
    "string": {"string"},
    "boolean": {"boolean"},
    "integer": {"integer"},
    "number": {"integer", "number"},
}
"""Types by those whose values they have, narrow ones first."""


def _kind(value: Json) -> str:
    match value:
        case str():
            return "string"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case _:
            return ""


def _enumerated(value: Mapping[str, Json]) -> tuple[list[str], list[Json]]:
    """The words that a value is one of, and the other values, which no `enum` can have."""
    values = [value["const"]] if "const" in value else _listed(value.get("enum"))
    words = [each for each in values if isinstance(each, str) and each]
    return words, [each for each in values if not (isinstance(each, str) and each)]


def _notes(value: Mapping[str, Json], kind: str, others: Sequence[Json]) -> list[str]:
    """What only words can say."""
    notes = [f"One of: {', '.join(_encode(each).decode() for each in others)}."] if others else []
    for key, words in TOLD.items():
        said = value.get(key)
        known = key == "format" and _has_format(value, kind)
        if isinstance(said, str | int | float) and not isinstance(said, bool) and not known:
            notes.append(f"{words} {said}.")
    return notes


def _described(value: Mapping[str, Json], notes: Sequence[str] = ()) -> Schema:
    """The title, and the description with the notes behind it."""
    title, described = value.get("title"), value.get("description")
    texts = [described] if isinstance(described, str) and described else []
    fit: Schema = {"title": title} if isinstance(title, str) and title else {}
    return {**fit, **({"description": " ".join([*texts, *notes])} if texts or notes else {})}


def _has_format(value: Mapping[str, Json], kind: str) -> bool:
    form = value.get("format")
    return isinstance(form, str) and form in FORMATS.get(kind, ())


def _is_bound(key: str, value: Json) -> bool:
    kinds = {"pattern": str, "minimum": int | float, "maximum": int | float}
    return isinstance(value, kinds.get(key, int)) and not isinstance(value, bool)


def _together(one: Schema, other: Schema) -> Schema:
    """What two schemas say; of what both say the first wins, but members of both are demanded."""
    joined = {**other, **one}
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        if isinstance(mine, dict) and isinstance(theirs, dict):
            joined[key] = {**theirs, **mine}
        elif key == "required" and isinstance(mine, list) and isinstance(theirs, list):
            joined[key] = [*mine, *(each for each in theirs if each not in mine)]
    return joined


def _found(root: Json, reference: str) -> Json:
    """What a reference within the document names (RFC 6901), or nothing."""
    if not reference.startswith("#"):
        return None
    place = root
    for escaped in unquote(reference)[1:].split("/")[1:]:
        token = escaped.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and token in place:
            place = place[token]
        elif isinstance(place, list) and token.isdecimal() and int(token) < len(place):
            place = place[int(token)]
        else:
            return None
    return place
