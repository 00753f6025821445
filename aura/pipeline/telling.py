"""What clients are told of a worker's turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from aura.events import (
    COORDINATOR,
    AnyEvent,
    CompletionDelayed,
    CompletionEnded,
    CompletionStarted,
    Phase,
    ReasoningDelta,
    ScratchpadStored,
    TextDelta,
    ToolCompleted,
    ToolProgressed,
    ToolRequested,
    ToolUsage,
    TurnShare,
    TurnUsage,
    WorkerPhase,
    WorkerReasoning,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.pipeline.notes import Notes

_PASSED = (CompletionStarted, CompletionEnded, CompletionDelayed, TurnUsage, ScratchpadStored)
"""Events of a turn that mean the same in a team."""


class Telling:
    """Turns the events of the turns of one task into those of a team, and remembers what they said.

    `rounds` is how many completions the latest turn had, and `turns` are what each completion of
    the task was billed.
    """

    def __init__(
        self,
        task_id: int,
        iteration: int,
        worker_id: str,
        notes: Notes,
        clock: Callable[[], float],
    ) -> None:
        self._text: list[str] = []
        self.rounds = 0
        self._task_id = task_id
        self._iteration = iteration
        self._worker_id = worker_id
        self._notes = notes
        self._clock = clock
        self._phase: Phase | None = None
        self._completion: CompletionStarted | None = None
        self._calls: dict[str, tuple[WorkerToolStarted, float]] = {}
        self.turns: list[TurnShare] = []

    @property
    def text(self) -> str:
        """What the worker said in its latest turn."""
        return "".join(self._text)

    def turn(self) -> None:
        """Another turn begins."""
        self._text.clear()
        self.rounds = 0

    def told(self, event: AnyEvent) -> Sequence[AnyEvent]:
        """What to tell when this happens."""
        match event:
            case ReasoningDelta():
                return self._thought(event)
            case TextDelta():
                self._text.append(event.text)
                return ()
            case ToolUsage() if self.turns:
                last = self.turns[-1]
                self.turns[-1] = msgspec.structs.replace(last, tool_call_ids=event.tool_ids)
                return ()
        turned = self._turned(event)
        told = self._of_team(event)
        return [each for each in (turned, told) if each is not None]

    def _thought(self, event: ReasoningDelta) -> tuple[AnyEvent, AnyEvent]:
        return (
            WorkerReasoning(
                agent_id=COORDINATOR,
                iteration=self._iteration,
                task_id=self._task_id,
                worker_id=self._worker_id,
                content=event.content,
            ),
            ReasoningDelta(
                agent_id=event.agent_id, content=event.content, parent_agent_id=COORDINATOR
            ),
        )

    def _of_team(self, event: AnyEvent) -> AnyEvent | None:
        match event:
            case ToolRequested(hidden=False):
                return self._started(event)
            case ToolCompleted(hidden=False):
                return self._completed(event)
            case ToolProgressed():
                return msgspec.structs.replace(event, parent_agent_id=COORDINATOR)
            case _ if isinstance(event, _PASSED):
                self._count(event)
                return event
        return None

    def abandoned(self, why: str) -> Iterator[AnyEvent]:
        """The ends of everything that was cut off."""
        for started, begun in self._calls.values():
            yield WorkerToolCompleted(
                agent_id=COORDINATOR,
                iteration=self._iteration,
                tool_call_id=started.tool_call_id,
                tool_name=started.tool_name,
                success=False,
                duration_ms=round((self._clock() - begun) * 1000),
                worker_id=self._worker_id,
                task_id=self._task_id,
                result=f"ToolCallError: abandoned: {why}",
            )
        self._calls.clear()
        if (open_one := self._completion) is not None:
            self._completion = None
            yield CompletionEnded(agent_id=open_one.agent_id, index=open_one.index)

    def _count(self, event: AnyEvent) -> None:
        match event:
            case CompletionStarted():
                self._completion = event
                self.rounds += 1
            case CompletionEnded():
                self._completion = None
            case TurnUsage():
                share = TurnShare(
                    index=len(self.turns),
                    prompt_tokens=event.prompt_tokens,
                    completion_tokens=event.completion_tokens,
                )
                self.turns.append(share)
            case _:
                pass

    def _turned(self, event: AnyEvent) -> WorkerPhase | None:
        """What the worker turned to, if this is the beginning of something else."""
        phase = self._phase
        match event:
            case CompletionStarted():
                phase = "planning" if phase in (None, "planning") else "analyzing"
            case ToolRequested():
                phase = "executing"
        if phase == self._phase or phase is None:
            return None
        self._phase = phase
        return WorkerPhase(
            agent_id=self._worker_id,
            phase=phase,
            task_id=str(self._task_id),
            parent_agent_id=COORDINATOR,
        )

    def _started(self, event: ToolRequested) -> WorkerToolStarted:
        started = WorkerToolStarted(
            agent_id=COORDINATOR,
            iteration=self._iteration,
            tool_call_id=event.tool_id,
            tool_name=event.tool_name,
            worker_id=self._worker_id,
            task_id=self._task_id,
            arguments=event.arguments,
            reasoning=self._notes.why(event.tool_id),
        )
        self._calls[event.tool_id] = started, self._clock()
        return started

    def _completed(self, event: ToolCompleted) -> WorkerToolCompleted:
        started, _ = self._calls.pop(event.tool_id)
        artifact, size = self._notes.kept(event.tool_id)
        self._notes.record(started, event, artifact)
        return WorkerToolCompleted(
            agent_id=COORDINATOR,
            iteration=self._iteration,
            tool_call_id=event.tool_id,
            tool_name=event.tool_name,
            success=event.success,
            duration_ms=event.duration_ms,
            worker_id=self._worker_id,
            task_id=self._task_id,
            result=(event.result if event.success else event.error) or "",
            artifact=artifact,
            size=size,
        )
