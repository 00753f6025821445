"""Schemas, one inside the other, written in the strict subset; references stay references."""

from __future__ import annotations

from collections.abc import Sequence

from aura.adapters.mcp._schema_conjunction import Apart, merged
from aura.adapters.mcp._schema_definitions import in_place
from aura.adapters.mcp._schema_keywords import (
    DEFINITIONS,
    LEFT_OUT,
    OBJECT,
    REFERENCES,
    Note,
    Schema,
    additional,
    asserted,
    asserts,
    conditional,
    impossible,
    members,
    names,
    objectish,
    only_restricts,
    parts,
    tidy,
    told,
    trivial,
    types_of,
    under,
)
from aura.adapters.mcp._schema_pointers import Place, Pointers, reference
from aura.adapters.mcp._schema_text import as_text, nullable, with_null

MOST_STEPS = 20_000
"""How many schemas may be looked at for one tool; only one made to be endless needs more."""

MOST_CROSSINGS = 2
"""How often a definition may be merged into something inside of itself."""

_OWN = ("$schema", "$id")


class Endless(Exception):
    """The schema unfolds into more than there is room for."""


class Writing:
    """One tool's schema on its way into the strict subset; collects the definitions it needs."""

    def __init__(self, root: Schema, note: Note) -> None:
        self.pointers = Pointers(root)
        self._note = note
        self._steps = 0
        self._crossed: list[tuple[str, ...]] = []
        self.places: dict[str, Place] = {}

    def step(self) -> None:
        """Count one more schema that is looked at."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise Endless

    def definitions(self) -> dict[str, Schema]:
        """All that the schemas written so far refer to, and what those refer to."""
        found: dict[str, Schema] = {}
        while len(found) < len(self.places):
            for name, place in list(self.places.items())[len(found) :]:
                found[name] = self.schema(_whole(place), under("", *place.steps))
        for name in sorted(in_place(found)):
            place = self.places[name]
            node = place.schema if isinstance(place.schema, dict) else {}
            found[name] = self.text(node, under("", *place.steps), "it only refers to itself")
        return found

    def schema(self, node: object, path: str) -> Schema:
        """The schema in the subset; JSON text where it cannot be written in it."""
        self.step()
        if not isinstance(node, dict):
            return self._bare(node, path)
        node = tidy(node, path, self._note)
        if any(keyword in node for keyword in REFERENCES):
            return self._reference(node, path)
        if "allOf" in node or ("anyOf" in node and "oneOf" in node):
            return self._all(node, path)
        if "oneOf" in node:
            self._note(path, "oneOf is written as anyOf")
            node = {("anyOf" if key == "oneOf" else key): value for key, value in node.items()}
        if not objectish(node):
            return self._plain(node, path)
        if "anyOf" in node:
            return self._union(node, path)
        reason = self._unnamed(node)
        return self._map(node, path, reason) if reason else self.closed(node, path)

    def closed(self, node: Schema, path: str) -> Schema:
        """An object that has the properties known by name and no others."""
        required = names(node)
        made: dict[str, object] = {}
        for name, schema in self._properties(node, path).items():
            at = under(path, "properties", name)
            made[name] = found = self.schema(schema, at)
            if name in required:
                continue
            if nullable(found):
                self._note(at, "optional, so it is required; null leaves it out")
            else:
                made[name] = with_null(found)
                self._note(at, "optional, so it is required and may be null")
        if "type" not in node:
            self._note(path, "it has properties, so its type is object")
        if not impossible(node.get("additionalProperties", False)):
            self._note(path, "it takes other properties, too, which cannot be written")
        if "patternProperties" in node:
            self._note(path, "patternProperties is left out")
        rest = {key: value for key, value in node.items() if key not in OBJECT}
        found = {"type": "object", **self._plain(rest, path), "properties": made}
        if made or "required" in node:
            kept = set(required)
            found["required"] = required + [name for name in made if name not in kept]
        return {**found, "additionalProperties": False}

    def text(self, node: Schema, path: str, reason: str) -> Schema:
        """JSON text in the place of what cannot be described."""
        self._note(path, f"{reason}, so it is written as JSON text")
        return as_text(node, self.pointers)

    def _bare(self, node: object, path: str) -> Schema:
        if node is False:
            self._note(path, "no value fits, which is written as a schema")
            return {"not": {}}
        if node is True:
            self._note(path, "every value fits, which is written as a schema")
        else:
            self._note(path, "what is there is no schema, so every value fits")
        return {}

    def _properties(self, node: Schema, path: str) -> dict[str, object]:
        """The schemas of all properties known by name, those that only a condition names and those
        that are only required among them."""
        found = dict(members(node))
        for name, schema in conditional(node).items():
            if name not in found:
                found[name] = schema
                self._note(under(path, "properties", name), "known under a condition, so optional")
        others = True if "patternProperties" in node else additional(node)
        for name in names(node):
            if name not in found:
                found[name] = others
                self._note(under(path, "properties", name), "required, but not described")
        return found

    def _plain(self, node: Schema, path: str) -> Schema:
        """A schema without the keywords about objects."""
        found: Schema = {}
        for keyword, value in node.items():
            at = under(path, keyword)
            if keyword == "items":
                found[keyword] = self.schema(value, at)
            elif keyword in {"anyOf", "prefixItems"}:
                each = enumerate(parts(node, keyword))
                found[keyword] = [self.schema(schema, under(at, i)) for i, schema in each]
            elif keyword == "not" and trivial(value):
                found[keyword] = {}
            elif keyword in LEFT_OUT or keyword in (*OBJECT, "not", *(_OWN if path else ())):
                self._note(path, f"{keyword} is left out")
            else:
                found[keyword] = value
        return found

    def _unnamed(self, node: Schema) -> str | None:
        """Why the properties of an object cannot be told by name, if they cannot."""
        limit, patterns = additional(node), members(node, "patternProperties").values()
        if not members(node) and not conditional(node):
            closed = impossible(limit) and not patterns
            return None if closed else "its properties have no fixed names"
        described = [each for each in (limit, *patterns) if not (trivial(each) or impossible(each))]
        return "it takes more properties than those with names" if described else None

    def _map(self, node: Schema, path: str, reason: str) -> Schema:
        """JSON text for objects, beside the other types if the schema names some."""
        text = self.text({**node, "type": "object"}, path, reason)
        others = [kind for kind in types_of(node) if kind != "object"]
        if not others:
            return text
        rest = {key: value for key, value in asserted(node).items() if key not in OBJECT}
        found = self.schema({**rest, "type": others[0] if len(others) == 1 else others}, path)
        return with_null(text) if found == {"type": "null"} else {"anyOf": [text, found]}

    def _reference(self, node: Schema, path: str) -> Schema:
        if "$ref" not in node:
            return self.text(node, path, "where it refers to depends on the way there")
        place = self.pointers.place(node["$ref"])
        if place is None:
            return self.text(node, path, "its $ref leads out of the schema")
        beside = {keyword: value for keyword, value in node.items() if keyword != "$ref"}
        if asserts(beside):
            return self._joined([beside, {"$ref": node["$ref"]}], node, path)
        name = self.pointers.name(place)
        self.places.setdefault(name, place)
        return {"$ref": reference(name), **self._plain(beside, path)}

    def _all(self, node: Schema, path: str) -> Schema:
        """All that `allOf` says, in one schema."""
        given = parts(node, "allOf")
        rest = {keyword: value for keyword, value in node.items() if keyword != "allOf"}
        self._note(path, "what all applies is written as one schema")
        if len(given) == 1 and isinstance(given[0], dict) and not asserts(rest):
            return self.schema({**given[0], **rest}, path)
        return self._joined([rest, *given], node, path)

    def _union(self, node: Schema, path: str) -> Schema:
        """An object that must also fit one of several: each of these, with all that is common."""
        given = parts(node, "anyOf")
        rest = {keyword: value for keyword, value in node.items() if keyword != "anyOf"}
        if all(map(only_restricts, given)):
            self._note(path, "anyOf only restricts, so it is left out")
            return self.schema(rest, path)
        found: list[object] = []
        try:
            for index, branch in enumerate(given):
                made = self._conjunction([asserted(rest), branch], under(path, "anyOf", index))
                if not impossible(made):
                    found.append(made)
        except Apart as apart:
            return self.text(node, path, str(apart))
        self._note(path, "what is beside anyOf is repeated in each of its schemas")
        return {"anyOf": found, **self._plain(told(rest), path)} if found else {"not": {}}

    def _joined(self, given: Sequence[object], node: Schema, path: str) -> Schema:
        try:
            return self._conjunction(given, path)
        except Apart as apart:
            return self.text(node, path, str(apart))

    def _conjunction(self, given: Sequence[object], path: str) -> Schema:
        """One schema for values that fit all of the given ones."""
        spread: list[Schema] = []
        crossed: list[tuple[str, ...]] = []
        for schema in given:
            self._spread(schema, path, spread, crossed)
        whole = merged(spread, path, self._note)
        before = len(self._crossed)
        self._crossed += crossed
        found = self.schema(whole, path)
        del self._crossed[before:]
        return found

    def _spread(
        self, node: object, path: str, into: list[Schema], crossed: list[tuple[str, ...]]
    ) -> None:
        """Put a schema, all that it refers to and all that its `allOf` lists `into` one list."""
        self.step()
        if not isinstance(node, dict):
            into.append({"not": {}} if node is False else {})
            return
        part = tidy(node, path, self._note)
        if "$dynamicRef" in part or "$recursiveRef" in part:
            raise Apart("where it refers to depends on the way there")
        target, more = part.pop("$ref", None), parts(part, "allOf")
        dropped = ("allOf", "oneOf", *DEFINITIONS, *(_OWN if into else ()))
        into.append({key: value for key, value in part.items() if key not in dropped})
        if "oneOf" in part:
            self._note(path, "oneOf is written as anyOf")
            into.append({"anyOf": part["oneOf"]})
        if target is not None:
            place = self.pointers.place(target)
            if place is None:
                raise Apart("its $ref leads out of the schema")
            if self._crossed.count(place.steps) >= MOST_CROSSINGS:
                raise Apart("it contains itself")
            if place.steps not in crossed:
                crossed.append(place.steps)
                self._spread(_whole(place), path, into, crossed)
        for schema in more:
            self._spread(schema, path, into, crossed)


def _whole(place: Place) -> object:
    """The schema at a place; of the root only what it says about values."""
    if place.steps or not isinstance(place.schema, dict):
        return place.schema
    dropped = (*_OWN, *DEFINITIONS)
    return {key: value for key, value in place.schema.items() if key not in dropped}
