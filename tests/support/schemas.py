"""Tool schemas for tests: what the strict subset is, schemas with arguments that fit them, and such
arguments as a model would write them by the sanitized schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry

JSON = Any
Shape = tuple[JSON, st.SearchStrategy[JSON]]
"""A schema, and values that fit it and that are told from null and from JSON text."""

FORBIDDEN = frozenset(
    {
        "$dynamicRef",
        "$recursiveRef",
        "additionalItems",
        "allOf",
        "contains",
        "definitions",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "oneOf",
        "patternProperties",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)


def violations(root: JSON) -> list[str]:
    """Where a schema leaves the strict subset; nothing if it is inside."""
    found = list(_violations(root, root, "$"))
    if root.get("type") != "object" or "properties" not in root:
        found.append("$: is no object schema")
    for name, schema in root.get("$defs", {}).items():
        found += _violations(schema, root, f"$defs.{name}")
    return found


def _violations(schema: JSON, root: JSON, path: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"{path}: is no object but {schema!r}"
        return
    yield from (f"{path}: has {keyword}" for keyword in sorted(FORBIDDEN & schema.keys()))
    if "$defs" in schema and schema is not root:
        yield f"{path}: has definitions that are not at the root"
    if schema.get("not", {}) != {}:
        yield f"{path}: excludes a schema"
    yield from (f"{path}: {problem}" for problem in _about_properties(schema))
    if "$ref" in schema:
        name = re.fullmatch(r"#/\$defs/([A-Za-z0-9_.-]+)", str(schema["$ref"]))
        if name is None or name[1] not in root.get("$defs", {}) or len(schema) > 1:
            yield f"{path}: refers to {schema['$ref']!r}, or not only that"
    for step, inner in _inner(schema):
        yield from _violations(inner, root, f"{path}.{step}")


def _about_properties(schema: JSON) -> Iterator[str]:
    if "properties" in schema or "object" in _types(schema):
        if schema.get("additionalProperties") is not False:
            yield "is not closed"
        if sorted(schema.get("required", [])) != sorted(schema.get("properties", ["none"])):
            yield "does not require exactly its properties"
    elif {"required", "additionalProperties"} & schema.keys():
        yield "is about properties that it does not have"


def _inner(schema: JSON) -> Iterator[tuple[str, JSON]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"properties.{name}", inner
    for keyword in ("anyOf", "prefixItems"):
        for index, inner in enumerate(schema.get(keyword, [])):
            yield f"{keyword}.{index}", inner
    if "items" in schema:
        yield "items", schema["items"]


def _types(schema: JSON) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def fits(value: JSON, schema: JSON) -> bool:
    """Whether a value fits a schema, by the library alone."""
    return bool(Draft202012Validator(schema, registry=Registry()).is_valid(value))


@dataclass(frozen=True)
class Sanitary:
    """A sanitized schema, by which values are written as a model would: every property is there,
    with null for what is missing, and what must be a string is written as JSON text."""

    root: JSON

    def written(self, value: JSON) -> JSON:
        """The value as a model would write it."""
        return self._written(value, self.root)

    def _written(self, value: JSON, schema: JSON) -> JSON:
        if "$ref" in schema:
            return self._written(value, self.root["$defs"][schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            candidates = [self._written(value, branch) for branch in schema["anyOf"]]
            fitting = [
                candidate
                for candidate, branch in zip(candidates, schema["anyOf"], strict=True)
                if self._fits(candidate, branch)
            ]
            plain = [candidate for candidate in fitting if not _texts(candidate, value)]
            return (plain or fitting or [value])[0]
        if isinstance(value, dict) and "properties" in schema:
            known = schema["properties"]
            return {
                **value,
                **{name: self._written(value.get(name), inner) for name, inner in known.items()},
            }
        if isinstance(value, list) and not _is_text(schema):
            first = schema.get("prefixItems", [])
            inner = [*first, *[schema.get("items", {})] * len(value)]
            return [self._written(each, inner[index]) for index, each in enumerate(value)]
        if value is not None and not isinstance(value, str) and _is_text(schema):
            return json.dumps(value)
        return value

    def _fits(self, value: JSON, schema: JSON) -> bool:
        return fits(value, {**schema, "$defs": self.root.get("$defs", {})})


def _is_text(schema: JSON) -> bool:
    return bool(schema.get("type") == "string")


def _texts(candidate: JSON, value: JSON) -> bool:
    return isinstance(candidate, str) and not isinstance(value, str)


def without_nulls(value: JSON) -> JSON:
    """The value without members that are null, which say the same as missing ones where both are
    allowed."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


