"""The scratchpad: of an agent, of a server's tools, and where its files go."""

from __future__ import annotations

from typing import Any

import pytest

from aura.config import Scratchpad, Threshold
from aura.errors import ConfigError

ON = """
memory_dir = "/data/aura-t"
agent.llm.context_window = 64000
agent.scratchpad.enabled = true
"""
HUB = '[mcp.servers.hub]\ntransport = "http_streamable"\nurl = "http://h/mcp"\n'
TABLE = HUB + "[mcp.servers.hub.scratchpad]\n"


def test_the_defaults(loaded: Any) -> None:
    [config] = loaded("OPENAI").configs
    assert config.agent.scratchpad == Scratchpad()
    assert not config.agent.scratchpad.enabled
    assert config.agent.scratchpad.context_safety_margin == 0.2
    assert config.agent.scratchpad.max_extraction_tokens == 10_000
    assert config.agent.scratchpad.turn_depth_bonus == 6
    assert config.memory_dir is None
    assert config.scratchpad_max_bytes == 1024**3
    assert config.scratchpad_retention_secs == 86_400


def test_every_key_is_read(loaded: Any) -> None:
    more = """
    scratchpad_max_bytes = 0
    scratchpad_retention_secs = 60
    agent.scratchpad.context_safety_margin = 0.35
    agent.scratchpad.max_extraction_tokens = 4_000
    agent.scratchpad.turn_depth_bonus = 2
    """
    [config] = loaded("OPENAI", ON + more).configs
    wanted = Scratchpad(
        enabled=True,
        context_safety_margin=0.35,
        max_extraction_tokens=4000,
        turn_depth_bonus=2,
    )
    assert config.agent.scratchpad == wanted
    assert config.memory_dir == "/data/aura-t"
    assert (config.scratchpad_max_bytes, config.scratchpad_retention_secs) == (0, 60)


def test_an_empty_table_changes_nothing(loaded: Any) -> None:
    [config] = loaded("OPENAI", "[agent.scratchpad]").configs
    assert config.agent.scratchpad == Scratchpad()


@pytest.mark.parametrize("transport", ["http_streamable", "sse", "stdio"])
def test_a_server_says_what_is_too_large(loaded: Any, transport: str) -> None:
    how = 'cmd = ["x"]' if transport == "stdio" else 'url = "http://h/mcp"'
    table = f"""
    [mcp.servers.hub]
    transport = "{transport}"
    {how}
    [mcp.servers.hub.scratchpad]
    "*_list_*" = {{ min_tokens = 512 }}
    "*" = {{}}
    """
    found = loaded("OPENAI", ON + table)
    [config] = found.configs
    expected = {"*_list_*": Threshold(min_tokens=512), "*": Threshold(min_tokens=5120)}
    assert config.mcp.servers["hub"].scratchpad == expected
    assert not found.warnings


@pytest.mark.parametrize(
    ("snippet", "mentions"),
    [
        (ON.replace("memory_dir", "# memory_dir"), ["memory_dir", "agent.scratchpad.enabled"]),
        (ON.replace("agent.llm", "# agent.llm"), ["context_window", "[agent.llm]"]),
        (ON + "agent.scratchpad.context_safety_margin = 1.5", ["context_safety_margin", "0.95"]),
        (ON + "agent.scratchpad.max_extraction_tokens = 0", ["max_extraction_tokens", "1"]),
        (ON + "agent.scratchpad.turn_depth_bonus = -1", ["turn_depth_bonus", "non-negative"]),
        ('memory_dir = ""', ["memory_dir", "must not be empty"]),
        ("scratchpad_max_bytes = -1", ["scratchpad_max_bytes", "-1"]),
        (TABLE + '"*" = 512', ["mcp.servers.hub.scratchpad", "table"]),
        (TABLE + '"*" = { min_tokens = -1 }', ["min_tokens", "-1"]),
    ],
)
def test_what_is_wrong_is_one_problem(loaded: Any, snippet: str, mentions: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded("OPENAI", snippet)
    [problem] = raised.value.problems
    assert [word for word in mentions if word not in str(problem)] == []


@pytest.mark.parametrize(
    ("snippet", "mentions"),
    [
        (ON + TABLE + '"*" = {}\n', None),
        (TABLE + '"*" = {}\n', ["mcp.servers.hub.scratchpad", "enabled = true"]),
        (ON + HUB, ["agent.scratchpad.enabled", "no server"]),
        (ON + TABLE + '"*" = { min_token = 3 }', ["min_token", "did you mean `min_tokens`"]),
        (
            ON + "agent.scratchpad.max_extractoin_tokens = 5\n" + TABLE + '"*" = {}',
            ["max_extractoin_tokens", "did you mean `max_extraction_tokens`"],
        ),
    ],
)
def test_what_is_probably_not_meant_is_one_warning(
    loaded: Any, snippet: str, mentions: list[str] | None
) -> None:
    warnings = [str(each) for each in loaded("OPENAI", snippet).warnings]
    if mentions is None:
        assert warnings == []
    else:
        [warning] = warnings
        assert [word for word in mentions if word not in warning] == []
