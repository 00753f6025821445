"""Arguments against the schema of the server: what is sent, and what the model is told."""

from __future__ import annotations

import copy
import json
import socket
from typing import Any

import pytest

from aura.adapters.mcp.arguments import Arguments

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
OLD = "http://json-schema.org/draft-07/schema#"
MAP = {"type": "object", "additionalProperties": INTEGER}


def tool(required: str = "", /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def checked(schema: Any, **arguments: Any) -> Any:
    before = copy.deepcopy(arguments)
    found = Arguments(schema).checked(arguments)
    assert arguments == before
    return found


def problems(schema: Any, **arguments: Any) -> list[str]:
    """What the model is told, without the first line and the dashes."""
    found = checked(schema, **arguments)
    assert isinstance(found, str)
    first, *lines = found.splitlines()
    assert first == "the arguments do not fit the schema of the tool:"
    return [line.removeprefix("- ") for line in lines]


NODE = tool("v", v=INTEGER, kids={"type": "array", "items": {"$ref": "#/$defs/node"}})
NODES = {"$defs": {"node": NODE}}


@pytest.mark.parametrize(
    ("schema", "written", "expected"),
    [
        pytest.param(tool(a=STRING), {"a": None}, {}, id="an optional null"),
        pytest.param(
            tool(a={"type": ["string", "null"]}, b=INTEGER),
            {"a": None, "b": None},
            {"a": None},
            id="an allowed null",
        ),
        pytest.param(
            tool(a=tool(b=STRING, c=STRING)),
            {"a": {"b": None, "c": "x"}},
            {"a": {"c": "x"}},
            id="nested",
        ),
        pytest.param(
            tool(a={"type": "array", "items": tool(b=STRING)}),
            {"a": [{"b": None}, {}]},
            {"a": [{}, {}]},
            id="in items",
        ),
        pytest.param(
            tool(a={"prefixItems": [INTEGER, tool(b=STRING)], "items": tool(c=STRING)}),
            {"a": [1, {"b": None}, {"c": None}]},
            {"a": [1, {}, {}]},
            id="in a tuple",
        ),
        pytest.param(
            tool(a={"$ref": "#/$defs/node"}) | NODES,
            {"a": {"v": 1, "kids": [{"v": 2, "kids": None}]}},
            {"a": {"v": 1, "kids": [{"v": 2}]}},
            id="through references",
        ),
        pytest.param(
            {"allOf": [tool(a=STRING), tool(b=STRING)]},
            {"a": None, "b": "x"},
            {"b": "x"},
            id="in allOf",
        ),
        pytest.param(
            tool(a={"anyOf": [INTEGER, tool("b", b=STRING, c=STRING)]}),
            {"a": {"b": "x", "c": None}},
            {"a": {"b": "x"}},
            id="in a branch",
        ),
        pytest.param(
            {
                "oneOf": [
                    tool("k", k={"const": 1}, a=STRING) | {"additionalProperties": False},
                    tool("k", k={"const": 2}, b=STRING) | {"additionalProperties": False},
                ]
            },
            {"k": 2, "a": None, "b": "x"},
            {"k": 2, "b": "x"},
            id="of another branch",
        ),
        pytest.param(
            {
                "oneOf": [
                    tool(a=STRING, n=INTEGER),
                    tool(a=STRING, n=STRING),
                    tool(a=INTEGER, n=MAP),
                ]
            },
            {"a": "5", "n": None},
            {"a": 5},
            id="of the only branch that then fits alone",
        ),
        pytest.param(
            {"anyOf": [tool("a", a=STRING), tool("b", b=STRING)], "unevaluatedProperties": False},
            {"a": "x", "c": None},
            {"a": "x"},
            id="unevaluated",
        ),
        pytest.param(
            tool(a=STRING, b=STRING) | {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": None, "b": "x"},
            {"b": "x"},
            id="beside a union",
        ),
        pytest.param(
            tool(k=STRING) | {"if": {"properties": {"k": {"const": "x"}}}, "then": tool(a=STRING)},
            {"k": "x", "a": None},
            {"k": "x"},
            id="under a condition",
        ),
        pytest.param(
            tool(k=STRING) | {"dependentSchemas": {"k": tool(a=STRING)}},
            {"k": "x", "a": None},
            {"k": "x"},
            id="dependent",
        ),
        pytest.param(tool(a=MAP), {"a": '{"x": 1}'}, {"a": {"x": 1}}, id="text of an object"),
        pytest.param(
            tool(a={"type": "array", "items": INTEGER}),
            {"a": "[1, 2]"},
            {"a": [1, 2]},
            id="text of a list",
        ),
        pytest.param(
            tool(a={"type": "object", "additionalProperties": tool("b", b=INTEGER, c=STRING)}),
            {"a": '{"x": {"b": "7", "c": null}}'},
            {"a": {"x": {"b": 7}}},
            id="restored inside the text",
        ),
        pytest.param(
            tool(a=INTEGER, b={"type": "boolean"}, c={"const": None}),
            {"a": "5", "b": "true", "c": "null"},
            {"a": 5, "b": True, "c": None},
            id="text of a scalar",
        ),
        pytest.param(
            tool(a={"anyOf": [INTEGER, MAP]}),
            {"a": '{"x": 1}'},
            {"a": {"x": 1}},
            id="text in a branch",
        ),
        pytest.param(
            tool(a={"$ref": "#/$defs/node"}) | NODES,
            {"a": '{"v": 1}'},
            {"a": {"v": 1}},
            id="text of a definition",
        ),
        pytest.param(
            tool(a={"additionalProperties": INTEGER}),
            {"a": '{"x": 1}'},
            {"a": {"x": 1}},
            id="no type, but an object",
        ),
        pytest.param(
            tool(a={"$ref": "https://example.com/"}, b={"$ref": "#/$defs/none"}),
            {"a": '{"x": 1}', "b": "[1]"},
            {"a": {"x": 1}, "b": [1]},
            id="text in the place of what cannot be found",
        ),
        pytest.param(
            tool(a=STRING) | {"additionalProperties": False, "$schema": OLD},
            {"a": "x", "b": None},
            {"a": "x"},
            id="of a name that is not known",
        ),
        pytest.param(
            tool(a={"items": [INTEGER, tool(b=STRING)], "additionalItems": tool(c=STRING)})
            | {"$schema": OLD},
            {"a": [1, {"b": None}, {"c": None}]},
            {"a": [1, {}, {}]},
            id="in a tuple of an old dialect",
        ),
        pytest.param(
            tool(
                a={
                    "type": "object",
                    "minimum": "odd",
                    "properties": {"b": {**INTEGER, "maximum": "odd"}},
                }
            ),
            {"a": {"b": None}},
            {"a": {}},
            id="beside what is malformed",
        ),
        pytest.param(
            tool(a=tool(b=STRING) | {"$ref": "#/$defs/none"}),
            {"a": {"b": None}},
            {"a": {}},
            id="beside what cannot be found",
        ),
    ],
)
def test_what_was_written_for_the_strict_schema_is_restored(
    schema: Any, written: Any, expected: Any
) -> None:
    assert checked(schema, **written) == expected


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (tool("a", a=STRING), {"a": "x", "b": None}),
        (tool(a=STRING), {"a": '{"x": 1}'}),
        (tool(a={"anyOf": [STRING, MAP]}), {"a": '{"x": 1}'}),
        (tool(a={}), {"a": None}),
        (tool(a={"$ref": "https://example.com/"}), {"a": "5"}),
        (
            tool(a={"patternProperties": {"^x": INTEGER}, "additionalProperties": False}),
            {"a": {"y": 1}},
        ),
        (
            {"allOf": [{"patternProperties": {"^x": INTEGER}}], "unevaluatedProperties": False},
            {"y": 1},
        ),
        (tool(a={"type": "array", "uniqueItems": True}), {"a": [1, True, "1", [1]]}),
        (tool(a={**STRING, "format": "date"}), {"a": "never"}),
    ],
    ids=str,
)
def test_arguments_that_fit_come_back_as_they_are(schema: Any, arguments: dict[str, Any]) -> None:
    assert Arguments(schema).checked(arguments) is arguments


