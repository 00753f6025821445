"""What is written down of a run of a team: for people, and for later runs of the session. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from aura.events import (
    AgentUsage,
    AnyEvent,
    ClarificationNeeded,
    DirectAnswer,
    IterationCompleted,
    PlanCreated,
    RunFailed,
    TaskCompleted,
    TurnShare,
    TurnUsage,
)
from aura.pipeline.course import Course, Iteration
from aura.pipeline.prompts.results import Done, ToolNote
from aura.pipeline.totals import Totals

Status = Literal[
    "running",
    "success",
    "partial_success",
    "failed",
    "cancelled",
    "timeout",
    "error",
]
Mode = Literal["direct_answer", "clarification", "routed", "orchestrated"]

FILE: Final = "manifest.json"
PREVIEW: Final = 200


class Trace(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call of a worker; `outcome` is `{"success": {"output_bytes": n}}` or `{"error": {...}}`."""

    tool: str
    duration_ms: int
    outcome: dict[str, dict[str, int | str]]
    reasoning: str = ""
    artifact_filename: str = ""


class ErrorContext(msgspec.Struct, frozen=True):
    """What was going on when a task failed."""

    category: str
    last_tool_call: str | None
    attempt_count: int
    partial_result: str | None


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task of one iteration; `status` is `complete`, `failed`, `running` or `pending`."""

    iteration: int
    task_id: int
    description: str
    status: str
    worker: str | None
    result_preview: str
    confidence: str = ""
    failure_category: str = ""
    error: str = ""
    error_context: ErrorContext | None = None
    tool_trace: tuple[Trace, ...] = ()
    turns: tuple[TurnShare, ...] = ()


class Timings(msgspec.Struct, frozen=True):
    """What the phases of an iteration took, in milliseconds."""

    planning_ms: int
    execution_ms: int
    task_compute_ms: int
    tool_ms: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run. `owner` stands for who sent the request, `timestamp` is RFC 3339."""

    run_id: str
    session_id: str
    agent_id: str
    owner: str
    timestamp: str
    goal: str
    status: Status
    iterations: int
    routing_mode: Mode | None = None
    outcome: str | None = None
    response_summary: str | None = None
    task_summaries: tuple[TaskSummary, ...] = ()
    artifact_paths: tuple[str, ...] = ()
    phase_timings: tuple[Timings, ...] = ()
    usage: tuple[AgentUsage, ...] = ()


class Told:
    """A run so far, folded from its events."""

    def __init__(self, course: Course, goal: str) -> None:
        self._course = course
        self._goal = goal
        self._mode: Mode | None = None
        self._summary: str | None = None
        self._timings: list[Timings] = []
        self._totals = Totals()
        self.failed = False

    def add(self, event: AnyEvent) -> None:
        """Count one event."""
        self._course.add(event)
        match event:
            case TurnUsage():
                self._totals = self._totals.after(event)
            case PlanCreated():
                self._mode = event.routing_mode
            case DirectAnswer():
                self._mode = self._mode or "direct_answer"
                self._summary = event.summary or event.response[:PREVIEW]
            case ClarificationNeeded():
                self._mode = self._mode or "clarification"
                self._summary = event.question[:PREVIEW]
            case IterationCompleted():
                times = (event.planning_ms, event.execution_ms)
                self._timings.append(Timings(*times, event.task_compute_ms, event.tool_ms))
            case RunFailed():
                self.failed = True
            case _:
                pass

    @property
    def iterations(self) -> Sequence[Iteration]:
        """Every plan so far."""
        return self._course.iterations

    @property
    def outcome(self) -> Status:
        """How the run ended, if it did by itself."""
        if not self.iterations:
            return "error" if self.failed else "success"
        tasks = self._course.latest.tasks
        done = sum(end.success for end in self._course.latest.ended.values())
        if done == len(tasks):
            return "success"
        return "partial_success" if done else "failed"

    def manifest(
        self, status: Status, *, run_id: str, session_id: str, agent_id: str, owner: str, now: str
    ) -> Manifest:
        """All of it."""
        summaries = tuple(_summaries(self.iterations))
        return Manifest(
            run_id=run_id,
            session_id=session_id,
            agent_id=agent_id,
            owner=owner,
            timestamp=now,
            goal=self.iterations[-1].goal if self.iterations else self._goal,
            status=status,
            iterations=len(self.iterations),
            routing_mode=self._mode,
            outcome=self._outcome(),
            response_summary=self._summary,
            task_summaries=summaries,
            artifact_paths=tuple(_artifacts(self.iterations)),
            phase_timings=tuple(self._timings),
            usage=self._totals.by_agent,
        )

    def _outcome(self) -> str | None:
        if self.iterations:
            latest = self.iterations[-1]
            done = sum(end.success for end in latest.ended.values())
            return f"{done}/{len(latest.tasks)} tasks completed"
        return "Answered directly" if self._mode == "direct_answer" else None


