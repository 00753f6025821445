"""The sanitizer, rule by rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aura.adapters.mcp.schema import Sanitized, Unusable, sanitized
from tests.support.schemas import violations

TEXT = "Write this value as JSON text"
NULL = {"type": "null"}
STRING = {"type": "string"}
INTEGER = {"type": "integer"}


def closed(required: str = "", **properties: Any) -> dict[str, Any]:
    """What an object with these properties is in the subset; `required` gives their order."""
    names = required.split() or list(properties)
    return {
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": False,
    }


def tool(required: str = "", /, **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return found | ({"required": required.split()} if required else {})


def or_null(*schemas: Any, **top: Any) -> dict[str, Any]:
    return {"anyOf": [*schemas, NULL], **top}


def text(schema: Any = None, own: str = "") -> dict[str, Any]:
    shown = json.dumps(schema, separators=(",", ":"))
    said = f"{TEXT} that fits this JSON Schema: {shown}" if schema else f"{TEXT}."
    return {"type": "string", "description": f"{own}\n{said}" if own else said}


def inside(schema: Any, **more: Any) -> dict[str, Any]:
    """What a schema is rewritten to where it describes a required property."""
    found = sanitized({**tool("it", it=schema), **more}).schema
    assert violations(found) == []
    return found["properties"]["it"]  # type: ignore[index, no-any-return]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(
            tool(
                "cfg never tup",
                cfg=True,
                never=False,
                tup={"type": "array", "prefixItems": [True, STRING]},
            ),
            closed(cfg={}, never={"not": {}}, tup={"type": "array", "prefixItems": [{}, STRING]}),
            id="S1 booleans",
        ),
        pytest.param(
            tool(
                "name",
                env={**STRING, "enum": ["dev", "prod"], "default": "dev", "description": "Target"},
                name=STRING,
            ),
            closed(
                "name env",
                env=or_null(
                    {**STRING, "enum": ["dev", "prod"]}, description="Target", default="dev"
                ),
                name=STRING,
            ),
            id="S2 optional",
        ),
        pytest.param(
            tool(when={"anyOf": [STRING, INTEGER], "title": "When"}),
            closed(when=or_null(STRING, INTEGER, title="When")),
            id="S2 union",
        ),
        pytest.param(
            tool(opt={"type": ["integer", "null"]}),
            closed(opt={"type": ["integer", "null"]}),
            id="S2 nullable already",
        ),
        pytest.param(
            tool("rows", rows={"type": "array", "items": tool("id", id=INTEGER, note=STRING)}),
            closed(rows={"type": "array", "items": closed(id=INTEGER, note=or_null(STRING))}),
            id="S2 nested",
        ),
        pytest.param(
            tool("a", a={"const": None, "nullable": True}), closed(a=NULL), id="S3 constant null"
        ),
        pytest.param(
            {"type": "object"},
            {"type": "object", "properties": {}, "additionalProperties": False},
            id="S4 nothing inside",
        ),
        pytest.param(
            {"title": "T", "$schema": "https://json-schema.org/draft/2020-12/schema"},
            {
                "title": "T",
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {},
                "additionalProperties": False,
            },
            id="no type",
        ),
        pytest.param(
            tool(a={"type": ["string", "null"], "enum": ["x"]}, b={**STRING, "anyOf": [{}, NULL]}),
            closed(
                a=or_null({"type": ["string", "null"], "enum": ["x"]}),
                b=or_null({**STRING, "anyOf": [{}, NULL]}),
            ),
            id="null that something else forbids",
        ),
        pytest.param(tool(a=NULL), closed(a=NULL), id="an optional null is not doubled"),
        pytest.param(
            tool("b a", c=STRING, a=STRING, b=STRING),
            closed("b a c", c=or_null(STRING), a=STRING, b=STRING),
            id="the order of required",
        ),
        pytest.param(
            tool("b", a=STRING) | {"additionalProperties": INTEGER},
            closed("b a", a=or_null(STRING), b=INTEGER),
            id="required without a description",
        ),
        pytest.param(
            {"type": ["object", "null"], "properties": {"a": STRING}, "required": ["a"]},
            closed(a=STRING),
            id="several types",
        ),
    ],
)
def test_a_tool_is_rewritten(schema: Any, expected: Any) -> None:
    found = sanitized(schema).schema
    assert found == expected
    assert violations(found) == []


KEPT = [
    {"type": "string", "title": "T", "description": "D", "default": "d", "examples": ["e"]},
    {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a", "format": "email"},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1.5, "multipleOf": 0.5},
    {"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 2, "uniqueItems": True},
    {"type": "array", "prefixItems": [INTEGER], "items": {"not": {}}},
    {"type": ["string", "null"], "x-own": {"allOf": 1}},
    {"enum": [1, None, {"oneOf": [True]}]},
    {"anyOf": [STRING, closed(a=INTEGER)], "description": "Either."},
    closed(a=STRING) | {"type": ["object", "null"]},
    {"not": {}},
    {},
]


@pytest.mark.parametrize("schema", KEPT, ids=str)
def test_what_is_in_the_subset_is_kept(schema: Any) -> None:
    whole = closed(it=schema)
    assert sanitized(whole) == Sanitized(whole, ())


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"oneOf": [STRING, INTEGER]}, {"anyOf": [STRING, INTEGER]}),
        ({"anyOf": [True, {"const": None}]}, {"anyOf": [{}, NULL]}),
        ({"oneOf": [tool(a=STRING), NULL]}, {"anyOf": [closed(a=or_null(STRING)), NULL]}),
        ({"type": "array", "items": False}, {"type": "array", "items": {"not": {}}}),
        (
            {"type": "array", "items": [STRING, True], "additionalItems": False},
            {"type": "array", "prefixItems": [STRING, {}], "items": {"not": {}}},
        ),
        ({"properties": {"a": STRING}, "required": ["a"]}, closed(a=STRING)),
        (tool("a", a=STRING) | {"additionalProperties": True}, closed(a=STRING)),
        (tool("a", a=STRING) | {"unevaluatedProperties": False}, closed(a=STRING)),
        (tool("a", a=STRING) | {"patternProperties": {"^x": {}}}, closed(a=STRING)),
        (
            {"type": "object", "additionalProperties": False},
            {"type": "object", "properties": {}, "additionalProperties": False},
        ),
        (
            {"allOf": [tool("a", a=STRING), tool("b", b=STRING)], "unevaluatedProperties": False},
            closed(a=STRING, b=STRING),
        ),
        (
            {"allOf": [tool("a", a=STRING) | {"additionalProperties": True}, tool("b", b=STRING)]},
            closed(a=STRING, b=STRING),
        ),
        (tool("a", a=STRING) | {"required": ["a", 1, "a"]}, closed(a=STRING)),
        ({"type": "array", "items": []}, {"type": "array"}),
        ({"type": "string", "const": None}, {**NULL, "not": {}}),
        (
            tool("a", a=STRING) | {"else": {"properties": {"a": INTEGER}}},
            closed(a=STRING),
        ),
        (
            tool("a", a=STRING) | {"then": {"properties": {"b": INTEGER}}},
            closed(a=STRING, b=or_null(INTEGER)),
        ),
        (
            tool("a", a=STRING) | {"dependentSchemas": {"a": {"properties": {"b": INTEGER}}}},
            closed(a=STRING, b=or_null(INTEGER)),
        ),
        ({**STRING, "properties": {"a": STRING}, "required": ["a"]}, STRING),
        ({"type": "array", "contains": STRING, "minContains": 2}, {"type": "array"}),
        ({"uniqueItems": True, "unevaluatedItems": False}, {"uniqueItems": True}),
        ({**STRING, "not": {"enum": ["no"]}}, STRING),
        ({**STRING, "not": False}, STRING),
        ({**STRING, "$id": "https://example.com/a", "$anchor": "a"}, STRING),
        ({"type": "integer", "exclusiveMinimum": True, "minimum": 0}, {**INTEGER, "minimum": 0}),
        ({"type": "any"}, {}),
        ({"type": "string", "enum": "no", "required": True, "description": 5}, STRING),
        (5, {}),
    ],
    ids=str,
)
def test_a_schema_is_rewritten(schema: Any, expected: Any) -> None:
    assert inside(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "additionalProperties": STRING},
        {"type": "object", "patternProperties": {"^a": STRING}, "additionalProperties": False},
        {"additionalProperties": STRING, "type": "object"},
        tool(a=STRING) | {"additionalProperties": INTEGER},
        tool(a=STRING) | {"patternProperties": {"^x": INTEGER}},
        tool(a=STRING) | {"unevaluatedProperties": INTEGER},
        {"allOf": [tool(a={}) | {"additionalProperties": False}, tool(b={})]},
        {"allOf": [{"anyOf": [tool(a={}), tool(b={})]}, {"anyOf": [tool(c={}), tool(d={})]}]},
        {"anyOf": [tool(a={}), tool(b={})], "oneOf": [tool(c={}), tool(d={})]},
        {"allOf": [{"prefixItems": [STRING]}, {"items": tool(a={})}]},
        {"allOf": [tool(a=STRING), {"$ref": "#/$defs/none"}]},
        {"allOf": [tool(a=STRING), {"$dynamicRef": "#a"}]},
        tool(a={}) | {"additionalProperties": False, "anyOf": [tool(b={}), tool(c={})]},
    ],
    ids=str,
)
def test_what_has_no_words_becomes_json_text(schema: Any) -> None:
    assert inside(schema | {"description": "Mine.", "default": {}}) == text(schema, "Mine.")
    optional = sanitized(tool(it=schema)).schema["properties"]["it"]  # type: ignore[index]
    assert optional == or_null(STRING, description=text(schema)["description"])


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "https://example.com/a"}, text()),
        ({"$ref": "#/$defs/none"}, text()),
        ({"$ref": "#anchor"}, text()),
        ({"$ref": "#/properties/it/minLength"}, text()),
        ({"$dynamicRef": "#node"}, text({"$dynamicRef": "#node"})),
        ({"$ref": "#/$defs/none", "minimum": 1, "description": "D"}, text(own="D")),
        (
            {"type": ["object", "null"]},
            or_null(STRING, description=text({"type": "object"})["description"]),
        ),
        ({"type": ["object", "integer"]}, {"anyOf": [text({"type": "object"}), INTEGER]}),
        (
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/a"}},
            text({"type": "object", "additionalProperties": STRING}),
        ),
        (
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/any"}},
            text({"type": "object", "additionalProperties": True}),
        ),
        ({"type": "object", "additionalProperties": {"enum": ["long"] * 200}}, text()),
        (
            {"allOf": [tool(a=STRING), tool(b=STRING)], "unevaluatedProperties": INTEGER},
            text(tool(a=STRING, b=STRING) | {"additionalProperties": INTEGER}),
        ),
        ({"type": "object", "additionalProperties": {"$ref": "#/$defs/again"}}, text()),
    ],
    ids=str,
)
def test_json_text_shows_the_schema_if_that_helps(schema: Any, expected: Any) -> None:
    definitions = {
        "a": STRING,
        "any": True,
        "again": {"type": "array", "items": {"$ref": "#/$defs/again"}},
    }
    assert inside(schema, **{"$defs": definitions}) == expected


@pytest.mark.parametrize(
    ("schemas", "expected"),
    [
        ([tool("a", a=STRING), tool("b", b=INTEGER)], closed(a=STRING, b=INTEGER)),
        ([tool(a=STRING), {"required": ["a"]}], closed(a=STRING)),
        ([tool("a", a=STRING), tool(a={"minLength": 1})], closed(a={**STRING, "minLength": 1})),
        ([tool("a", a=STRING), {"allOf": [tool("b", b=STRING)]}], closed(a=STRING, b=STRING)),
        (
            [{"title": "1", "type": "integer", "minimum": 1}, {"title": "2", "minimum": 3}],
            {"title": "1", "type": "integer", "minimum": 3},
        ),
        ([{"maximum": 1}, {"maximum": 3}, True], {"maximum": 1}),
        ([{"type": "number"}, {"type": ["integer", "null"]}], INTEGER),
        ([{"enum": [1, True, "a"]}, {"enum": ["a", 1]}], {"enum": [1, "a"]}),
        ([{"pattern": "a"}, {"pattern": "b"}], {"pattern": "a"}),
        ([{"uniqueItems": False}, {"uniqueItems": True}], {"uniqueItems": True}),
        ([{"items": {"minimum": 1}}, {"items": {"minimum": 2}}], {"items": {"minimum": 2}}),
        ([{"not": {"const": 1}}, {"not": {}}], {"not": {}}),
        ([STRING, INTEGER], {"not": {}}),
        ([{"const": 1}, {"const": True}], {"not": {}}),
        ([STRING, False], {**STRING, "not": {}}),
        ([{"oneOf": [STRING, NULL]}, {"maxLength": 2}], {"anyOf": [STRING, NULL], "maxLength": 2}),
        (
            [{"anyOf": [{"minLength": 1}, {"const": ""}]}, {"anyOf": [{"maxLength": 2}]}, STRING],
            {**STRING, "anyOf": [{"minLength": 1}, {"const": ""}]},
        ),
        (
            [tool("a", a={}) | {"additionalProperties": False}] * 2,
            closed(a={}),
        ),
    ],
    ids=str,
)
def test_all_of_becomes_one_schema(schemas: Any, expected: Any) -> None:
    assert inside({"allOf": schemas}) == expected
    assert inside({"allOf": schemas, "title": "T"}) == {**expected, "title": "T"}


CAT, DOG = (
    tool("kind lives", kind={"const": "cat"}, lives=INTEGER),
    tool("kind", kind={"const": "dog"}),
)


@pytest.mark.parametrize(
    ("around", "branches", "expected"),
    [
        (
            tool("a", a=STRING),
            [tool("b", b=STRING), tool(c=STRING)],
            [closed(a=STRING, b=STRING), closed(a=STRING, c=or_null(STRING))],
        ),
        ({"type": "object"}, [CAT, NULL], [closed(kind={"const": "cat"}, lives=INTEGER)]),
        (
            {"required": ["kind"]},
            [CAT, DOG],
            [closed(kind={"const": "cat"}, lives=INTEGER), closed(kind={"const": "dog"})],
        ),
    ],
    ids=["properties", "only a type", "only required"],
)
def test_what_stands_beside_a_union_of_objects_is_put_into_each(
    around: Any, branches: Any, expected: Any
) -> None:
    assert inside({**around, "anyOf": branches, "title": "T"}) == {"anyOf": expected, "title": "T"}


def test_a_union_that_only_restricts_is_left_out() -> None:
    branches = [{"required": ["a"]}, {"required": ["b"], "not": {"required": ["a"]}}]
    expected = closed(a=or_null(STRING), b=or_null(STRING))
    assert inside(tool(a=STRING, b=STRING) | {"oneOf": branches}) == expected


def test_a_union_that_nothing_fits_stays_one() -> None:
    assert inside({"type": "object", "anyOf": [STRING, NULL]}) == {"not": {}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"anyOf": [CAT, DOG]}, closed(kind={"enum": ["cat", "dog"]}, lives=or_null(INTEGER))),
        (
            tool("a", a=STRING) | {"oneOf": [tool("b", b=STRING), {"required": ["a"]}, NULL]},
            closed(a=STRING, b=or_null(STRING)),
        ),
        (
            {"anyOf": [tool("a", a=STRING), tool("a", a=INTEGER)]},
            closed(a={"anyOf": [STRING, INTEGER]}),
        ),
        (
            tool("a", a=STRING)
            | {"anyOf": [tool("a", a={"const": "x"}), tool("a", a={"const": "y"})]},
            closed(a={**STRING, "enum": ["x", "y"]}),
        ),
        (
            tool("a", a=STRING) | {"anyOf": [tool("b", a={"const": "x"}), tool("b", b=STRING)]},
            closed("a b", a=STRING, b=STRING),
        ),
        ({"allOf": [tool("a", a=STRING), tool(b=STRING)]}, closed(a=STRING, b=or_null(STRING))),
        (
            {"allOf": [{"anyOf": [CAT, DOG]}, {"anyOf": [tool(x=STRING), tool(y=STRING)]}]},
            closed(
                kind={"enum": ["cat", "dog"]},
                lives=or_null(INTEGER),
                x=or_null(STRING),
                y=or_null(STRING),
            ),
        ),
        (
            {"$ref": "#/definitions/a", "definitions": {"a": tool("a", a=STRING) | {"title": "T"}}},
            closed(a=STRING) | {"title": "T"},
        ),
        ({"$ref": "#", "properties": {"a": STRING}}, closed(a=or_null(STRING))),
        ({"$ref": "https://example.com/", "properties": {"a": STRING}}, closed(a=or_null(STRING))),
        (tool(a=STRING) | {"additionalProperties": STRING}, closed(a=or_null(STRING))),
        ({"properties": {"a": STRING}, "$dynamicRef": "#a"}, closed(a=or_null(STRING))),
    ],
    ids=str,
)
def test_the_root_is_an_object_whatever_it_is_composed_of(schema: Any, expected: Any) -> None:
    found = sanitized(schema)
    assert found.schema == expected
    assert violations(found.schema) == []
    assert any(change.startswith("$: ") for change in found.changes)


NODE = tool("v", v=INTEGER, kids={"type": "array", "items": {"$ref": "#/$defs/Node"}})
WRITTEN_NODE = closed(v=INTEGER, kids=or_null({"type": "array", "items": {"$ref": "#/$defs/Node"}}))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"$ref": "#/$defs/Color"}, {"enum": ["red"], "title": "Color"}),
        ({"$ref": "#/$defs/Color", "title": "Mine"}, {"enum": ["red"], "title": "Mine"}),
        (
            {"$ref": "#/$defs/Alias", "default": "red"},
            {"enum": ["red"], "title": "Color", "default": "red"},
        ),
        (
            {"$ref": "#/$defs/Color", "enum": ["blue", "red"]},
            {"enum": ["red"], "title": "Color"},
        ),
        (
            {"allOf": [{"$ref": "#/$defs/Color"}], "title": "Mine"},
            {"enum": ["red"], "title": "Mine"},
        ),
        ({"$ref": "#/definitions/a~1b~0c%20d"}, INTEGER),
        ({"$ref": "#/definitions/list/anyOf/1"}, STRING),
        ({"$ref": "https://example.com/tool#/definitions/true"}, {}),
        ({"$ref": "#/definitions/list/anyOf/01"}, text()),
        ({"$ref": "#/definitions/list/anyOf/2"}, text()),
    ],
    ids=str,
)
def test_local_references_are_written_out(reference: Any, expected: Any) -> None:
    definitions = {
        "$id": "https://example.com/tool",
        "$defs": {"Color": {"enum": ["red"], "title": "Color"}, "Alias": {"$ref": "#/$defs/Color"}},
        "definitions": {"a/b~c d": INTEGER, "list": {"anyOf": [INTEGER, STRING]}, "true": True},
    }
    assert inside(reference, **definitions) == expected


def test_a_definition_that_contains_itself_stays_one() -> None:
    found = sanitized(
        tool(
            "a b",
            a={"$ref": "#/$defs/Node"},
            b={"$ref": "#/$defs/Alias"},
            c={"$ref": "#/$defs/Node", "title": "C"},
        )
        | {"$defs": {"Node": NODE, "Alias": {"$ref": "#/$defs/Node", "title": "N"}}}
    )
    node = {"$ref": "#/$defs/Node"}
    assert found.schema == closed(
        a=node, b={"anyOf": [node], "title": "N"}, c=or_null(node, title="C")
    ) | {"$defs": {"Node": WRITTEN_NODE}}
    assert found.changes == (
        "properties.c: optional, so it is required and may be null",
        "$defs.Node.properties.kids: optional, so it is required and may be null",
        "$defs.Alias: written out where it is used",
    )


def test_definitions_that_contain_each_other_stay_and_get_plain_names() -> None:
    one, two = {"$ref": "#/definitions/My%20One"}, {"$ref": "#/properties/two"}
    schema = tool("one two", one=one, two=tool("up", up=one)) | {
        "definitions": {"My One": tool("down", down={"anyOf": [two, NULL]}), "unused": {}}
    }
    found = sanitized(schema)
    assert found.schema == closed(
        one={"$ref": "#/$defs/My_One"}, two=closed(up={"$ref": "#/$defs/My_One"})
    ) | {
        "$defs": {
            "My_One": closed(down={"anyOf": [{"$ref": "#/$defs/two"}, NULL]}),
            "two": closed(up={"$ref": "#/$defs/My_One"}),
        }
    }
    assert found.changes == (
        "definitions.My One: moved to $defs.My_One",
        "properties.two: moved to $defs.two",
        "definitions.unused: nothing refers to it any more, so it is left out",
    )


def test_a_root_that_contains_itself_gets_a_definition() -> None:
    again = {"$ref": "#/$defs/root_2"}
    schema = tool("v", v=INTEGER, next={"$ref": "#"}, other={"$ref": "#/$defs/root"})
    found = sanitized(
        schema
        | {"$defs": {"root": STRING}, "$schema": "https://json-schema.org/draft/2020-12/schema"}
    ).schema
    inner = closed(v=INTEGER, next=or_null(again), other=or_null(STRING))
    assert found == inner | {
        "$defs": {"root_2": inner},
        "$schema": "https://json-schema.org/draft/2020-12/schema",
    }


@pytest.mark.parametrize(
    "definitions",
    [
        {"a": {"$ref": "#/$defs/a"}},
        {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}, STRING]}},
    ],
    ids=["itself", "in a circle"],
)
def test_a_definition_that_only_refers_to_itself_becomes_json_text(definitions: Any) -> None:
    found = inside({"$ref": "#/$defs/a"}, **{"$defs": definitions})
    assert found == text()


def test_merging_a_definition_into_itself_comes_to_an_end() -> None:
    definitions = {"a": tool(x={"$ref": "#/$defs/a"}), "b": tool(x={"$ref": "#/$defs/b"}, y=STRING)}
    found = inside(
        {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}, **{"$defs": definitions}
    )
    assert found["properties"]["x"]["anyOf"][0]["properties"]["x"] == or_null(
        STRING, description=f"{TEXT}."
    )


def laughs(through: str, levels: int) -> dict[str, Any]:
    """Definitions of which each says the next one twice."""

    def level(index: int) -> Any:
        again = {"$ref": f"#/$defs/level{index + 1}"}
        return {
            "properties": tool("a b", a=again, b=again),
            "allOf": {"allOf": [again, {**again, "minLength": index}]},
            "anyOf": {"anyOf": [again, again]},
        }[through]

    definitions = {f"level{index}": level(index) for index in range(levels)}
    return tool("it", it={"$ref": "#/$defs/level0"}) | {
        "$defs": {**definitions, f"level{levels}": STRING}
    }


@pytest.mark.parametrize("through", ["properties", "anyOf"])
def test_what_would_become_too_large_is_not_written_out(through: str) -> None:
    schema = laughs(through, 40)
    found = sanitized(schema).schema
    assert violations(found) == []
    assert found["properties"] == schema["properties"]
    assert found["$defs"].keys() == schema["$defs"].keys()  # type: ignore[union-attr, attr-defined]
    assert sanitized(found) == Sanitized(found, ())


def test_what_stays_small_is_written_out() -> None:
    assert "$defs" not in sanitized(laughs("properties", 9)).schema
    assert "$defs" in sanitized(laughs("properties", 10)).schema


def test_saying_the_same_many_times_is_saying_it_once() -> None:
    assert inside(**laughs("allOf", 40) | {"schema": {"$ref": "#/$defs/level0"}}) == {
        **STRING,
        "minLength": 39,
    }


def test_a_long_chain_of_definitions_is_not_nested_too_deeply() -> None:
    chain = {f"c{index}": tool(x={"$ref": f"#/$defs/c{index + 1}"}) for index in range(500)}
    found = sanitized(tool(it={"$ref": "#/$defs/c0"}) | {"$defs": {**chain, "c500": STRING}}).schema
    assert violations(found) == []
    assert len(found["$defs"]) == 501  # type: ignore[arg-type]


def test_two_thousand_properties() -> None:
    names = [f"p{index}" for index in range(2000)]
    found = sanitized(tool(**dict.fromkeys(names, STRING))).schema
    assert found == closed(**dict.fromkeys(names, or_null(STRING)))


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = tool()
    for _ in range(levels):
        found = tool("it", it=found)
    return found


def deep_lists(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize("levels", [1, 60])
def test_what_is_nested_is_taken(levels: int) -> None:
    assert violations(sanitized(nested(levels)).schema) == []


def union_of(*branches: Any) -> dict[str, Any]:
    """A union beside so many properties that they cannot be repeated for each branch."""
    return {**tool(**dict.fromkeys(map(str, range(300)), STRING)), "anyOf": list(branches)}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (STRING, "its schema is of type 'string', not an object"),
        ({"type": "thing"}, "its schema is of type 'thing', not an object"),
        ({"type": ["string", "null"]}, "its schema is of type ['string', 'null'], not an object"),
        ({"type": "x" * 999}, f"its schema is of type '{'x' * 59}..., not an object"),
        ([], "its schema is no JSON object"),
        (True, "its schema is no JSON object"),
        ({"anyOf": [STRING, False, {"not": {}}]}, "no object fits its schema"),
        ({"allOf": [{"type": "object"}, STRING]}, "no object fits its schema"),
        (nested(80), "its schema is nested more than 128 levels deep"),
        (tool(a={"default": deep_lists(5000)}), "its schema is nested more than 128 levels deep"),
        (
            tool(a={"enum": [[]] * 20_001}),
            "its schema consists of more than 20000 lists and objects",
        ),
        (
            tool(a=union_of(*[tool(b=STRING)] * 200)),
            "its schema unfolds into more than can be offered",
        ),
        (
            {
                "$defs": {str(i): {"allOf": [{"$ref": f"#/$defs/{i + 1}"}]} for i in range(3000)},
                "$ref": "#/$defs/0",
            },
            "its schema unfolds into more than can be offered",
        ),
    ],
)
def test_what_cannot_be_offered_is_refused_with_a_reason(schema: Any, reason: str) -> None:
    with pytest.raises(Unusable) as refused:
        sanitized(schema)
    assert str(refused.value) == reason


def test_changes_are_told_once_each_and_in_order() -> None:
    schema = tool("a", a=True, b=tool("c", c={"oneOf": [STRING]}), env=STRING) | {
        "additionalProperties": True,
        "minProperties": 1,
    }
    assert sanitized(schema).changes == (
        "properties.a: every value fits, which is written as a schema",
        "properties.b.properties.c: oneOf is written as anyOf",
        "properties.b: optional, so it is required and may be null",
        "properties.env: optional, so it is required and may be null",
        "$: it takes other properties, too, which cannot be written",
        "$: minProperties is left out",
    )
