"""Arguments against the schema of the server: what is sent, and what the model is told."""

from __future__ import annotations

from typing import Any

import pytest

from aura.adapters.mcp.arguments import Arguments

SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "depth": {"type": "integer", "minimum": 1},
        "mode": {"enum": ["fast", "slow"]},
        "note": {"type": ["string", "null"]},
        "options": {
            "type": "object",
            "properties": {"deep": {"type": "boolean"}},
            "additionalProperties": False,
        },
        "rows": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
        },
    },
    "required": ["path"],
    "additionalProperties": False,
}


def test_arguments_that_fit_are_sent_as_they_are() -> None:
    given: dict[str, object] = {"path": "/", "depth": 1, "note": None}
    assert Arguments(SCHEMA).checked(given) is given


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"path": "/", "depth": None, "mode": None}, {"path": "/"}),
        ({"path": "/", "note": None, "depth": None}, {"path": "/", "note": None}),
        ({"path": "/", "options": {"deep": None}}, {"path": "/", "options": {}}),
        ({"path": "/", "rows": [{"id": None}, {"id": 1}]}, {"path": "/", "rows": [{}, {"id": 1}]}),
        ({"path": "/", "options": '{"deep": true}'}, {"path": "/", "options": {"deep": True}}),
        ({"path": "/", "options": '{"deep": null}'}, {"path": "/", "options": {}}),
        ({"path": "{}"}, {"path": "{}"}),
    ],
)
def test_what_only_sanitizing_made_possible_is_taken_back(
    given: dict[str, object], sent: dict[str, object]
) -> None:
    assert Arguments(SCHEMA).checked(given) == sent


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["path", "missing"]),
        ({"path": None}, ["path"]),
        ({"path": "/", "depth": 0}, ["depth", "at least 1", "0"]),
        ({"path": "/", "mode": "quick"}, ["mode", '"fast"', '"slow"']),
        ({"path": "/", "dept": 1}, ["dept", "unknown", "depth"]),
        ({"path": "/", "rows": [{"id": "x"}]}, ["rows[0].id", "integer"]),
    ],
)
def test_a_model_is_told_what_is_wrong_and_where(
    given: dict[str, object], words: list[str]
) -> None:
    told = Arguments(SCHEMA).checked(given)
    assert isinstance(told, str)
    assert [word for word in words if word not in told] == []


def test_what_is_wrong_is_told_in_few_words() -> None:
    told = Arguments(SCHEMA).checked({"path": ["x" * 100_000] * 3, **dict.fromkeys("abcdefgh", 1)})
    assert isinstance(told, str)
    assert len(told) <= 1000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}},
        {"type": "object", "properties": {"a": {"type": 5}}},
        {"type": "object", "required": "a"},
        {"type": "object", "properties": {"a": {"pattern": "(x+x+)+y"}}},
    ],
    ids=["remote", "no type", "no list", "slow pattern"],
)
def test_what_cannot_be_judged_is_left_to_the_server(schema: dict[str, Any]) -> None:
    given: dict[str, object] = {"a": "x" * 5000}
    assert Arguments(schema).checked(given) == given