NAMES = st.sampled_from(["a", "b", "c", "d", "e/f", "g~h", "items", "type", "$ref", "properties"])
NODE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"$ref": "#/$defs/Node"},
        "more": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "tags": {"type": "object", "additionalProperties": {"type": "boolean"}},
    },
    "required": ["value"],
}
DEFINITIONS = {
    "Node": NODE,
    "Even": {"$ref": "#/$defs/Color"},
    "Color": {"enum": ["red", "green"], "title": "Color"},
    "Base": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    "Odd name/~": {"type": "array", "items": {"type": "number"}, "maxItems": 2},
}

_TAGS = st.dictionaries(NAMES, st.booleans(), max_size=2)
_NODES: st.SearchStrategy[JSON] = st.recursive(
    st.fixed_dictionaries({"value": st.integers()}, optional={"tags": _TAGS}),
    lambda inner: st.fixed_dictionaries(
        {"value": st.integers()},
        optional={"next": inner, "more": st.lists(inner, max_size=2), "tags": _TAGS},
    ),
    max_leaves=4,
)
_TEXT = st.text('ab {}[]1"', max_size=4)

SCALARS: list[Shape] = [
    ({"type": "string"}, _TEXT),
    ({"type": "string", "minLength": 1, "pattern": "^x", "format": "uri"}, st.just("x")),
    ({"type": "integer", "minimum": 0}, st.integers(0, 9)),
    ({"type": "number", "examples": [1.5]}, st.floats(-9, 9)),
    ({"type": ["boolean", "integer"]}, st.booleans() | st.integers(0, 9)),
    ({"enum": ["on", "off", 3]}, st.sampled_from(["on", "off", 3])),
    ({"const": "fixed", "description": "Always the same."}, st.just("fixed")),
    ({"type": "string", "not": {"const": "no"}}, st.just("yes")),
    ({"$ref": "#/$defs/Color", "description": "Mine."}, st.sampled_from(["red", "green"])),
    ({"$ref": "#/$defs/Even"}, st.sampled_from(["red", "green"])),
    ({"$ref": "#/$defs/Odd name~1~0"}, st.lists(st.integers(), max_size=2)),
    ({"$ref": "#/%24defs/Node"}, _NODES),
    ({"allOf": [{"$ref": "#/$defs/Color"}], "default": "red"}, st.just("red")),
    (
        {"allOf": [{"type": "integer"}, {"minimum": 1}, {"minimum": 0, "maximum": 3}]},
        st.integers(1, 3),
    ),
    (
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "title": "Either"},
        st.integers() | _TEXT,
    ),
    ({"oneOf": [{"const": 1}, {"const": "one"}]}, st.sampled_from([1, "one"])),
    ({"type": "object"}, st.dictionaries(NAMES, st.none() | st.integers(), max_size=2)),
    ({"type": "object", "properties": {}, "additionalProperties": False}, st.just({})),
    ({"minimum": "odd", "type": "integer", "required": True}, st.integers()),
]


def optional_null(shape: Shape) -> Shape:
    """The same, or null."""
    schema, values = shape
    return {"anyOf": [schema, {"type": "null"}]}, values | st.none()


def _array(inner: Shape) -> Shape:
    schema, values = inner
    return {"type": "array", "items": schema, "minItems": 1}, st.lists(
        values, min_size=1, max_size=2
    )


def _pair(inner: Shape) -> Shape:
    schema, values = inner
    first = {"type": "array", "prefixItems": [schema, {"type": "boolean"}], "items": schema}
    return first, st.tuples(values, st.booleans(), values).map(list)


def _map(inner: Shape) -> Shape:
    schema, values = inner
    made = {"type": "object", "additionalProperties": schema, "description": "By name"}
    return made, st.dictionaries(NAMES, values, max_size=2)


def _patterns(inner: Shape) -> Shape:
    schema, values = inner
    made = {"patternProperties": {"^x": schema}, "additionalProperties": False}
    return made, st.dictionaries(st.sampled_from(["xa", "xb"]), values, max_size=2)


