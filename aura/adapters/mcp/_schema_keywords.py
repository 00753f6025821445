"""The keywords of JSON Schema: what each may hold, and which say something about a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

Schema: TypeAlias = dict[str, object]
Note: TypeAlias = Callable[[str, str], None]
"""Told the JSON path of a schema and what is changed in it."""

TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})

OBJECT = ("properties", "required", "additionalProperties", "patternProperties")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
DEFINITIONS = ("$defs", "definitions")

LEFT_OUT = frozenset(
    {
        "$anchor",
        "$dynamicAnchor",
        "$recursiveAnchor",
        "$vocabulary",
        "additionalItems",
        "contains",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "disallow",
        "discriminator",
        "else",
        "extends",
        "if",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        *DEFINITIONS,
    }
)
"""What the strict subset has no word for. All of it only restricts values, or names places."""

LOWEST = frozenset({"exclusiveMinimum", "minItems", "minLength", "minProperties", "minimum"})
HIGHEST = frozenset({"exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"})
RESTRICTIONS = frozenset({"format", "multipleOf", "pattern"})

_SILENT = frozenset(
    {"$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "discriminator", *DEFINITIONS}
)
ASSERTIONS = (
    frozenset({"allOf", "anyOf", "const", "enum", "items", "not", "oneOf", "prefixItems", "type"})
    | {"uniqueItems", *OBJECT, *REFERENCES}
    | LOWEST
    | HIGHEST
    | RESTRICTIONS
    | (LEFT_OUT - _SILENT)
)
"""What makes a value fit or not. Everything else only tells about it."""


def asserts(schema: Schema) -> bool:
    """Whether a value can fail to fit the schema."""
    return not ASSERTIONS.isdisjoint(schema)


def told(schema: Schema) -> Schema:
    """The part of a schema that only tells about the value."""
    return {keyword: value for keyword, value in schema.items() if keyword not in ASSERTIONS}


def asserted(schema: Schema) -> Schema:
    """The part of a schema that a value may not fit."""
    return {keyword: value for keyword, value in schema.items() if keyword in ASSERTIONS}


def types_of(schema: Schema) -> list[str]:
    """The types that a tidy schema names; none if it names no type."""
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else cast("list[str]", types)


def objectish(schema: Schema) -> bool:
    """Whether a tidy schema is about objects, by its type or by what it says."""
    if "type" in schema:
        return "object" in types_of(schema)
    if "enum" in schema or "const" in schema:
        return False
    named = ("properties", "additionalProperties", "patternProperties", "unevaluatedProperties")
    return bool(schema.get("required")) or any(keyword in schema for keyword in named)


def trivial(schema: object) -> bool:
    """Whether every value fits."""
    return schema is True or (isinstance(schema, dict) and not asserts(schema))


def impossible(schema: object) -> bool:
    """Whether it is plain that no value fits."""
    return schema is False or (isinstance(schema, dict) and trivial(schema.get("not", False)))


def members(schema: Schema, keyword: str = "properties") -> dict[str, object]:
    """The schemas by name that a tidy schema holds under a keyword."""
    return cast("dict[str, object]", schema.get(keyword, {}))


def parts(schema: Schema, keyword: str) -> list[object]:
    """The schemas that a tidy schema lists under a keyword."""
    return cast("list[object]", schema.get(keyword, []))


def names(schema: Schema) -> list[str]:
    """The properties that a tidy schema requires."""
    return cast("list[str]", schema.get("required", []))


def additional(schema: Schema) -> object:
    """What is said about the properties that have no name here; `True` if nothing is."""
    return schema.get("additionalProperties", schema.get("unevaluatedProperties", True))


def conditional(node: Schema) -> dict[str, object]:
    """The schemas of properties that are named under some condition."""
    found: dict[str, object] = {}
    places = [node.get("then"), node.get("else")]
    for keyword in ("dependentSchemas", "dependencies"):
        dependent = node.get(keyword)
        if isinstance(dependent, dict):
            places.extend(dependent.values())
    for schema in places:
        named = schema.get("properties") if isinstance(schema, dict) else None
        if isinstance(named, dict):
            found = {**named, **found}
    return found


def only_restricts(schema: object) -> bool:
    """Whether a schema takes values away and describes none."""
    return schema is True or (
        isinstance(schema, dict) and asserted(schema).keys() <= LEFT_OUT | {"not", "required"}
    )


def under(path: str, *steps: str | int) -> str:
    """The JSON path of something inside the schema at `path`."""
    return ".".join([path, *map(str, steps)] if path else map(str, steps))


def tidy(schema: Schema, path: str, note: Note) -> Schema:
    """A copy without what is no JSON Schema, and with one spelling where there are several."""
    found: Schema = {}
    for keyword, value in schema.items():
        fits = _FITS.get(keyword)
        if fits is None or fits(value):
            found[keyword] = value
        elif keyword == "required" and isinstance(value, list):
            found[keyword] = list(dict.fromkeys(name for name in value if isinstance(name, str)))
            note(path, "required is reduced to names, each once")
        elif keyword == "items" and isinstance(value, list):
            _tuple(schema, found, path, note)
        else:
            note(path, f"{keyword} does not hold what it must, so it is left out")
    if "const" in found and found["const"] is None:
        _null(found, path, note)
    return found


def _tuple(schema: Schema, found: Schema, path: str, note: Note) -> None:
    """The list that `items` was once allowed to be."""
    if schema["items"] and "prefixItems" not in schema:
        found["prefixItems"] = schema["items"]
    if _schema(schema.get("additionalItems")):
        found["items"] = schema["additionalItems"]
    note(path, "items is a list, so it is written as prefixItems")


def _null(found: Schema, path: str, note: Note) -> None:
    del found["const"]
    found.pop("nullable", None)
    if "null" not in types_of(found) and "type" in found:
        found["not"] = {}
    found["type"] = "null"
    note(path, "the constant null is written as a type")


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _schema(value: object) -> bool:
    return isinstance(value, bool | dict)


def _object(value: object) -> bool:
    return isinstance(value, dict)


def _list(value: object) -> bool:
    return isinstance(value, list)


def _schemas(value: object) -> bool:
    return isinstance(value, list) and bool(value)


def _types(value: object) -> bool:
    found = value if isinstance(value, list) and value else [value]
    return all(isinstance(each, str) and each in TYPES for each in found)


def _names(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value)) == len(value)


_FITS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("$comment", "$id", "$schema", "description", "title"), _text),
    **dict.fromkeys(("$ref", "format", "pattern"), _text),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), _number),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties", "minItems", "minLength"), _count),
    **dict.fromkeys(("$defs", "definitions", "patternProperties", "properties"), _object),
    **dict.fromkeys(("additionalProperties", "items", "not", "unevaluatedProperties"), _schema),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _schemas),
    **dict.fromkeys(("enum", "examples"), _list),
    "minProperties": _count,
    "multipleOf": _number,
    "required": _names,
    "type": _types,
    "uniqueItems": lambda value: isinstance(value, bool),
}
