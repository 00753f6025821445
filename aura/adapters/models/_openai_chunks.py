"""The byte stream of a chat completion as events. Pure and incremental."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import cast

import msgspec

from aura.adapters.models._openai_calls import CallFragment, Calls
from aura.adapters.models._openai_reasoning import Keeps, Reasoning
from aura.adapters.models._openai_runs import Runs
from aura.adapters.models._openai_usage import billed, newer
from aura.adapters.models._openai_wire import (
    Choice,
    Chunk,
    Delta,
    Usage,
    alone,
    decoded,
    plain,
)
from aura.adapters.models.complaints import bounded, complaint, from_stream
from aura.adapters.models.halves import Halves
from aura.adapters.models.sse import EventTooLarge, Splitter
from aura.errors import CutOff, ProviderError, Unavailable
from aura.events import (
    AnyEvent,
    FinishReason,
    ReasoningDelta,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCalled,
)
from aura.masking import NOTHING_SECRET, Mask

_DONE = b"[DONE]"

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}

_FAILURES = {"error", "abort", "network_error", "insufficient_system_resource"}
"""Reasons of servers that gave up within an answer."""


class _Speech:
    """Events of one read; neighbouring deltas of a kind become one."""

    def __init__(self, agent_id: str) -> None:
        self._agent_id = agent_id
        self._events: list[AnyEvent] = []
        self._pieces: list[str] = []
        self._thought = False

    def say(self, piece: str, *, thought: bool) -> None:
        if thought is not self._thought:
            self._join()
            self._thought = thought
        self._pieces.append(piece)

    def add(self, events: Sequence[ToolCallDelta | ToolCalled]) -> None:
        for call in events:
            self._join()
            last = self._events[-1] if self._events else None
            if (
                isinstance(call, ToolCallDelta)
                and isinstance(last, ToolCallDelta)
                and call.index == last.index
            ):
                arguments = last.arguments + call.arguments
                self._events[-1] = msgspec.structs.replace(last, arguments=arguments)
            else:
                self._events.append(call)

    def events(self) -> list[AnyEvent]:
        self._join()
        return self._events

    def _join(self) -> None:
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        self._events.append(
            ReasoningDelta(agent_id=self._agent_id, content=text)
            if self._thought
            else TextDelta(agent_id=self._agent_id, text=text)
        )


class ChunkParser:
    """Reads one answer: `feed` until `ended` or there is no more, then `finish` once.

    Nothing that was read before a failure is lost: `feed` gives it, and `finish` raises. `model`
    names the model in errors, `mask` keeps secrets out of them, `ids` makes the id of a call for
    servers that do not. `live` are the tools of which the pieces of a call are wanted. `keeps` is
    what the provider wants back of what the model thought.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        model: str,
        ids: Callable[[str], str],
        mask: Mask = NOTHING_SECRET,
        live: Collection[str] = (),
        keeps: Keeps = "nothing",
    ) -> None:
        self._agent_id = agent_id
        self._model = model
        self._mask = mask
        self._splitter = Splitter()
        self._runs = Runs()
        self._halves = Halves()
        self._calls = Calls(agent_id, ids, live)
        self._called = False
        self._reasoning = Reasoning(agent_id, keeps)
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._done = False
        self._failure: ProviderError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing that follows matters: the end was marked, or the answer failed."""
        return self._done or self._failure is not None

    @property
    def complete(self) -> bool:
        """Whether the provider has said that the answer is over; its usage may still follow."""
        return self._failure is None and (self._done or self._reason is not None)

    def feed(self, data: bytes) -> list[AnyEvent]:
        """The events in what one network read gave."""
        if self.ended:
            return []
        try:
            payloads = self._splitter.feed(data)
        except EventTooLarge as error:
            self._failure = self._unreadable(str(error))
            return []
        return self._read(payloads) if payloads else []

    def whole(self, body: bytes) -> list[AnyEvent]:
        """The events in an answer that was not streamed."""
        return self._read([body])

    def finish(self) -> list[AnyEvent]:
        """The last events, `Stopped` at the end; raises `ProviderError` when there is no end."""
        events: list[AnyEvent] = []
        if not self.ended:
            speech = _Speech(self._agent_id)
            rest = self._until_done(self._splitter.flush())
            chunks, _ = decoded(rest, self._halves)
            self._hear(chunks, speech)
            events = self._noted(speech.events())
        if self._failure is not None:
            raise self._failure
        if not self.complete:
            raise CutOff(
                f"The answer of {self._model} broke off before its end. Try again.",
            )
        events += self._given(self._calls.rest())
        events += self._reasoning.thoughts(called=self._called)
        if self._usage is not None:
            events.append(billed(self._agent_id, self._usage))
        events.append(Stopped(agent_id=self._agent_id, reason=self._why()))
        return events

    def _read(self, payloads: list[bytes]) -> list[AnyEvent]:
        chunk = alone(payloads)
        if chunk is not None and (delta := plain(chunk)) is not None:
            return self._heard(delta)
        speech = _Speech(self._agent_id)
        if chunk is not None:
            self._hear((chunk,), speech)
            return self._noted(speech.events())
        payloads = self._until_done(payloads)
        run = self._runs.found(payloads)
        if run is None:
            self._take(payloads, speech)
        else:
            self._take(payloads[: run.start], speech)
            if self._failure is None:
                speech.say(run.text, thought=run.thought)
            self._take(payloads[run.end :], speech)
        return self._noted(speech.events())

    def _heard(self, delta: Delta) -> list[AnyEvent]:
        """The events of a piece of text or of reasoning."""
        events: list[AnyEvent] = []
        if thought := delta.reasoning_content or delta.reasoning:
            events.append(ReasoningDelta(agent_id=self._agent_id, content=thought))
            self._reasoning.heard(events)
        if delta.reasoning_details:
            self._reasoning.add(delta.reasoning_details)
        if delta.content:
            events.append(TextDelta(agent_id=self._agent_id, text=cast("str", delta.content)))
        return events

    def _noted(self, events: list[AnyEvent]) -> list[AnyEvent]:
        """The same events, of which what was thought may be wanted back."""
        self._reasoning.heard(events)
        return events

    def _take(self, payloads: list[bytes], speech: _Speech) -> None:
        if not payloads or self._failure is not None:
            return
        chunks, unreadable = decoded(payloads, self._halves)
        self._hear(chunks, speech)
        if unreadable is not None and self._failure is None:
            self._failure = self._unreadable(unreadable.decode(errors="replace"))

    def _until_done(self, payloads: list[bytes]) -> list[bytes]:
        if _DONE not in payloads:
            return payloads
        self._done = True
        return payloads[: payloads.index(_DONE)]

    def _hear(self, chunks: Iterable[Chunk], speech: _Speech) -> None:
        for chunk in chunks:
            self._usage = newer(self._usage, chunk.usage)
            if chunk.error or (chunk.message is not None and not chunk.choices):
                self._fail(msgspec.structs.asdict(chunk))
            for choice in chunk.choices or ():
                if not choice.index and self._failure is None:
                    self._hear_choice(choice, speech)
            if self._failure is not None:
                return

    def _hear_choice(self, choice: Choice, speech: _Speech) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            _say(delta, speech)
            if delta.reasoning_details:
                self._reasoning.add(delta.reasoning_details)
            fragments = delta.tool_calls or []
            if delta.function_call is not None:
                fragments = [*fragments, CallFragment(index=0, function=delta.function_call)]
            if fragments:
                speech.add(self._given(self._calls.add(fragments)))
        self._usage = newer(self._usage, choice.usage)
        if choice.error or choice.finish_reason in _FAILURES:
            self._fail({"error": choice.error or f"finish_reason {choice.finish_reason!r}"})
        elif choice.finish_reason:
            self._reason = choice.finish_reason
            speech.add(self._given(self._calls.rest()))

    def _given(
        self, calls: Sequence[ToolCallDelta | ToolCalled]
    ) -> Sequence[ToolCallDelta | ToolCalled]:
        self._called = self._called or bool(calls)
        return calls

    def _why(self) -> FinishReason:
        """Why the answer ended; `tool_calls` exactly when there are calls to run.

        Some servers say `stop` after calls, or nothing, or a word of their own.
        """
        reason = _REASONS.get(self._reason or "", "stop")
        if reason in {"stop", "tool_calls"}:
            return "tool_calls" if self._called else "stop"
        return reason

    def _fail(self, value: object) -> None:
        self._failure = from_stream(self._model, complaint(value), mask=self._mask)

    def _unreadable(self, words: str) -> Unavailable:
        return Unavailable(
            f"The provider of {self._model} sent something that is no chat completion. Check that"
            " `base_url` names an OpenAI-compatible server.",
            detail=bounded(words, self._mask),
        )


def _say(delta: Delta, speech: _Speech) -> None:
    """All that is said and thought; a server uses one of the names for each."""
    if thought := delta.reasoning_content or delta.reasoning:
        speech.say(thought, thought=True)
    if isinstance(delta.content, list):
        for part in delta.content:
            if thought := part.thought:
                speech.say(thought, thought=True)
            if part.text:
                speech.say(part.text, thought=False)
    elif delta.content:
        speech.say(delta.content, thought=False)
    if delta.refusal:
        speech.say(delta.refusal, thought=False)