@st.composite
def _object(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    """An object; some also take any further property, though none is given."""
    shapes = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=3))
    required = [name for name in shapes if draw(st.booleans())]
    schema: JSON = {
        "type": "object",
        "properties": {name: schema for name, (schema, _) in shapes.items()},
    }
    more: list[JSON] = [
        {},
        {"additionalProperties": True},
        {"additionalProperties": False},
        {"minProperties": len(required), "dependentRequired": {"zz": ["a"]}},
        {"if": {"required": ["zz"]}, "then": {"required": ["a"]}},
        {"patternProperties": {"^x-": {}}, "title": "T", "x-own": {"oneOf": 1}},
    ]
    schema |= more[draw(st.integers(0, len(more) - 1))]
    if draw(st.booleans()) or required:
        schema["required"] = required
    values = st.fixed_dictionaries(
        {name: shapes[name][1] for name in required},
        optional={name: shapes[name][1] for name in shapes if name not in required},
    )
    return schema, values


@st.composite
def _composed(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    """An object in several parts: all of them, or one of two that a property tells apart."""
    (one, these), (two, those) = draw(inner), draw(inner)
    if draw(st.booleans()):
        parts = [
            {"$ref": "#/$defs/Base"},
            {"properties": {"one": one}, "required": ["one"]},
            {"type": "object", "properties": {"two": two}},
        ]
        return {"allOf": parts}, st.fixed_dictionaries(
            {"id": st.integers(), "one": these}, optional={"two": those}
        )
    left = {"properties": {"kind": {"const": "left"}, "one": one}, "required": ["kind"]}
    right = {"properties": {"kind": {"const": "right"}, "two": two}, "required": ["kind", "two"]}
    around: JSON = {"type": "object", "properties": {"both": {"type": "integer"}}}
    union = {"anyOf" if draw(st.booleans()) else "oneOf": [left, right]}
    values = st.fixed_dictionaries(
        {"kind": st.just("left")}, optional={"one": these, "both": st.integers()}
    ) | st.fixed_dictionaries(
        {"kind": st.just("right"), "two": those}, optional={"both": st.integers()}
    )
    return around | union, values


def _deeper(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    wrapped = st.sampled_from([_array, _pair, _map, _patterns, optional_null])
    return (
        _object(inner)
        | _composed(inner)
        | st.builds(lambda wrap, shape: wrap(shape), wrapped, inner)
    )


_shapes: st.SearchStrategy[Shape] = st.recursive(st.sampled_from(SCALARS), _deeper, max_leaves=6)


@st.composite
def tools(draw: st.DrawFn) -> tuple[JSON, JSON]:
    """The schema of a tool, and arguments that fit it."""
    schema, values = draw(_object(_shapes) | _composed(_shapes))
    schema = {"type": "object", **schema, "$defs": DEFINITIONS}
    return schema, draw(values)


_junk = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "#", "null"])
_kinds = st.sampled_from(["object", "object", "string", "array", "integer", "null", "thing"])
_references = st.sampled_from(
    ["#", "#/$defs/a", "#/$defs/b", "#/definitions/a", "#/properties/a", "#/anyOf/0", "#a", "a#"]
)


def _keywords(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    """A few keywords of JSON Schema, mostly with what they may hold."""

    def pairs(names: str, values: st.SearchStrategy[JSON]) -> st.SearchStrategy[tuple[str, JSON]]:
        return st.tuples(st.sampled_from(names.split()), values)

    named = st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    several = st.lists(inner, min_size=1, max_size=3)
    found = (
        pairs("properties $defs properties definitions patternProperties dependentSchemas", named)
        | pairs("allOf anyOf oneOf prefixItems items", several)
        | pairs("items additionalProperties not if then else unevaluatedProperties", inner)
        | pairs("type", _kinds | st.lists(_kinds, max_size=3))
        | pairs("required enum examples", st.lists(_junk, max_size=3))
        | pairs("required", st.lists(st.sampled_from("abc"), max_size=3))
        | pairs("$ref $ref $dynamicRef $id", _references)
        | pairs("title description default const minimum maxLength nullable pattern a", _junk)
        | pairs(" ".join(sorted(FORBIDDEN)), inner | several)
    )
    return st.lists(found, max_size=4).map(dict)


anything: st.SearchStrategy[JSON] = st.recursive(
    _junk, lambda inner: _keywords(inner) | st.lists(inner, max_size=2), max_leaves=12
)
"""JSON that looks like a schema and often is none."""

objects: st.SearchStrategy[JSON] = _keywords(anything).map(
    lambda schema: {**schema, "type": schema.get("type", "object")}
)
"""The same, and mostly about objects."""