HOSTILE = "(a+)+$"
BAIT = "a" * 60 + "!"


@pytest.mark.parametrize(
    "schema",
    [
        tool(a={"pattern": HOSTILE}),
        tool(a={"pattern": HOSTILE}) | {"$schema": "http://json-schema.org/draft-04/schema#"},
        tool(a={"$schema": OLD, "pattern": HOSTILE}),
        tool(a={"not": {"$schema": OLD, "pattern": HOSTILE, "type": "integer"}}),
        tool(a={"$ref": "#/$defs/a"}) | {"$defs": {"a": {"$schema": OLD, "pattern": HOSTILE}}},
        {"patternProperties": {HOSTILE: False}, "additionalProperties": False},
        {"propertyNames": {"pattern": HOSTILE}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"patternProperties": {HOSTILE: False}}}},
        {"anyOf": [{"patternProperties": {HOSTILE: False}}], "unevaluatedProperties": False},
        {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "patternProperties": {HOSTILE: {}},
            "unevaluatedProperties": False,
        },
    ],
    ids=str,
)
def test_no_pattern_of_a_server_is_run(schema: Any) -> None:
    arguments = {"a": BAIT, BAIT: 1}
    assert Arguments(schema).checked(arguments) is arguments


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$schema", "$id"])
def test_nothing_is_fetched(keyword: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/schema.json"
        schema = tool(a={keyword: address, "type": "integer"}) | {"$schema": address}
        assert problems(schema, a="x") == ['a: must be integer, not "x"']
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def exponential(keyword: str, levels: int) -> dict[str, Any]:
    """Definitions of which each says the next one twice."""
    twice = [{keyword: [{"$ref": f"#/$defs/{level}"}] * 2} for level in range(1, levels)]
    definitions = dict(zip(map(str, range(levels)), [*twice, STRING], strict=True))
    return tool(a={"$ref": "#/$defs/0"}) | {"$defs": definitions}


def unevaluated(levels: int) -> Any:
    found: Any = {}
    for _ in range(levels):
        found = {"allOf": [found], "unevaluatedProperties": INTEGER}
    return found


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (exponential("allOf", 60), "x"),
        (exponential("anyOf", 60), 5),
        (exponential("oneOf", 60), "x"),
        (tool(a=unevaluated(40)), {"x": 1, "y": 2}),
        (tool(a={"$ref": "#/$defs/a"}) | {"$defs": {"a": {"$ref": "#/$defs/a"}}}, 5),
        ({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, 5),
    ],
    ids=["allOf", "anyOf", "oneOf", "unevaluated", "a circle", "the root"],
)
def test_what_takes_too_long_to_judge_is_passed_on(schema: Any, value: Any) -> None:
    arguments = {"a": value}
    assert Arguments(schema).checked(arguments) is arguments


