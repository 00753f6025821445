"""Schemas of tools as Gemini takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aura.adapters.models._gemini_schema import MOST_NODES, fitted
from tests.support.schemas import tools

ANY = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
NODE = {
    "type": "object",
    "properties": {
        "v": {"type": "string"},
        "kids": {"type": "array", "items": {"$ref": "#/$defs/N"}},
    },
}

FITTED: list[tuple[str, Any, Any]] = [
    ("nullable", {"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    ("only-null", {"type": "null"}, {"type": "string", "nullable": True}),
    (
        "optional",
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "description": "N"},
        {"type": "integer", "nullable": True, "description": "N"},
    ),
    (
        "several-types",
        {"type": ["string", "integer"], "description": "Id", "maxLength": 9},
        {
            "anyOf": [
                {"type": "string", "description": "Id", "maxLength": 9},
                {"type": "integer"},
            ]
        },
    ),
    ("words", {"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    ("const", {"const": "a"}, {"type": "string", "enum": ["a"]}),
    (
        "numbers-to-choose",
        {"type": "integer", "enum": [1, 2, None], "description": "Level."},
        {"type": "integer", "nullable": True, "description": "Level. One of: 1, 2."},
    ),
    ("numbers-alone", {"enum": [1, 2.5]}, {"type": "number", "description": "One of: 1, 2.5."}),
    (
        "empty-word",
        {"enum": ["", "a"]},
        {"type": "string", "description": 'One of: "".', "enum": ["a"]},
    ),
    (
        "formats",
        {"type": "string", "format": "email", "minLength": 3},
        {"type": "string", "description": "Format: email.", "minLength": 3},
    ),
    ("date", {"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
    (
        "beyond-bounds",
        {"type": "integer", "exclusiveMinimum": 0, "maximum": 9, "multipleOf": 2},
        {"type": "integer", "description": "Greater than 0. A multiple of 2.", "maximum": 9},
    ),
    ("array", {"type": "array"}, {"type": "array", "items": ANY}),
    (
        "tuple",
        {"prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
        {
            "type": "array",
            "minItems": 2,
            "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
    ),
    ("anything", True, ANY),
    ("map", {"type": "object", "additionalProperties": {"type": "string"}}, {"type": "object"}),
    (
        "one-of",
        {"oneOf": [{"properties": {"t": {"const": "a"}}}, {"type": "string"}], "title": "T"},
        {
            "anyOf": [
                {
                    "title": "T",
                    "type": "object",
                    "properties": {"t": {"type": "string", "enum": ["a"]}},
                },
                {"type": "string"},
            ]
        },
    ),
    (
        "all-of",
        {
            "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}],
            "type": "object",
            "properties": {"b": {"type": "boolean"}},
            "required": ["b"],
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "boolean"}},
            "required": ["b", "a"],
        },
    ),
    (
        "choice-beside-members",
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                    "required": [name],
                }
                for name in "ab"
            ]
        },
    ),
    (
        "tree",
        {"$ref": "#/$defs/N", "description": "A tree"},
        {
            "type": "object",
            "description": "A tree",
            "properties": {
                "v": {"type": "string"},
                "kids": {"type": "array", "items": {"type": "object"}},
            },
        },
    ),
    (
        "lost-reference",
        {"$ref": "#/$defs/gone", "description": "D"},
        {"anyOf": [{"type": "string", "description": "D"}, *ANY["anyOf"][1:]]},
    ),
    ("elsewhere", {"$ref": "https://example.com/s.json"}, ANY),
]


@pytest.mark.parametrize(
    ("schema", "expected"), [pytest.param(*rest, id=case) for case, *rest in FITTED]
)
def test_a_schema_says_the_same_in_other_words(schema: Any, expected: Any) -> None:
    root = {"type": "object", "properties": {"x": schema}, "$defs": {"N": NODE}}
    assert fitted(root) == {"type": "object", "properties": {"x": expected}}


@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}, False]
)
def test_no_parameters_are_left_out(schema: Any) -> None:
    found = fitted(schema)
    assert found is None or found == ANY


def test_only_what_there_is_can_be_required() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "never": False},
        "required": ["a", "a", "never", "gone", 1],
    }
    assert fitted(schema) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
    }


def test_references_that_multiply_have_an_end() -> None:
    """Ten levels of ten references each would be ten thousand million schemas."""
    levels: dict[str, Any] = {
        f"L{level}": {"properties": {str(n): {"$ref": f"#/$defs/L{level + 1}"} for n in range(10)}}
        for level in range(10)
    }
    schema = {"$ref": "#/$defs/L0", "$defs": {**levels, "L10": {"type": "string"}}}
    assert len(list(nodes(fitted(schema)))) < 20 * MOST_NODES


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("$ref", "allOf", "anyOf", "oneOf", "const", "enum", "type", "items"),
                    *("properties", "required", "prefixItems", "format", "minItems", "title"),
                )
            ),
            inner | st.sampled_from(["#", "#/properties", "object", "string", "null", "array"]),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(VALUES)
def test_whatever_it_is_what_comes_of_it_is_taken(schema: Any) -> None:
    found = fitted(schema)
    assert found is None or violations(found) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tools())
def test_schemas_of_tools_become_schemas_that_are_taken(tool: tuple[Any, Any]) -> None:
    found = fitted(tool[0])
    assert found is None or violations(found) == []
    assert found is None or fitted(found) == found


TAKEN = {
    "string": {"enum", "format", "minLength", "maxLength", "pattern"},
    "number": {"format", "minimum", "maximum"},
    "integer": {"format", "minimum", "maximum"},
    "boolean": set[str](),
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "required", "minProperties", "maxProperties"},
}


def nodes(schema: Any) -> Iterator[Any]:
    yield schema
    inner = [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]
    for each in [*inner, *([schema["items"]] if "items" in schema else [])]:
        yield from nodes(each)


def violations(schema: Any) -> list[str]:
    return [found for node in nodes(schema) if (found := violation(node))]


def violation(node: Any) -> str:
    """What Gemini would refuse, by its description of a schema."""
    if "anyOf" in node:
        return "" if set(node) == {"anyOf"} and len(node["anyOf"]) > 1 else f"beside anyOf: {node}"
    kind = node.get("type")
    if kind not in TAKEN:
        return f"type: {node}"
    if extra := set(node) - TAKEN[kind] - {"type", "nullable", "title", "description"}:
        return f"unknown: {extra}"
    if not all(isinstance(word, str) and word for word in node.get("enum", ["a"])):
        return f"enum: {node}"
    if kind == "array" and "items" not in node:
        return "items are missing"
    if not set(node.get("required", ())) <= set(node.get("properties", ())):
        return f"required: {node}"
    return ""
