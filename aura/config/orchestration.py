"""The table [orchestration]: a coordinator and its workers."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from aura.config.kinds import Count, Filled, Positive, SecondsOrNever, Share
from aura.config.llm import Llm

ToolsInPlanning: TypeAlias = Literal["none", "summary", "full"]


class WorkerScratchpad(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has otherwise than [agent.scratchpad] says; missing means the same."""

    enabled: bool | None = None
    context_safety_margin: Share | None = None
    max_extraction_tokens: Positive | None = None
    turn_depth_bonus: Count | None = None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """Who does tasks. Missing means what [agent] says; an `llm` is complete."""

    description: Filled
    preamble: str
    mcp_filter: tuple[str, ...] | None = None
    turn_depth: Count | None = None
    llm: Llm | None = None
    scratchpad: WorkerScratchpad | None = None


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deadlines of a team, in seconds, 0 for none: for each call of a model or a tool, for silence
    within a call of a model, and for a whole task."""

    per_call_timeout_secs: SecondsOrNever = 0.0
    stream_inactivity_timeout_secs: SecondsOrNever = 0.0
    worker_timeout_secs: SecondsOrNever = 0.0


class Artifacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a team's runs; lengths are in characters."""

    memory_dir: Filled | None = None
    result_artifact_threshold: Count = 4000
    result_summary_length: Count = 2000
    session_history_turns: Count = 3
    persistence_drain_timeout_ms: Count = 2000
    tool_output_artifact_threshold: Count = 500
    tool_output_duration_threshold_ms: Count = 5000
    show_tool_reasoning_in_continuation: bool = False
    max_session_runs: Count = 20


class Orchestration(msgspec.Struct, frozen=True, kw_only=True):
    """A team instead of a single agent, if it is enabled.

    `max_tools_per_worker`, `max_parallel_workers` and the two thresholds have no bound at 0.
    """

    enabled: bool = False
    max_planning_cycles: Count = 3
    max_plan_parse_retries: Count = 3
    allow_direct_answers: bool = True
    allow_clarification: bool = True
    tools_in_planning: ToolsInPlanning = "summary"
    max_tools_per_worker: Count = 10
    max_tasks_per_plan: Positive = 32
    max_parallel_workers: Count = 8
    duplicate_call_nudge_threshold: Count = 3
    duplicate_call_block_threshold: Count = 5
    worker_system_prompt: str | None = None
    stream_final_answer: bool = True
    answer_on_exhaustion: bool = False
    worker: dict[str, Worker] = {}
    timeouts: Timeouts = msgspec.field(default_factory=Timeouts)
    artifacts: Artifacts = msgspec.field(default_factory=Artifacts)