def deep(levels: int) -> Any:
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "schema",
    [
        tool(a=INTEGER) | {"required": "a"},
        tool(a={"type": "number?"}),
        tool(a=INTEGER) | {"$schema": 5},
        tool(a=INTEGER) | {"$id": 5},
        tool(a=INTEGER) | {"$id": "http://[", "anyOf": [{"$ref": "a"}]},
        tool(a=INTEGER) | {"examples": 5},
        {"properties": 5},
        {"properties": {"a": 5}},
        {"properties": {"a": {"$ref": 5}}},
        {
            "$schema": "http://json-schema.org/draft-03/schema#",
            "properties": {"a": {"type": "any?"}},
        },
        {"properties": {"a": {"items": {"multipleOf": 0}}}},
    ],
    ids=str,
)
def test_a_schema_that_is_none_judges_nothing(schema: Any) -> None:
    arguments = {"a": ["x", 1]}
    assert Arguments(schema).checked(arguments) is arguments


def test_values_without_end_are_passed_on() -> None:
    again = {"$defs": {"list": {"type": "array", "items": {"$ref": "#/$defs/list"}}}}
    schema = tool(a={"$ref": "#/$defs/list"}) | again
    arguments = {"a": deep(5000)}
    assert Arguments(schema).checked(arguments) is arguments


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '"\\ud800"', "{'a': 1}", "NaN", '{"a": 1', "\ud800"]
)
def test_what_is_no_json_text_is_not_decoded(text: str) -> None:
    (line,) = problems(tool(a=MAP), a=text)
    assert line.startswith("a: must be object (given as such or as JSON text), not ")


NEITHER = "x: must be at most 1, not 3 | x: must be a multiple of 5, not 3"


