"""The course of a team's run so far, folded from its events: what the coordinator is told."""

from __future__ import annotations

from typing import Final

import msgspec

from aura.events import (
    AnyEvent,
    PlanCreated,
    PlannedTask,
    TaskBlocked,
    TaskCompleted,
    TaskStarted,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.pipeline.failures import PROVIDER
from aura.pipeline.prompts.results import Done, Failed, Report, ToolNote
from aura.pipeline.reading import READ_ARTIFACT
from aura.pipeline.shelf import Shelf
from aura.pipeline.submitted import SUBMIT
from aura.pipeline.team import Policy

NATIVE: Final = frozenset({SUBMIT, READ_ARTIFACT})
"""Tools whose calls are no work of a task."""


NOTED: Final = (
    PlanCreated,
    TaskStarted,
    TaskBlocked,
    TaskCompleted,
    WorkerToolStarted,
    WorkerToolCompleted,
)


class Iteration:
    """One plan and what became of its tasks."""

    def __init__(self, number: int, goal: str, tasks: tuple[PlannedTask, ...]) -> None:
        self.number = number
        self.goal = goal
        self.tasks = tasks
        self.started: set[int] = set()
        self.ended: dict[int, TaskCompleted] = {}
        self.blocked: set[int] = set()
        self.calls: dict[int, list[ToolNote]] = {}
        self._reasons: dict[str, str] = {}

    def add(self, event: AnyEvent) -> None:
        """Count one event."""
        match event:
            case TaskStarted():
                self.started.add(event.task_id)
            case TaskBlocked():
                self.blocked.add(event.task_id)
            case TaskCompleted():
                self.ended[event.task_id] = event
            case WorkerToolStarted(reasoning=str(reason)) if reason:
                self._reasons[event.tool_call_id] = reason
            case WorkerToolCompleted(task_id=int(task)) if event.tool_name not in NATIVE:
                note = ToolNote(
                    event.tool_name,
                    event.duration_ms / 1000,
                    event.success,
                    self._reasons.pop(event.tool_call_id, ""),
                    event.artifact,
                    event.size or len(event.result.encode("utf-8", "replace")),
                    "" if event.success else event.result[:500],
                )
                self.calls.setdefault(task, []).append(note)
            case _:
                pass

    @property
    def compute_ms(self) -> int:
        """What the tasks took, one after the other."""
        return sum(end.duration_ms for end in self.ended.values())

    @property
    def tool_ms(self) -> int:
        """What their tools took."""
        notes = (note for calls in self.calls.values() for note in calls)
        return round(sum(note.seconds for note in notes) * 1000)

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing succeeded, and only for reasons that no other plan would change."""
        ends = self.ended.values()
        return bool(ends) and all(end.failure_category in PROVIDER for end in ends)

    def done(self, shelf: Shelf) -> tuple[Done, ...]:
        """Every task and how far it came."""
        return tuple(self._done(task, shelf) for task in self.tasks)

    def _done(self, task: PlannedTask, shelf: Shelf) -> Done:
        end, tools = self.ended.get(task.task_id), tuple(self.calls.get(task.task_id, ()))
        if end is None:
            return Done(task=task, status="blocked", tools=tools)
        shown = shelf.result(end)
        if end.success:
            return Done(
                task=task,
                status="complete",
                text=shown,
                summary=end.summary,
                confidence=end.confidence or "",
                artifact=end.artifact,
                tools=tools,
            )
        return Done(
            task=task,
            status="failed",
            category=end.failure_category,
            error=shown,
            partial=end.partial,
            tools=tools,
        )


class Course:
    """All iterations of a run."""

    def __init__(self, policy: Policy, shelf: Shelf) -> None:
        self._policy = policy
        self._shelf = shelf
        self.iterations: list[Iteration] = []

    @property
    def latest(self) -> Iteration:
        """The iteration that is being worked on, or was last."""
        return self.iterations[-1]

    def add(self, event: AnyEvent) -> None:
        """Count one event."""
        if not isinstance(event, NOTED):  # most are pieces of what somebody thinks
            return
        if isinstance(event, PlanCreated):
            self.iterations.append(Iteration(event.iteration, event.goal, event.graph))
        elif self.iterations:
            self.latest.add(event)

    def report(self) -> Report:
        """What the coordinator is told after an iteration."""
        failures = tuple(
            Failed(each.number, done.task.description, done.category or "")
            for each in self.iterations
            for done in each.done(self._shelf)
            if done.status == "failed"
        )
        return Report(
            iteration=self.latest.number,
            cycles=self._policy.max_cycles,
            goal=self.latest.goal,
            done=self.latest.done(self._shelf),
            failures=failures,
            shows_reasoning=self._policy.shows_tool_reasoning,
            longest_error=self._policy.thresholds.summary,
        )

    def results(self) -> tuple[tuple[int, tuple[Done, ...]], ...]:
        """What is left of every iteration, for a user whom nobody answers: results in full."""
        return tuple((each.number, self._whole(each)) for each in self.iterations)

    def _whole(self, iteration: Iteration) -> tuple[Done, ...]:
        whole = {number: end.result for number, end in iteration.ended.items() if end.success}
        return tuple(
            msgspec.structs.replace(each, text=whole.get(each.task.task_id, each.text))
            for each in iteration.done(self._shelf)
        )
