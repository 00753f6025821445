"""Several schemas that a value must all fit, written as one. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aura.adapters.mcp._schema_keywords import (
    ASSERTIONS,
    HIGHEST,
    LOWEST,
    OBJECT,
    Note,
    Schema,
    additional,
    members,
    names,
    objectish,
    told,
    trivial,
    types_of,
)


class Apart(Exception):
    """The schemas cannot be written as one without a change of meaning; `str` says why."""


def merged(parts: Sequence[Schema], path: str, note: Note) -> Schema:
    """One schema for values that fit all of the tidy `parts`, which hold no `allOf` or `$ref`.

    The first part is the one that surrounds the others: what it tells about the value wins.
    Where two restrictions cannot be one, the first stays: arguments are checked against both.
    """
    if _tuples_differ(parts):
        raise Apart("its arrays are described in several places")
    first, *others = parts
    late = first.get("unevaluatedProperties")
    first = {key: value for key, value in first.items() if key != "unevaluatedProperties"}
    skipped = (*OBJECT, "unevaluatedProperties")
    whole = {keyword: value for keyword, value in first.items() if keyword not in skipped}
    for other in others:
        for keyword, value in other.items():
            if keyword in skipped:
                continue
            if keyword not in whole:
                whole[keyword] = value
            elif keyword in ASSERTIONS and not same(whole[keyword], value):
                whole[keyword] = _both(keyword, whole[keyword], value, path, note)
                if keyword == "const":
                    return {**told(first), "not": {}}
    whole |= _objects([first, *others])
    if late is not None:
        whole.setdefault("additionalProperties", late)
    empty = whole.get("type") == [] or whole.get("enum") == []
    return {**told(whole), "not": {}} if empty else whole


def _tuples_differ(parts: Sequence[Schema]) -> bool:
    """Whether parts say different things about tuples: `items` are those after `prefixItems`."""
    said = [part for part in parts if "items" in part or "prefixItems" in part]
    return any("prefixItems" in part for part in said) and not all(
        same(part.get(keyword, True), said[0].get(keyword, True))
        for part in said
        for keyword in ("items", "prefixItems")
    )


def _both(keyword: str, one: object, two: object, path: str, note: Note) -> object:
    """What a keyword holds when two parts have it with different values."""
    if keyword == "type":
        return _types(types_of({"type": one}), types_of({"type": two}))
    if keyword == "enum" and isinstance(one, list) and isinstance(two, list):
        common = set(map(_key, two))
        return [value for value in one if _key(value) in common]
    if keyword == "items":
        return {"allOf": [one, two]}
    if keyword == "not":
        return two if trivial(two) else one
    if keyword == "uniqueItems":
        return True
    if isinstance(one, int | float) and isinstance(two, int | float):
        if keyword in LOWEST:
            return max(one, two)
        if keyword in HIGHEST:
            return min(one, two)
    if keyword == "anyOf" and _objects_among(one, two):
        raise Apart("several unions of objects apply to it")
    note(path, f"only the first {keyword} of several is kept")
    return one


def _objects_among(*unions: object) -> bool:
    """Whether a union has a branch that may describe an object."""
    return any(
        isinstance(branch, dict) and ("$ref" in branch or "allOf" in branch or objectish(branch))
        for union in unions
        if isinstance(union, list)
        for branch in union
    )


def _types(one: list[str], two: list[str]) -> object:
    found = [kind for kind in one if kind in two or (kind == "integer" and "number" in two)]
    if "number" in one and "integer" in two and "integer" not in found:
        found.append("integer")
    return found[0] if len(found) == 1 else found


def _objects(parts: Sequence[Schema]) -> Schema:
    """The keywords about objects."""
    found: Schema = {}
    for keyword in ("properties", "patternProperties"):
        said = [members(part, keyword) for part in parts if keyword in part]
        if said:
            found[keyword] = united(said)
    if any("required" in part for part in parts):
        found["required"] = list(dict.fromkeys(name for part in parts for name in names(part)))
    limits = [limit for part in parts if not trivial(limit := _limit(part, parts))]
    if limits:
        closed = any(limit is False for limit in limits)
        found["additionalProperties"] = False if closed else all_of(distinct(limits))
    elif any("additionalProperties" in part for part in parts):
        found["additionalProperties"] = True
    return found


def _limit(part: Schema, parts: Sequence[Schema]) -> object:
    """What a part says about properties that it does not name."""
    limit = additional(part)
    if trivial(limit):
        return True
    for keyword in ("properties", "patternProperties"):
        known = members(part, keyword).keys()
        if any(members(other, keyword).keys() - known for other in parts):
            raise Apart("one part of it does not take the properties of another")
    return limit


def united(said: Sequence[dict[str, object]]) -> dict[str, object]:
    """Schemas by name; a name that several know must fit all they say."""
    found: dict[str, list[object]] = {}
    for schemas in said:
        for name, schema in schemas.items():
            found.setdefault(name, []).append(schema)
    return {name: all_of(distinct(schemas)) for name, schemas in found.items()}


def all_of(schemas: list[object]) -> object:
    """A schema for values that fit all of the schemas."""
    return schemas[0] if len(schemas) == 1 else {"allOf": schemas}


def distinct(values: Sequence[object]) -> list[object]:
    """The values, each once."""
    return list({_key(value): value for value in reversed(values)}.values())[::-1]


def _key(value: object) -> object:
    """The same for the same JSON values."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return isinstance(value, bool), value


def same(one: object, two: object) -> bool:
    """Whether two JSON values are equal; unlike for Python, true is not 1."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two
