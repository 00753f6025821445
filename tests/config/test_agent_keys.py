"""The document and its [agent] table."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import pytest

from aura.config import load
from aura.errors import ConfigError

ACCEPTED = [
    ("A01-name", "", "name", "Solo"),
    ("A01-alias", "", "alias", None),
    ("A01-turn_depth", "", "turn_depth", 5),
    ("A01-context", "", "context", ()),
    ("A01-mcp_filter", "", "mcp_filter", None),
    ("A01-model_owner", "", "model_owner", None),
    ("A01-hidden", "", "hidden", False),
    ("A01-created_at", "", "created_at", None),
    ("A08", 'alias = "desk"', "alias", "desk"),
    ("A10", 'model_owner = "acme"', "model_owner", "acme"),
    ("A11", 'description = "Answers"', "description", "Answers"),
    ("A12", 'context = ["fact one", "fact two"]', "context", ("fact one", "fact two")),
    ("A13", "turn_depth = 9", "turn_depth", 9),
    ("A14", "turn_depth = 9.0", "turn_depth", 9),
    ("A15", "turn_depth = 0", "turn_depth", 0),
    ("A18", 'turn_depth = "6"', "turn_depth", 6),
    ("A18-spaces", 'turn_depth = " 6.0 "', "turn_depth", 6),
    ("A20", "created_at = 1700000000123", "created_at", 1700000000123),
    ("A21", "created_at = 1700000000123.0", "created_at", 1700000000123),
    ("A23", "hidden = true", "hidden", True),
    ("A24", 'hidden = "true"', "hidden", True),
    ("A25", 'hidden = "  false "', "hidden", False),
    ("A34", "mcp_filter = []", "mcp_filter", ()),
    ("A30-last", 'nudge_last_turn = "true"', "nudge_last_turn", True),
    ("A30-remaining", "nudge_turns_remaining = 3.0", "nudge_turns_remaining", 3),
    ("A31", "enable_client_tools = true", "enable_client_tools", True),
    (
        "A31-filter",
        'enable_client_tools = true\nclient_tool_filter = ["Read", "Find*"]',
        "client_tool_filter",
        ("Read", "Find*"),
    ),
    ("A33", 'enable_client_tools = "true"', "enable_client_tools", True),
    ("parallel", 'parallel_tool_calls = "false"', "parallel_tool_calls", False),
    ("per-call", "", "per_call_timeout_secs", 0.0),
    ("per-call-set", 'per_call_timeout_secs = "2.5"', "per_call_timeout_secs", 2.5),
    ("disconnect", "", "on_disconnect", "cancel"),
    ("disconnect-set", 'on_disconnect = "grace:2.5"', "on_disconnect", "grace:2.5"),
    ("overrides", 'allow_request_overrides = ["seed"]', "allow_request_overrides", ("seed",)),
]

REFUSED = [
    ("A09", "alias = 7", "parse", ["agent.alias", "must be a string"]),
    ("disconnect", 'on_disconnect = "stay"', "validation", ["on_disconnect", "grace:SECS"]),
    ("A16", "turn_depth = 2.5", "parse", ["turn_depth", "whole number", "2.5"]),
    ("A16-string", 'turn_depth = "2.5"', "parse", ["turn_depth", "whole number", "2.5"]),
    ("A17", "turn_depth = -1", "parse", ["turn_depth", "non-negative", "-1"]),
    ("A19", "turn_depth = true", "parse", ["turn_depth", "boolean"]),
    ("A22", "created_at = -5", "parse", ["created_at", "-5"]),
    ("A26", 'hidden = "True"', "parse", ["hidden", "true", "false", "True"]),
    ("A27", 'hidden = "yes"', "parse", ["hidden", "true", "false", "yes"]),
    ("A28", 'hidden = ""', "parse", ["hidden", "true", "false"]),
    ("A29", "hidden = 1", "parse", ["hidden", "true", "false"]),
    ("A35", 'mcp_filter = "logs_*"', "parse", ["mcp_filter", "array"]),
    (
        "A36",
        'favourite_colour = "teal"',
        "parse",
        ["unknown field `favourite_colour`", "mcp_filter"],
    ),
    ("A37", "temperature = 0.4", "parse", ["unknown field `temperature`", "[agent.llm]"]),
    ("A38", "max_tokens = 512", "parse", ["unknown field `max_tokens`", "[agent.llm]"]),
    (
        "A39",
        'reasoning_effort = "low"',
        "parse",
        ["unknown field `reasoning_effort`", "[agent.llm]"],
    ),
    ("A40", "context_window = 64000.0", "parse", ["unknown field `context_window`", "[agent.llm]"]),
    (
        "A41",
        "additional_params = { seed = 3 }",
        "parse",
        ["unknown field `additional_params`", "[agent.llm]"],
    ),
    (
        "max-calls",
        "max_concurrent_calls = 3",
        "parse",
        ["unknown field `max_concurrent_calls`", "[agent.llm]"],
    ),
    ("per-call", "per_call_timeout_secs = -1", "validation", ["per_call_timeout_secs", "0", "-1"]),
    ("per-call-inf", "per_call_timeout_secs = inf", "validation", ["finite number"]),
    ("typo", "turn_dept = 3", "parse", ["unknown field `turn_dept`", "did you mean `turn_depth`"]),
    (
        "later",
        "skills = {}",
        "parse",
        ["unknown field `skills`", "not supported by this version"],
    ),
    ("empty-name", 'name = " "', "validation", ["`name` of [agent] must not be empty"]),
    ("no-calls", "max_parallel_tool_calls = 0", "validation", ["must be at least 1", "0"]),
    (
        "overrides",
        'allow_request_overrides = ["stopp"]',
        "parse",
        ["allow_request_overrides.0", "stopp", "tool_choice"],
    ),
    ("too-long", "turn_depth = 1e300", "parse", ["64 bits"]),
]

INCOMPLETE = [
    ("A02", '[agent]\nname = "Half"', "agent.system_prompt: missing"),
    ("A03", '[agent]\nsystem_prompt = "p"', "agent.name: missing"),
    ("A04", 'memory_dir = "x"', "the table [agent] is missing"),
    ("A05", '[agent]\nname = "A"\nsystem_prompt = "p"', "the table [agent.llm] is missing"),
    ("A05-keys", '[agent]\nname = "A"\nsystem_prompt = "p"', "`provider` and `model`"),
    (
        "llm-not-a-table",
        '[agent]\nname = "A"\nsystem_prompt = "p"\nllm = "gpt"',
        "agent.llm: must be a table, got a string",
    ),
    ("not-a-table", "agent = 3", "agent: must be a table, got an integer"),
]

WARNED = [
    ("A32", "[agent]\nclient_tool_filter = []", ["client_tool_filter", "enable_client_tools"]),
    ("A42-key", 'colour = "teal"', ["colour", "ignored"]),
    ("A42-table", "[agents]\nx = 1", ["agents", "did you mean `agent`?"]),
    ("F21", '[vector_store]\ntype = "in_memory"', ["vector_store", "[[vector_stores]]"]),
    ("G39", "[workers.a]\nx = 1", ["workers", "[orchestration.worker.<name>]"]),
    (
        "later-tables",
        "[[vector_stores]]\nx = 1",
        ["vector_stores", "not supported by this version"],
    ),
]


@pytest.mark.parametrize(
    ("key", "snippet", "expected"),
    [pytest.param(key, snippet, expected, id=case) for case, snippet, key, expected in ACCEPTED],
)
def test_a_key_of_the_agent_is_read(loaded: Any, key: str, snippet: str, expected: object) -> None:
    [config] = loaded("SCRIPTED", snippet and f"[agent]\n{snippet}").configs
    assert operator.attrgetter(key)(config.agent) == expected


@pytest.mark.parametrize(
    ("snippet", "kind", "mentions"), [pytest.param(*rest, id=case) for case, *rest in REFUSED]
)
def test_a_wrong_key_of_the_agent_is_one_problem(
    loaded: Any, snippet: str, kind: str, mentions: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("SCRIPTED", f"[agent]\n{snippet}")
    [problem] = caught.value.problems
    assert problem.kind == kind
    assert [each for each in mentions if each not in str(problem)] == []


@pytest.mark.parametrize(
    ("text", "mention"), [pytest.param(*rest, id=case) for case, *rest in INCOMPLETE]
)
def test_what_is_missing_is_named(loaded: Any, text: str, mention: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("RAW", text)
    assert mention in str(caught.value)


@pytest.mark.parametrize(
    ("snippet", "mentions"), [pytest.param(*rest, id=case) for case, *rest in WARNED]
)
def test_a_key_that_nothing_reads_is_one_warning(
    loaded: Any, snippet: str, mentions: list[str]
) -> None:
    [warning] = loaded("SCRIPTED", snippet).warnings
    assert [each for each in mentions if each not in str(warning)] == []


def test_the_id_is_the_alias_or_else_the_name(loaded: Any) -> None:
    assert [each.id for each in loaded("SCRIPTED").configs] == ["Solo"]
    assert [each.id for each in loaded("SCRIPTED", 'agent.alias = "desk"').configs] == ["desk"]


@pytest.mark.parametrize(
    ("limit", "written", "warned"),
    [
        (60, "call_timeout_secs = 61", True),
        (60, "call_timeout_secs = 60", False),
        (60, "", False),
        (0, "call_timeout_secs = 61", False),
    ],
)
def test_a_timeout_of_a_server_that_never_comes_is_one_warning(
    tmp_path: Path, limit: int, written: str, warned: bool
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        f'[agent]\nname = "A"\nsystem_prompt = "p"\nper_call_timeout_secs = {limit}\n'
        '[agent.llm]\nprovider = "scripted"\nscript = "s"\n'
        f'[mcp.servers.hub]\ntransport = "stdio"\ncmd = ["x"]\n{written}\n'
    )
    paths = [warning.path for warning in load(file, {}).warnings]
    assert ["mcp.servers.hub.call_timeout_secs"] * warned == paths


def test_a_filter_that_leaves_servers_idle_is_one_warning(loaded: Any) -> None:
    server = '[mcp.servers.hub]\ntransport = "stdio"\ncmd = ["x"]\n[agent]\nmcp_filter = []'
    [warning] = loaded("SCRIPTED", server).warnings
    assert warning.path == "agent.mcp_filter"
