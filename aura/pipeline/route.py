"""What the coordinator decides, in as many attempts as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

import anyio
import msgspec

from aura.errors import AuraError, ContextOverflow
from aura.events import (
    COORDINATOR,
    AnyEvent,
    CompletionDelayed,
    CompletionEnded,
    CompletionStarted,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCompleted,
    ToolRequested,
    TurnUsage,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.pipeline.begun import FIRST_PAUSE
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.desk import RESPOND, ROUTING, Decision, Desk, Direct
from aura.pipeline.failures import transient
from aura.pipeline.journal import journal
from aura.pipeline.manner import Manner
from aura.pipeline.ports import Assistant, Message, Options, Tool, ToolReply, User
from aura.pipeline.prompts.coordinator import CORRECTION
from aura.pipeline.reading import RECON
from aura.pipeline.spoken import SpokenArgument
from aura.pipeline.teamwork import Teamwork
from aura.pipeline.toolbox import Fixed
from aura.pipeline.turn import turn

_PASSED = (CompletionStarted, CompletionEnded, CompletionDelayed, TurnUsage, ReasoningDelta)
_QUIET = ROUTING | RECON
"""Tools of the coordinator that only it is concerned with."""


class Undecided(AuraError):
    """Raised when the coordinator does not decide, however often it is asked."""


class Routed(msgspec.Struct, frozen=True):
    """What was decided, as the last item of a routing call; `shown` is as much of an answer as
    went out already."""

    decision: Decision
    shown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the coordinator is asked to decide. `live` says that an answer may be shown while it is
    written, `answers_only` that nothing else than an answer is wanted, `iteration` and `number` are
    for the record."""

    message: User
    live: bool
    iteration: int
    number: int
    answers_only: bool = False

    @property
    def file(self) -> str:
        """Where the record has what was said."""
        return f"iteration-{max(1, self.iteration)}/routing-{self.number}.json"


async def routed(
    question: Question, memory: list[Message], tools: tuple[Tool, ...], work: Teamwork
) -> AsyncGenerator[AnyEvent | Routed, None]:
    """Ask the coordinator until it decides; the last item says what. `memory` grows by all that is
    said.

    Raises `Undecided` when it never does, and `ProviderError` when it cannot be asked: what may
    pass is tried again as often as a missing decision is.
    """
    attempts = max(1, work.team.policy.attempts)
    begun = len(memory)
    memory.append(question.message)
    missing: Exception = Undecided(f"the coordinator did not decide in {attempts} attempts")
    for attempt in range(1, attempts + 1):
        asking = Asked(question, tools, work)
        journal(
            work,
            f"Planning (Iteration {question.iteration}, Attempt {attempt}/{attempts})",
            system=work.coordinator.system,
            prompt=memory[-1].text,
            answer=question.file,
        )
        failure: Failure | None = None
        async with opened(settled(asking.turn(memory))) as events:
            async for event in events:
                if isinstance(event, Failure):
                    failure = event
                    break
                yield event
        _file(question, memory[begun:], asking.decision, work)
        if asking.decision is not None:
            yield Routed(asking.decision, asking.shown)
            return
        if failure is None:
            memory.append(User(CORRECTION))
            continue
        missing = failure.error
        if asking.shown or isinstance(missing, ContextOverflow) or not transient(missing):
            break
        if attempt < attempts:
            await anyio.sleep(FIRST_PAUSE * 2**attempt * (1 - work.run.sources.chance() / 2))
    raise missing


class Asked:
    """One attempt."""

    def __init__(self, question: Question, tools: tuple[Tool, ...], work: Teamwork) -> None:
        self._work = work
        self._question = question
        self._desk = Desk(work.team.rules, only_answers=question.answers_only)
        self._tools = (*self._desk.tools, *tools)
        self._answer = SpokenArgument("response")
        self._index: int | None = None
        self._pieces: list[str] = []
        self._complete = False

    @property
    def shown(self) -> str:
        """As much of the answer as was shown."""
        return "".join(self._pieces)

    @property
    def decision(self) -> Decision | None:
        """What was decided. What has been shown of an answer counts, even if the call that it is
        from turns out to be unusable."""
        if self._desk.decision is None and self._pieces and self._complete:
            return Direct(self.shown, "")
        return self._desk.decision

    async def turn(self, memory: list[Message]) -> AsyncGenerator[AnyEvent, None]:
        """The turn of the coordinator, with its answer as text while it is written."""
        work = self._work
        manner = Manner(
            deciding=ROUTING,
            decided=lambda: self._desk.decided or bool(self._pieces),
            index=work.completion_of(COORDINATOR),
            live=ROUTING if self._question.live else frozenset(),
        )
        happens = turn(
            work.coordinator,
            Fixed(self._tools),
            memory,
            work.run,
            options=Options(),
            manner=manner,
        )
        async with opened(happens) as events:
            async for event in events:
                for shown in self._shown(event):
                    yield shown
        self._complete = True

    def _shown(self, event: AnyEvent) -> Iterator[AnyEvent]:
        match event:
            case CompletionStarted():
                self._index, self._answer = None, SpokenArgument("response")
                yield event
            case ToolCallDelta():
                if text := self._said(event):
                    self._pieces.append(text)
                    yield TextDelta(agent_id=COORDINATOR, text=text)
            case ToolRequested() if event.tool_name not in _QUIET:
                yield WorkerToolStarted(
                    agent_id=COORDINATOR,
                    iteration=self._question.iteration,
                    tool_call_id=event.tool_id,
                    tool_name=event.tool_name,
                    worker_id="main",
                    arguments=event.arguments,
                )
            case ToolCompleted() if event.tool_name not in _QUIET:
                yield WorkerToolCompleted(
                    agent_id=COORDINATOR,
                    iteration=self._question.iteration,
                    tool_call_id=event.tool_id,
                    tool_name=event.tool_name,
                    success=event.success,
                    duration_ms=event.duration_ms,
                    worker_id="main",
                    result=(event.result if event.success else event.error) or "",
                )
            case _ if isinstance(event, _PASSED):
                yield event

    def _said(self, piece: ToolCallDelta) -> str:
        """What the first decision of a completion adds to the answer, if it is one."""
        if self._index is None:
            self._index = piece.index
            if piece.tool_name != RESPOND:
                self._index = -1
        return self._answer.feed(piece.arguments) if piece.index == self._index else ""


def _file(
    question: Question, said: list[Message], decision: Decision | None, work: Teamwork
) -> None:
    """Keep what was said and decided, if anything is kept."""
    record = work.shelf.record
    if record is None:
        return
    exchange = {
        "iteration": question.iteration,
        "decision": decision,
        "messages": [_plain(message) for message in said],
    }
    data = msgspec.json.format(msgspec.json.encode(exchange))
    record.keep(question.file, data)


def _plain(message: Message) -> dict[str, object]:
    match message:
        case User():
            return {"role": "user", "content": message.text}
        case Assistant():
            calls = [
                {"tool": each.tool_name, "arguments": each.arguments} for each in message.calls
            ]
            return {"role": "assistant", "content": message.text, "calls": calls}
        case ToolReply():
            return {"role": "tool", "tool": message.tool_name, "content": message.text}