def _summaries(iterations: Sequence[Iteration]) -> Iterable[TaskSummary]:
    for iteration in iterations:
        for task in iteration.tasks:
            end = iteration.ended.get(task.task_id)
            notes = iteration.calls.get(task.task_id, [])
            running = "running" if task.task_id in iteration.started else "pending"
            yield TaskSummary(
                iteration=iteration.number,
                task_id=task.task_id,
                description=task.description,
                status=running if end is None else "complete" if end.success else "failed",
                worker=task.worker,
                result_preview=_preview(end),
                confidence=(end and end.confidence) or "",
                failure_category=_category(task.task_id, iteration),
                error=end.result[:PREVIEW] if end and not end.success else "",
                error_context=_context(end, notes),
                tool_trace=tuple(map(_trace, notes)),
                turns=end.turns if end else (),
            )


def _category(task_id: int, iteration: Iteration) -> str:
    end = iteration.ended.get(task_id)
    if end is not None:
        return end.failure_category or ""
    return "dependency_failed" if task_id in iteration.blocked else ""


def _preview(end: TaskCompleted | None) -> str:
    return "" if end is None else end.summary or end.result[:PREVIEW]


def _context(end: TaskCompleted | None, notes: Sequence[ToolNote]) -> ErrorContext | None:
    if end is None or end.success:
        return None
    return ErrorContext(
        end.failure_category or "agent_error",
        notes[-1].tool_name if notes else None,
        end.attempts,
        end.partial or None,
    )


def _trace(note: ToolNote) -> Trace:
    outcome: dict[str, dict[str, int | str]] = {"success": {"output_bytes": note.size}}
    if not note.success:
        outcome = {"error": {"message": note.error}}
    return Trace(note.tool_name, round(note.seconds * 1000), outcome, note.reasoning, note.artifact)


def _artifacts(iterations: Sequence[Iteration]) -> Iterable[str]:
    for iteration in iterations:
        for end in iteration.ended.values():
            if end.artifact:
                yield end.artifact
        for notes in iteration.calls.values():
            yield from (note.artifact for note in notes if note.artifact)


def plan_file(iteration: Iteration, done: Sequence[Done]) -> bytes:
    """The file `plan.json`: the plan of an iteration and how far its tasks are."""
    tasks = [_planned(each, iteration) for each in done]
    return msgspec.json.format(msgspec.json.encode({"goal": iteration.goal, "tasks": tasks}))


def _planned(each: Done, iteration: Iteration) -> dict[str, object]:
    task, end = each.task, iteration.ended.get(each.task.task_id)
    running = "running" if task.task_id in iteration.started else "pending"
    shown: dict[str, object] = {
        "id": task.task_id,
        "description": task.description,
        "dependencies": task.dependencies,
        "status": running if end is None else each.status,
    }
    if task.worker is not None:
        shown["worker"] = task.worker
    if end is None:
        return shown
    if not end.success:
        return {**shown, "error": each.error, "failure_category": end.failure_category}
    structured = {"summary": end.summary, "confidence": end.confidence}
    return {**shown, "result": each.text, "structured_output": structured}
