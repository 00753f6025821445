"""What a run has begun and not ended, and the events that end it when the run has to."""

from __future__ import annotations

from collections.abc import Iterator

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    RunCompleted,
    RunFailed,
    ToolCompleted,
    ToolDelegated,
    ToolRequested,
    Usage,
)
from aura.pipeline.totals import Totals


class Unfinished:
    """A fold over the events of one run."""

    def __init__(self) -> None:
        self.over = False
        self.failed: RunFailed | None = None
        self._completions: dict[tuple[str, int], CompletionStarted] = {}
        self._calls: dict[str, tuple[ToolRequested, float]] = {}
        self._totals = Totals()
        self._accounted = False

    @property
    def calling(self) -> bool:
        """Whether a tool is running."""
        return bool(self._calls)

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
            case _:
                self._totals = self._totals.after(event)

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
        for completion in self._completions.values():
            yield CompletionEnded(agent_id=completion.agent_id, index=completion.index)
        yield failure
        if not self._accounted and (self._totals.prompt or self._totals.completion):
            yield self._totals.usage()
        yield RunCompleted()
