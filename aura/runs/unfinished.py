"""What a run has begun and not ended, and the events that end it when the run has to."""

from __future__ import annotations

from collections.abc import Iterator

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    RunCompleted,
    RunFailed,
    TaskCompleted,
    TaskStarted,
    ToolCompleted,
    ToolDelegated,
    ToolRequested,
    TurnUsage,
    Usage,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.pipeline.totals import Totals


class Unfinished:
    """A fold over the events of one run."""

    def __init__(self) -> None:
        self.over = False
        self.failed: RunFailed | None = None
        self._completions: dict[tuple[str, int], CompletionStarted] = {}
        self._calls: dict[str, tuple[ToolRequested, float]] = {}
        self._tasks: dict[tuple[int, int], tuple[TaskStarted, float]] = {}
        self._worker_calls: dict[str, tuple[WorkerToolStarted, float]] = {}
        self._totals = Totals()
        self._accounted = False

    @property
    def calling(self) -> bool:
        """Whether a tool is running."""
        return bool(self._calls or self._worker_calls)

    def add(self, event: AnyEvent, at: float) -> None:
        """Count one event that happened `at` this moment of the run, in seconds."""
        match event:
            case CompletionStarted():
                self._completions[event.agent_id, event.index] = event
            case CompletionEnded():
                self._completions.pop((event.agent_id, event.index), None)
            case ToolRequested():
                self._calls[event.tool_id] = event, at
            case ToolCompleted() | ToolDelegated():
                self._calls.pop(event.tool_id, None)
            case Usage():
                self._accounted = True
            case RunFailed():
                self.failed = event
            case RunCompleted():
                self.over = True
            case TurnUsage():
                self._totals = self._totals.after(event)
            case _:
                self._add_of_team(event, at)

    def _add_of_team(self, event: AnyEvent, at: float) -> None:
        match event:
            case WorkerToolStarted():
                self._worker_calls[event.tool_call_id] = event, at
            case WorkerToolCompleted():
                self._worker_calls.pop(event.tool_call_id, None)
            case TaskStarted():
                self._tasks[event.iteration, event.task_id] = event, at
            case TaskCompleted():
                self._tasks.pop((event.iteration, event.task_id), None)
            case _:
                pass

    def ends(self, failure: RunFailed, at: float) -> Iterator[AnyEvent]:
        """Everything that is open, ended because of this failure, and the end of the run."""
        for call, begun in self._calls.values():
            yield ToolCompleted(
                agent_id=call.agent_id,
                tool_id=call.tool_id,
                tool_name=call.tool_name,
                duration_ms=round((at - begun) * 1000),
                success=False,
                error=f"ToolCallError: abandoned, because the run ended: {failure.message}",
                hidden=call.hidden,
            )
        yield from self._team_ends(failure, at)
        for completion in self._completions.values():
            yield CompletionEnded(agent_id=completion.agent_id, index=completion.index)
        yield failure
        if not self._accounted and (self._totals.prompt or self._totals.completion):
            yield self._totals.usage()
        yield RunCompleted()

    def _team_ends(self, failure: RunFailed, at: float) -> Iterator[AnyEvent]:
        """The calls of workers, then their tasks."""
        for call, begun in self._worker_calls.values():
            yield WorkerToolCompleted(
                agent_id=call.agent_id,
                iteration=call.iteration,
                tool_call_id=call.tool_call_id,
                tool_name=call.tool_name,
                success=False,
                duration_ms=round((at - begun) * 1000),
                worker_id=call.worker_id,
                task_id=call.task_id,
                result=f"ToolCallError: abandoned, because the run ended: {failure.message}",
            )
        for task, begun in self._tasks.values():
            yield TaskCompleted(
                agent_id=task.agent_id,
                iteration=task.iteration,
                task_id=task.task_id,
                orchestrator_id=task.orchestrator_id,
                worker_id=task.worker_id,
                success=False,
                duration_ms=round((at - begun) * 1000),
                result=f"Abandoned, because the run ended: {failure.message}",
                failure_category="agent_timeout" if failure.status == 504 else "agent_error",
            )
