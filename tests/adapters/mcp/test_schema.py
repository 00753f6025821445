"""Tool schemas for strict providers: each rule by an example."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aura.adapters.mcp.arguments import Arguments
from aura.adapters.mcp.schema import Unusable, sanitized
from tests.support.schemas import violations

STRING = {"type": "string"}
NULL = {"type": "null"}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object of these properties and no others."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(properties)} if properties else {})


def takes(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A schema as servers write it."""
    return {"type": "object", "properties": properties, **more}


SCHEMAS = [
    ("no arguments", {"type": "object"}, closed({})),
    ("no type", {"properties": {"a": STRING}, "required": ["a"]}, closed({"a": STRING})),
    (
        "booleans",
        takes(
            {
                "cfg": True,
                "never": False,
                "tup": {"type": "array", "prefixItems": [True, STRING]},
            },
            required=["cfg", "never", "tup"],
        ),
        closed(
            {
                "cfg": {},
                "never": {"not": {}},
                "tup": {"type": "array", "prefixItems": [{}, STRING]},
            }
        ),
    ),
    (
        "optional",
        takes(
            {
                "env": {
                    "type": "string",
                    "enum": ["dev", "prod"],
                    "default": "dev",
                    "description": "Target",
                },
                "name": STRING,
            },
            required=["name"],
        ),
        {
            **closed(
                {
                    "env": {
                        "anyOf": [{"type": "string", "enum": ["dev", "prod"]}, NULL],
                        "description": "Target",
                        "default": "dev",
                    },
                    "name": STRING,
                }
            ),
            "required": ["name", "env"],
        },
    ),
    (
        "optional union",
        takes({"when": {"anyOf": [STRING, {"type": "integer"}], "title": "When"}}),
        closed({"when": {"anyOf": [STRING, {"type": "integer"}, NULL], "title": "When"}}),
    ),
    (
        "null already",
        takes({"opt": {"type": ["integer", "null"]}}),
        closed({"opt": {"type": ["integer", "null"]}}),
    ),
    ("only null", takes({"opt": NULL}), closed({"opt": NULL})),
    (
        "nested",
        takes(
            {
                "rows": {
                    "type": "array",
                    "items": takes({"id": {"type": "integer"}, "note": STRING}, required=["id"]),
                }
            },
            required=["rows"],
        ),
        closed(
            {
                "rows": {
                    "type": "array",
                    "items": closed({"id": {"type": "integer"}, "note": {"anyOf": [STRING, NULL]}}),
                }
            }
        ),
    ),
    (
        "constant null",
        takes({"n": {"const": None, "nullable": True}}, required=["n"]),
        closed({"n": NULL}),
    ),
    (
        "one of",
        takes({"a": {"oneOf": [STRING, takes({"b": STRING}, required=["b"])]}}, required=["a"]),
        closed({"a": {"anyOf": [STRING, closed({"b": STRING})]}}),
    ),
    (
        "all of",
        takes(
            {"a": {"allOf": [takes({"x": STRING}, required=["x"]), {"required": ["x"]}]}},
            required=["a"],
        ),
        closed({"a": closed({"x": STRING})}),
    ),
    (
        "reference",
        takes({"a": {"$ref": "#/$defs/Name"}}, required=["a"], **{"$defs": {"Name": STRING}}),
        closed({"a": STRING}),
    ),
    (
        "recursive reference",
        {
            "$ref": "#/$defs/Node",
            "$defs": {"Node": takes({"next": {"$ref": "#/$defs/Node"}})},
        },
        {
            **closed({"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}}),
            "$defs": {"Node": closed({"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}})},
        },
    ),
]


@pytest.mark.parametrize(
    ("schema", "expected"), [pytest.param(*rest, id=name) for name, *rest in SCHEMAS]
)
def test_a_schema_is_written_in_the_strict_subset(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = sanitized(schema)
    assert found.schema == expected
    assert violations(found.schema) == []
    assert sanitized(found.schema).changes == ()


def test_every_rewrite_is_told_with_its_place() -> None:
    schema = takes({"a": STRING, "m": {"type": "object"}}, required=["m"], minProperties=1)
    changes = sanitized(schema).changes
    assert "properties.a: optional, so it is required and may be null" in changes
    assert any(each.startswith("properties.m: ") and "JSON text" in each for each in changes)
    assert any("minProperties" in each for each in changes)


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "object", "additionalProperties": STRING},
        {"type": "object", "additionalProperties": True},
        {"type": "object"},
        {"type": "object", "patternProperties": {"^x": STRING}},
        takes({"a": STRING}, additionalProperties=STRING),
    ],
)
def test_a_map_is_asked_for_as_json_text_and_given_as_a_map(kind: dict[str, Any]) -> None:
    schema = takes({"labels": {**kind, "description": "By name."}}, required=["labels"])
    labels = sanitized(schema).schema["properties"]["labels"]  # type: ignore[index]
    assert labels["type"] == "string"
    assert labels["description"].startswith("By name.")
    written = {"labels": json.dumps({"xy": "z"})}
    assert Arguments(schema).checked(written) == {"labels": {"xy": "z"}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "of type 'string', not an object"),
        ({"type": "array", "items": STRING}, "of type 'array', not an object"),
        (takes({"a": {"items": [0] * 30_000}}), "more than"),
    ],
)
def test_what_is_no_object_is_not_offered(schema: dict[str, Any], words: str) -> None:
    if "items" in str(schema.get("properties", "")):
        schema["properties"]["a"]["items"] = [[] for _ in range(30_000)]
    with pytest.raises(Unusable, match=words):
        sanitized(schema)


def test_a_schema_that_would_grow_without_end_keeps_its_references() -> None:
    laughs: dict[str, Any] = {"L0": takes({"x": STRING})}
    for level in range(1, 40):
        inner = {"$ref": f"#/$defs/L{level - 1}"}
        laughs[f"L{level}"] = takes({"a": inner, "b": inner})
    schema = takes({"all": {"$ref": "#/$defs/L39"}}, **{"$defs": laughs})
    found = sanitized(schema)
    assert violations(found.schema) == []
    assert len(json.dumps(found.schema)) < 20_000
    assert isinstance(Arguments(schema).checked({"all": {}}), dict)


def test_two_thousand_properties_and_deep_nesting_are_no_trouble() -> None:
    wide = takes({f"p{number}": STRING for number in range(2000)})
    assert violations(sanitized(wide).schema) == []
    deep: dict[str, Any] = STRING
    for _ in range(40):
        deep = takes({"x": deep}, required=["x"])
    assert violations(sanitized(deep).schema) == []
