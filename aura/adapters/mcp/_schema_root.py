"""The root of a tool's schema as one plain object, whatever it is composed of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aura.adapters.mcp._schema_conjunction import all_of, distinct
from aura.adapters.mcp._schema_keywords import (
    Note,
    Schema,
    asserted,
    conditional,
    impossible,
    members,
    names,
    parts,
    tidy,
    told,
    types_of,
)
from aura.adapters.mcp._schema_writing import Writing

COMPOSED = ("$ref", "allOf", "anyOf", "oneOf")


class _Known(NamedTuple):
    """What is known about an object: its properties, those it needs, and those whose schema
    applies whatever else the object holds."""

    properties: dict[str, object]
    required: list[str]
    sure: frozenset[str]


class Root:
    """Gathers what all parts of a root say about properties. Which of them belong together is lost:
    the subset has no word for that at the root, and arguments are checked against the original."""

    def __init__(self, writing: Writing, note: Note) -> None:
        self._writing = writing
        self._note = note
        self._within: list[tuple[str, ...]] = []

    def plain(self, root: Schema) -> Schema | None:
        """The tidy root without composition; `None` if no object fits it."""
        known = self._known(root)
        if known is None:
            return None
        rest = {keyword: value for keyword, value in root.items() if keyword not in COMPOSED}
        return {
            **self._told(root),
            **rest,
            "properties": known.properties,
            **({"required": known.required} if known.required or "required" in root else {}),
        }

    def _told(self, root: Schema) -> Schema:
        """What the schema that the root refers to tells about itself."""
        place = self._writing.pointers.place(root.get("$ref"))
        if place is None or not isinstance(place.schema, dict):
            return {}
        kept = ("title", "description", "examples")
        found = told(tidy(place.schema, "", self._note))
        return {keyword: value for keyword, value in found.items() if keyword in kept}

    def _known(self, node: object) -> _Known | None:
        self._writing.step()
        if not isinstance(node, dict):
            return None if node is False else _nothing()
        node = tidy(node, "", self._note)
        if impossible(node) or (types_of(node) and "object" not in types_of(node)):
            return None
        own = {**conditional(node), **members(node)}
        said: list[_Known | None] = [_Known(own, names(node), frozenset(members(node)))]
        if "$ref" in node:
            said.append(self._referred(node["$ref"]))
        for keyword in COMPOSED[1:]:
            if keyword in node:
                found = [self._known(each) for each in parts(node, keyword)]
                said += found if keyword == "allOf" else [_either(found)]
                self._note(
                    "", f"{keyword} is flattened; what belongs together is checked with a call"
                )
        return _both([each for each in said if each]) if None not in said else None

    def _referred(self, reference: object) -> _Known | None:
        """What is known at the place that is referred to: nothing new if that is where we are."""
        place = self._writing.pointers.place(reference)
        if place is None:
            self._note("", "its $ref leads out of the schema, so it is left out")
            return _nothing()
        self._note("", "what it refers to is written in its place")
        if place.steps in self._within:
            return _nothing()
        self._within.append(place.steps)
        found = self._known(place.schema)
        self._within.pop()
        return found


def _nothing() -> _Known:
    return _Known({}, [], frozenset())


def _both(said: Sequence[_Known]) -> _Known:
    """What is known about an object of which all of that is true."""
    sure = frozenset[str]().union(*(each.sure for each in said))
    properties: dict[str, object] = {}
    for name in _once(name for each in said for name in each.properties):
        found = [each for each in said if name in each.properties]
        certain = [each.properties[name] for each in found if name in each.sure]
        possible = [each.properties[name] for each in found]
        properties[name] = all_of(distinct(certain)) if certain else _any_of(distinct(possible))
    return _Known(properties, _once(name for each in said for name in each.required), sure)


def _either(said: Sequence[_Known | None]) -> _Known | None:
    """What is known about an object of which one of that is true."""
    possible = [each for each in said if each]
    if not possible:
        return None
    schemas: dict[str, list[object]] = {}
    for each in possible:
        for name, schema in each.properties.items():
            schemas.setdefault(name, []).append(schema)
    sure = frozenset.intersection(*(each.sure for each in possible))
    needed = set.intersection(*(set(each.required) for each in possible))
    return _Known(
        {name: _any_of(distinct(found)) for name, found in schemas.items()},
        [name for name in possible[0].required if name in needed],
        sure,
    )


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _any_of(schemas: list[object]) -> object:
    """A schema for values that fit one of the schemas; values that are listed become one list."""
    if len(schemas) == 1:
        return schemas[0]
    found = [each for each in schemas if isinstance(each, dict)]
    listed = [_listed(each) for each in found]
    kinds = distinct([each.get("type") for each in found])
    if len(found) < len(schemas) or len(kinds) > 1 or None in listed:
        return {"anyOf": schemas}
    values = distinct([value for each in listed if each for value in each])
    return {**told(found[0]), **({"type": kinds[0]} if kinds[0] else {}), "enum": values}


def _listed(schema: Schema) -> list[object] | None:
    """The values that fit, if the schema lists them."""
    said = asserted(schema).keys() - {"type"}
    values = schema.get("enum")
    if said == {"const"}:
        return [schema["const"]]
    return values if said == {"enum"} and isinstance(values, list) else None