@pytest.mark.parametrize(
    ("schema", "arguments", "expected"),
    [
        (tool(a=INTEGER), {"a": "x"}, ['a: must be integer, not "x"']),
        (
            tool(a={"type": ["integer", "null"]}),
            {"a": "x"},
            ['a: must be integer or null, not "x"'],
        ),
        (
            tool("a b c", a=INTEGER, b={"enum": ["x", 1]}),
            {},
            [
                "a: is missing; it must be integer",
                'b: is missing; it must be one of "x", 1',
                "c: is missing",
            ],
        ),
        (tool("a", a=INTEGER), {"a": None}, ["a: must be integer, not null"]),
        (
            tool(a={"type": "array", "items": tool(b={"maximum": 3})}),
            {"a": [{}, {"b": 4}]},
            ["a[1].b: must be at most 3, not 4"],
        ),
        (
            tool(a=STRING, b=STRING) | {"additionalProperties": False},
            {"c": 1},
            ["c: is unknown; known are: a, b"],
        ),
        ({"additionalProperties": False}, {"c": 1}, ["c: is unknown; known are: none"]),
        (tool(a=MAP), {"a": '{"x": "y"}'}, ['a.x: must be integer, not "y"']),
        (
            tool(a={"enum": list(range(99))}),
            {"a": -1},
            ["a: must be one of " + ", ".join(map(str, range(20))) + ", ..., not -1"],
        ),
        (tool(a={"const": "x"}), {"a": "y"}, ['a: must be "x", not "y"']),
        (tool(a={"minLength": 2}), {"a": "y"}, ['a: must have at least 2 characters, not "y"']),
        (
            tool(a={"uniqueItems": True}),
            {"a": [1, 1]},
            ["a: must not have an element twice, not [1, 1]"],
        ),
        (tool(a=False), {"a": 1}, ["a: must not be there"]),
        (tool(a={"not": STRING}), {"a": "y"}, ['a: must satisfy not: {"type": "string"}, not "y"']),
        ({"minProperties": 1}, {}, ["the arguments: must have at least 1 properties, not {}"]),
        (
            tool(a={"anyOf": [INTEGER, {"type": "null"}, {"const": "x"}]}),
            {"a": "y"},
            ['a: must be integer or null or "x", not "y"'],
        ),
        (
            tool(a={"anyOf": [tool("b", b=INTEGER), {"type": "null"}]}),
            {"a": {"b": "y"}},
            ['a.b: must be integer, not "y"'],
        ),
        (
            tool(
                a={
                    "oneOf": [
                        tool("k", k={"const": 1}, b=INTEGER),
                        tool("k", k={"const": 2}, b=MAP),
                    ]
                }
            ),
            {"a": {"k": 2, "b": 3}},
            ["a.b: must be object, not 3"],
        ),
        (
            tool(x={"anyOf": [{"maximum": 1}, {"multipleOf": 5}]}),
            {"x": 3},
            [f"x: fits none of the alternatives: {NEITHER}"],
        ),
        (
            tool(a={"oneOf": [INTEGER, {"type": "number"}]}),
            {"a": 3},
            ["a: must fit only one of the alternatives, not 3"],
        ),
    ],
    ids=str,
)
def test_the_model_is_told_what_is_wrong(schema: Any, arguments: Any, expected: list[str]) -> None:
    assert problems(schema, **arguments) == expected


def test_the_same_is_told_again() -> None:
    arguments = Arguments(tool(a=INTEGER))
    assert arguments.checked({"a": "x"}) == arguments.checked({"a": "x"})
    assert arguments.checked({"a": 1}) == {"a": 1}


def test_only_a_few_problems_are_told() -> None:
    schema = tool(**{f"p{index}": INTEGER for index in range(9)})
    lines = problems(schema, **{f"p{index}": "x" for index in range(9)})
    assert lines == [*(f'p{index}: must be integer, not "x"' for index in range(5)), "and more"]


@pytest.mark.parametrize(
    "schema",
    [
        tool(a=INTEGER),
        tool(a={"enum": ["y" * 9999] * 99}),
        tool(**{f"{'p' * 99}{index}": INTEGER for index in range(99)})
        | {"additionalProperties": False},
        tool("b" * 9999),
        tool(a={"anyOf": [tool(**{"c" * 9999: INTEGER}), INTEGER]}),
    ],
    ids=["type", "enum", "names", "required", "alternatives"],
)
def test_what_is_told_stays_short(schema: Any) -> None:
    value = {"c" * 9999: "x" * 9999, "\ud800": json.dumps(deep(50))}
    found = checked(schema, a=value, **{"z" * 9999: 1})
    assert isinstance(found, str)
    assert len(found) <= 1000
    assert found.encode().decode() == found
