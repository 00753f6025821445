"""The table [orchestration] and what belongs to it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest

from aura.config import Loaded, Secret
from aura.errors import ConfigError

FLAT = """
[orchestration]
memory_dir = "/flat"
result_artifact_threshold = 5000
result_summary_length = 3000
session_history_turns = 7
"""
FULL = """
[orchestration]
max_planning_cycles = 6
max_plan_parse_retries = 1
tools_in_planning = "full"
max_tools_per_worker = 4
allow_direct_answers = false
allow_clarification = false
worker_system_prompt = "Cite sources."
"""
DOCS = """
[orchestration.worker.docs]
description = "Docs"
preamble = "You read docs."
mcp_filter = ["kb_*", "Search?"]
turn_depth = 8
"""

ACCEPTED = [
    ("G01-enabled", "[orchestration]\nenabled = false", "enabled", False),
    ("G01-cycles", "", "max_planning_cycles", 3),
    ("G01-retries", "", "max_plan_parse_retries", 3),
    ("G01-direct", "", "allow_direct_answers", True),
    ("G01-clarification", "", "allow_clarification", True),
    ("G01-tools", "", "tools_in_planning", "summary"),
    ("G01-most", "", "max_tools_per_worker", 10),
    ("G01-nudge", "", "duplicate_call_nudge_threshold", 3),
    ("G01-block", "", "duplicate_call_block_threshold", 5),
    ("G01-prompt", "", "worker_system_prompt", None),
    ("G01-per-call", "", "timeouts.per_call_timeout_secs", 0),
    ("G01-threshold", "", "artifacts.result_artifact_threshold", 4000),
    ("G01-summary", "", "artifacts.result_summary_length", 2000),
    ("G01-history", "", "artifacts.session_history_turns", 3),
    ("G02-silence", "", "timeouts.stream_inactivity_timeout_secs", 0),
    ("G02-drain", "", "artifacts.persistence_drain_timeout_ms", 2000),
    ("G02-output", "", "artifacts.tool_output_artifact_threshold", 500),
    ("G02-duration", "", "artifacts.tool_output_duration_threshold_ms", 5000),
    ("G02-reasoning", "", "artifacts.show_tool_reasoning_in_continuation", False),
    ("G02-runs", "", "artifacts.max_session_runs", 20),
    ("G04-cycles", FULL, "max_planning_cycles", 6),
    ("G04-tools", FULL, "tools_in_planning", "full"),
    ("G04-prompt", FULL, "worker_system_prompt", "Cite sources."),
    ("G05", 'orchestration.tools_in_planning = "none"', "tools_in_planning", "none"),
    ("G07", "orchestration.max_planning_cycles = 2.0", "max_planning_cycles", 2),
    ("G11", 'orchestration.enabled = "true"', "enabled", True),
    ("G12-dir", FLAT, "artifacts.memory_dir", "/flat"),
    ("G12-threshold", FLAT, "artifacts.result_artifact_threshold", 5000),
    ("G12-summary", FLAT, "artifacts.result_summary_length", 3000),
    ("G12-history", FLAT, "artifacts.session_history_turns", 7),
    ("G13", 'orchestration.memory_path = "/alias"', "artifacts.memory_dir", "/alias"),
    ("G14", 'orchestration.artifacts.memory_path = "/alias2"', "artifacts.memory_dir", "/alias2"),
    (
        "G16",
        (
            "orchestration.session_history_turns = 7\n"
            "orchestration.artifacts.session_history_turns = 2"
        ),
        "artifacts.session_history_turns",
        7,
    ),
    (
        "G17",
        'orchestration.memory_dir = "/flat"\norchestration.artifacts.memory_dir = "/sub"',
        "artifacts.memory_dir",
        "/flat",
    ),
    (
        "G18",
        (
            "orchestration.persistence_drain_timeout_ms = 3000\n"
            "orchestration.artifacts.persistence_drain_timeout_ms = 1000"
        ),
        "artifacts.persistence_drain_timeout_ms",
        3000,
    ),
    ("G19", "orchestration.artifacts.max_session_runs = 0", "artifacts.max_session_runs", 0),
    (
        "G21",
        "orchestration.timeouts.per_call_timeout_secs = 120",
        "timeouts.per_call_timeout_secs",
        120,
    ),
    ("worker-timeout", "", "timeouts.worker_timeout_secs", 0),
    ("parallel", "", "max_parallel_workers", 8),
    ("tasks", "", "max_tasks_per_plan", 32),
    ("streams", "", "stream_final_answer", True),
    ("exhaustion", "", "answer_on_exhaustion", False),
]

WORKERS = [
    ("G03-filter", "", "ops", "mcp_filter", None),
    ("G03-depth", "", "ops", "turn_depth", None),
    ("G03-llm", "", "ops", "llm", None),
    ("G03-scratchpad", "", "ops", "scratchpad", None),
    ("G26-filter", DOCS, "docs", "mcp_filter", ("kb_*", "Search?")),
    ("G26-depth", DOCS, "docs", "turn_depth", 8),
    ("G27", "orchestration.worker.ops.mcp_filter = []", "ops", "mcp_filter", ()),
    ("G28", "orchestration.worker.ops.turn_depth = 8.0", "ops", "turn_depth", 8),
    (
        "G31",
        'orchestration.worker.ops.llm = { provider = "anthropic", api_key = "w", model = "c" }',
        "ops",
        "llm.provider",
        "anthropic",
    ),
]

REFUSED = [
    ("G06", 'orchestration.tools_in_planning = "all"', ["'all'", "none", "summary", "full"]),
    ("G08", "orchestration.max_planning_cycles = -2", ["-2"]),
    ("G09", "orchestration.max_planning_cycles = 0", ["at least 1"]),
    (
        "G15",
        '[orchestration.artifacts]\nmemory_dir = "/a"\nmemory_path = "/b"',
        ["duplicate field", "memory_dir"],
    ),
    (
        "G24",
        "orchestration.timeouts.orchestration_timeout_secs = 900",
        ["unknown field", "orchestration_timeout_secs"],
    ),
    ("G29", 'orchestration.worker.bare.description = "d"', ["missing", "preamble"]),
    ("G30", 'orchestration.worker.bare.preamble = "p"', ["missing", "description"]),
    (
        "G32",
        'orchestration.worker.ops.llm = { provider = "openai", api_key = "", model = "m" }',
        ["LLM API key is required", "orchestration.worker.ops.llm"],
    ),
    ("G33", 'orchestration.worker.ops.llm = { model = "m" }', ["missing", "provider"]),
    (
        "G34",
        'orchestration.worker.ops.llm = { provider = "openai", api_key = "w", model = "m", no = 1}',
        ["unknown field", "`no`"],
    ),
    (
        "G35",
        (
            "orchestration.enabled = false\norchestration.worker.ops.llm ="
            ' { provider = "openai", api_key = "", model = "m" }'
        ),
        ["orchestration.worker.ops.llm"],
    ),
    (
        "G36",
        '[orchestration.worker.Ops]\ndescription = "d"\npreamble = "p"',
        ["Duplicate worker name", "'Ops'", "'ops'", "[orchestration.worker.*]"],
    ),
    (
        "G37",
        '[orchestration.worker.""]\ndescription = "d"\npreamble = "p"',
        ["Empty worker name"],
    ),
    (
        "G38",
        '[orchestration.worker."  "]\ndescription = "d"\npreamble = "p"',
        ["Empty worker name"],
    ),
    (
        "D11",
        "agent.llm.context_window = 64000\norchestration.worker.ops.scratchpad.enabled = true",
        ["memory_dir"],
    ),
    (
        "D12",
        'memory_dir = "/m"\norchestration.worker.ops.scratchpad.enabled = true',
        ["'ops'", "context_window"],
    ),
]

WARNED = [
    ("G03", "", ["hung provider"]),
    ("G10", "orchestration.quality_threshold = 0.7", ["quality_threshold", "no longer used"]),
    ("G12", FLAT, ["[orchestration.artifacts]"]),
    ("G20", "orchestration.max_session_runs = 5", ["[orchestration.artifacts]"]),
    (
        "G22",
        (
            "orchestration.timeouts.per_call_timeout_secs = 60\n"
            "orchestration.timeouts.stream_inactivity_timeout_secs = 60"
        ),
        ["never takes effect"],
    ),
    ("G25", "orchestration.per_call_timeout_secs = 30", ["[orchestration.timeouts]"]),
    ("G39", "[orchestration.workers.x]", ["[orchestration.worker.<name>]"]),
    (
        "G40",
        (
            "orchestration.duplicate_call_nudge_threshold = 6\n"
            "orchestration.duplicate_call_block_threshold = 4"
        ),
        ["duplicate_call_nudge_threshold"],
    ),
    ("K29", "agent.enable_client_tools = true", ["has no effect", "dropped"]),
    ("stores", 'orchestration.worker.ops.vector_stores = ["docs"]', ["not supported"]),
]

each = pytest.mark.parametrize


def with_id(cases: list[Any]) -> list[Any]:
    return [pytest.param(*rest, id=name) for name, *rest in cases]


@each(("snippet", "key", "value"), with_id(ACCEPTED))
def test_a_key(loaded: Callable[..., Loaded], snippet: str, key: str, value: object) -> None:
    [config] = loaded("ORC", snippet).configs
    assert operator.attrgetter(key)(config.orchestration) == value


@each(("snippet", "worker", "key", "value"), with_id(WORKERS))
def test_a_key_of_a_worker(
    loaded: Callable[..., Loaded], snippet: str, worker: str, key: str, value: object
) -> None:
    [config] = loaded("ORC", snippet).configs
    assert operator.attrgetter(key)(config.orchestration.worker[worker]) == value


@each(("snippet", "words"), with_id(REFUSED))
def test_a_refusal(loaded: Callable[..., Loaded], snippet: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("ORC", snippet)
    assert all(word in str(caught.value) for word in words)


@each(("snippet", "words"), with_id(WARNED))
def test_a_warning(loaded: Callable[..., Loaded], snippet: str, words: list[str]) -> None:
    warnings = "\n".join(map(str, loaded("ORC", snippet).warnings))
    assert all(word in warnings for word in words)


def test_silence_below_the_deadline_of_a_call_is_no_warning(
    loaded: Callable[..., Loaded],
) -> None:
    """G23."""
    given = loaded(
        "ORC",
        "orchestration.timeouts.per_call_timeout_secs = 60\n"
        "orchestration.timeouts.stream_inactivity_timeout_secs = 30",
    )
    assert given.warnings == ()


def test_a_warning_about_an_old_place_names_its_line(loaded: Callable[..., Loaded]) -> None:
    [warning] = [
        each for each in loaded("ORC", FLAT).warnings if each.path.endswith("session_history_turns")
    ]
    assert warning.line > 0


@each(
    ("snippet", "directory"),
    [
        ('memory_dir = "/t"\norchestration.memory_dir = "/f"', "/t"),
        ('orchestration.memory_dir = "/f"\norchestration.artifacts.memory_dir = "/s"', "/f"),
        ('orchestration.artifacts.memory_dir = "/s"', "/s"),
        ("", None),
    ],
)
def test_the_directory(loaded: Callable[..., Loaded], snippet: str, directory: str | None) -> None:
    """K17."""
    [config] = loaded("ORC", snippet).configs
    assert config.kept_in == directory


@each(
    ("agent", "worker", "expected"),
    [
        (
            "enabled = true\nmax_extraction_tokens = 4000",
            "turn_depth_bonus = 1",
            (True, 0.20, 4000, 1),
        ),
        ("enabled = false", "enabled = true", (True, 0.20, 10_000, 6)),
        ("enabled = true", "enabled = false", (False, 0.20, 10_000, 6)),
        ("context_safety_margin = 0.5", "enabled = true", (True, 0.5, 10_000, 6)),
    ],
    ids=["K09", "K10", "off", "margin"],
)
def test_the_scratchpad_of_a_worker(
    loaded: Callable[..., Loaded], agent: str, worker: str, expected: tuple[object, ...]
) -> None:
    snippet = (
        f'memory_dir = "/m"\n[agent.llm]\ncontext_window = 64000\n[agent.scratchpad]\n{agent}\n'
        f"[orchestration.worker.ops.scratchpad]\n{worker}"
    )
    [config] = loaded("ORC", snippet).configs
    pad = config.scratchpad_of(config.orchestration.worker["ops"])
    shown = (pad.enabled, pad.context_safety_margin, pad.max_extraction_tokens)
    assert (*shown, pad.turn_depth_bonus) == expected


def test_every_model_of_a_team_is_known(loaded: Callable[..., Loaded]) -> None:
    llm = 'orchestration.worker.ops.llm = { provider = "openai", api_key = "w", model = "m" }'
    [config] = loaded("ORC", llm).configs
    assert list(config.llms) == [("agent", "llm"), ("orchestration", "worker", "ops", "llm")]
    [_, worker] = config.llms.values()
    assert worker.api_key == Secret("w")  # type: ignore[union-attr]
