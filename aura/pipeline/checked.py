"""The invariant of every run: what starts ends, exactly once, and nothing follows the end."""

from __future__ import annotations

from collections.abc import AsyncIterable

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    ReasoningDelta,
    RunCompleted,
    SessionInfo,
    TaskCompleted,
    TaskStarted,
    TextDelta,
    ToolCompleted,
    ToolDelegated,
    ToolProgressed,
    ToolRequested,
    ToolStarted,
    WorkerReasoning,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.pipeline.compose import Events, opened, operator
from aura.pipeline.ports import Log

PIECES = (TextDelta, ReasoningDelta, WorkerReasoning)
"""Events that neither begin nor end anything."""


class Open:
    """What has started in a run and not ended yet; `over` says that the run itself has."""

    def __init__(self) -> None:
        self.over = False
        self._started: set[str] = set()
        self._known: set[str] = set()

    def violation(self, event: AnyEvent) -> str | None:
        """What is wrong with this event at this place, if anything; counts it."""
        if self.over:
            return "an event after the end of the run"
        match event:
            case SessionInfo(agent_id=None):
                return self._start("run")
            case RunCompleted():
                self.over = "run" in self._known
                left = sorted(self._started - {"run"})
                return self._end("run") or (f"still open: {', '.join(left)}" if left else None)
            case CompletionStarted():
                return self._start(f"completion {event.agent_id} {event.index}")
            case CompletionEnded():
                return self._end(f"completion {event.agent_id} {event.index}")
            case ToolRequested():
                return self._start(f"tool call {event.tool_id}")
            case ToolCompleted() | ToolDelegated():
                return self._end(f"tool call {event.tool_id}")
            case ToolStarted() | ToolProgressed() if not _of_worker(event):
                key = f"tool call {event.tool_id}"
                return None if key in self._started else f"{key} is not open"
            case _:
                return self._of_team(event)

    def _of_team(self, event: AnyEvent) -> str | None:
        match event:
            case WorkerToolStarted():
                return self._start(f"tool call {event.tool_call_id}")
            case WorkerToolCompleted():
                return self._end(f"tool call {event.tool_call_id}")
            case TaskStarted():
                return self._start(f"task {event.iteration}.{event.task_id}")
            case TaskCompleted():
                return self._task_end(event)
            case _:
                return None

    def _task_end(self, event: TaskCompleted) -> str | None:
        own = f"tool call task{event.task_id}_"
        left = sorted(key for key in self._started if key.startswith(own))
        ended = self._end(f"task {event.iteration}.{event.task_id}")
        return ended or (f"still open: {', '.join(left)}" if left else None)

    def _start(self, key: str) -> str | None:
        if key in self._known:
            return f"{key} started twice"
        self._known.add(key)
        self._started.add(key)
        return None

    def _end(self, key: str) -> str | None:
        if key not in self._started:
            return f"{key} ended without having been open"
        self._started.discard(key)
        return None


def _of_worker(event: ToolStarted | ToolProgressed) -> bool:
    """Whether the call is known by the events of a team."""
    return isinstance(event, ToolProgressed) and event.parent_agent_id is not None


@operator
async def checked(stream: AsyncIterable[AnyEvent], *, log: Log) -> Events:
    """The same events; a broken invariant is logged as an error and changes nothing."""
    state = Open()
    async with opened(stream) as events:
        async for event in events:
            if not state.over and isinstance(event, PIECES):  # most are
                yield event
                continue
            if problem := state.violation(event):
                log.error("event stream is inconsistent", problem=problem, event_seen=repr(event))
            yield event
        if "run" in state._started:  # noqa: SLF001
            log.error("event stream is inconsistent", problem="the run did not end")
