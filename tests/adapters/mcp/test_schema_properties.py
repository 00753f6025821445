"""What holds for every schema: the subset, idempotence, and that meaning is kept."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aura.adapters.mcp.arguments import Arguments
from aura.adapters.mcp.schema import Sanitized, Unusable, sanitized
from tests.support.schemas import (
    Sanitary,
    anything,
    fits,
    objects,
    tools,
    violations,
    without_nulls,
)

slow = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@slow
@given(tools())
def test_what_comes_out_is_in_the_subset(tool: tuple[Any, Any]) -> None:
    schema, _ = tool
    assert violations(sanitized(schema).schema) == []


@slow
@given(tools())
def test_sanitizing_twice_changes_nothing_more(tool: tuple[Any, Any]) -> None:
    schema, _ = tool
    before = copy.deepcopy(schema)
    once = sanitized(schema)
    assert schema == before
    assert sanitized(once.schema) == Sanitized(once.schema, ())


@slow
@given(tools())
def test_arguments_written_by_the_sanitized_schema_reach_the_server_as_meant(
    tool: tuple[Any, Any],
) -> None:
    schema, arguments = tool
    strict = sanitized(schema).schema
    written = Sanitary(strict).written(arguments)
    assert fits(written, strict)
    before = copy.deepcopy(written)
    received = Arguments(schema).checked(written)
    assert written == before
    assert without_nulls(received) == without_nulls(arguments)


@slow
@given(tools())
def test_arguments_that_fit_are_not_touched(tool: tuple[Any, Any]) -> None:
    schema, arguments = tool
    assert Arguments(schema).checked(arguments) is arguments


@settings(slow, max_examples=300)
@given(objects | anything)
def test_any_json_is_sanitized_or_refused(schema: Any) -> None:
    before = copy.deepcopy(schema)
    with contextlib.suppress(Unusable):
        once = sanitized(schema)
        assert violations(once.schema) == []
        assert sanitized(once.schema) == Sanitized(once.schema, ())
    assert schema == before


@settings(slow, max_examples=150)
@given(objects, st.dictionaries(st.sampled_from("ab"), anything, max_size=3))
def test_any_json_as_a_schema_judges_arguments_without_failing(
    schema: Any, arguments: dict[str, Any]
) -> None:
    before = copy.deepcopy(arguments)
    found = Arguments(schema).checked(arguments)
    assert isinstance(found, dict | str)
    assert arguments == before
