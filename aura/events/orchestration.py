"""Events of a team: what the coordinator decided, and what became of each task."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import msgspec

from aura.events.base import AgentEvent

COORDINATOR: Final = "coordinator"
"""The `agent_id` of the agent that plans and answers for a team."""

RoutingMode = Literal["routed", "orchestrated"]
Confidence = Literal["high", "medium", "low"]
Phase = Literal["planning", "executing", "analyzing"]
FailureCategory = Literal[
    "agent_timeout",
    "context_overflow",
    "depth_exhausted",
    "loop_detected",
    "provider_overloaded",
    "provider_auth_error",
    "provider_not_found",
    "dependency_failed",
    "soft_failure",
    "agent_error",
]


class TeamEvent(AgentEvent, frozen=True, kw_only=True):
    """An event of a team as a whole, which its coordinator stands for. `iteration` counts plans
    from 1; it is 0 before there is one."""

    iteration: int = 0


class TurnShare(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one model call of a task was billed, in tokens, and the tool calls that it asked for;
    `index` counts those of the task from 0."""

    index: int
    prompt_tokens: int
    completion_tokens: int
    tool_call_ids: tuple[str, ...] = ()


class PlannedTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task of a plan; `dependencies` are the ids of those that must succeed before it."""

    task_id: int
    description: str
    worker: str | None = None
    dependencies: tuple[int, ...] = ()


class PlanCreated(TeamEvent, frozen=True, kw_only=True):
    """A plan was accepted. `tasks` are the descriptions and `graph` the tasks themselves, both in
    the order of their ids."""

    wire: ClassVar[str | None] = "aura.orchestrator.plan_created"
    goal: str
    tasks: tuple[str, ...]
    routing_mode: RoutingMode
    routing_rationale: str
    planning_response: str = ""
    graph: tuple[PlannedTask, ...] = ()
    run_id: str = ""


class DirectAnswer(TeamEvent, frozen=True, kw_only=True):
    """The coordinator answers; the text went out, or goes out, as ordinary deltas. `summary` is
    for the next request of the session."""

    wire: ClassVar[str | None] = "aura.orchestrator.direct_answer"
    response: str
    routing_rationale: str
    run_id: str = ""
    summary: str = ""


class ClarificationNeeded(TeamEvent, frozen=True, kw_only=True):
    """The coordinator asks back."""

    wire: ClassVar[str | None] = "aura.orchestrator.clarification_needed"
    question: str
    routing_rationale: str
    options: tuple[str, ...] = ()
    run_id: str = ""


class TaskStarted(TeamEvent, frozen=True, kw_only=True):
    """A worker is given a task; exactly one `TaskCompleted` follows. `worker_id` is the worker's
    name, or `orchestrator_id` when the task belongs to none."""

    wire: ClassVar[str | None] = "aura.orchestrator.task_started"
    description: str
    task_id: int
    orchestrator_id: str
    worker_id: str


class TaskCompleted(TeamEvent, frozen=True, kw_only=True):
    """A task is over. `result` is all that came of it, whole; when it failed, why, and what there
    was until then is `partial`. `summary` and `confidence` are the worker's own, `artifact` names
    the file of a result that is long, and `turns` are the model calls that it took."""

    wire: ClassVar[str | None] = "aura.orchestrator.task_completed"
    task_id: int
    orchestrator_id: str
    worker_id: str
    success: bool
    duration_ms: int
    result: str = ""
    summary: str = ""
    confidence: Confidence | None = None
    failure_category: FailureCategory | None = None
    partial: str = ""
    artifact: str = ""
    attempts: int = 1
    turns: tuple[TurnShare, ...] = ()


class TaskBlocked(TeamEvent, frozen=True, kw_only=True):
    """A task will never begin, because the task `blocked_by` failed, which it needs, or which a
    task needs that it needs."""

    wire: ClassVar[str | None] = "aura.orchestrator.task_blocked"
    task_id: int
    description: str
    blocked_by: int


class WorkerPhase(AgentEvent, frozen=True, kw_only=True):
    """A worker turned to something else: to think before it acts, to run tools, or to think about
    what they gave."""

    wire: ClassVar[str | None] = "aura.worker_phase"
    phase: Phase
    task_id: str
    parent_agent_id: str


class WorkerReasoning(TeamEvent, frozen=True, kw_only=True):
    """A piece of what a worker thinks; the same piece follows as a `ReasoningDelta`."""

    wire: ClassVar[str | None] = "aura.orchestrator.worker_reasoning"
    task_id: int
    worker_id: str
    content: str


class WorkerToolStarted(TeamEvent, frozen=True, kw_only=True):
    """A worker calls a tool, or the coordinator does, which works on no task; exactly one
    `WorkerToolCompleted` with the same `tool_call_id` follows. `arguments` is JSON text, and
    `reasoning` why the worker calls it, if it said so."""

    wire: ClassVar[str | None] = "aura.orchestrator.tool_call_started"
    tool_call_id: str
    tool_name: str
    worker_id: str
    task_id: int | None = None
    arguments: str = "{}"
    reasoning: str = ""


class WorkerToolCompleted(TeamEvent, frozen=True, kw_only=True):
    """The call is over. `result` is the text that the model is given, whole, also on failure;
    `artifact` names the file of an output that was long, or took long, and has `size` bytes."""

    wire: ClassVar[str | None] = "aura.orchestrator.tool_call_completed"
    tool_call_id: str
    tool_name: str
    success: bool
    duration_ms: int
    worker_id: str
    task_id: int | None = None
    result: str = ""
    artifact: str = ""
    size: int = 0


class Synthesizing(TeamEvent, frozen=True, kw_only=True):
    """Every task of the plan is over that could be worked on; the coordinator looks at them."""

    wire: ClassVar[str | None] = "aura.orchestrator.synthesizing"


class IterationCompleted(TeamEvent, frozen=True, kw_only=True):
    """The coordinator has decided what follows from the tasks. `reasoning` says why there is no
    answer of its own; times are in milliseconds: `planning_ms` for the decision that made the plan,
    `execution_ms` for the tasks side by side, `task_compute_ms` for them one after the other, and
    `tool_ms` for their tools."""

    wire: ClassVar[str | None] = "aura.orchestrator.iteration_complete"
    will_replan: bool
    planning_ms: int
    execution_ms: int
    task_compute_ms: int
    tool_ms: int
    reasoning: str = ""


class ReplanStarted(TeamEvent, frozen=True, kw_only=True):
    """The plan of the next iteration is about to be worked on."""

    wire: ClassVar[str | None] = "aura.orchestrator.replan_started"
    trigger: Literal["post_execute_create_plan"]
