"""The byte stream of a message as events. Pure and incremental."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from aura.adapters.models._anthropic_blocks import Block
from aura.adapters.models._anthropic_messages import Said
from aura.adapters.models._anthropic_turns import PROVIDER, Place, kept
from aura.adapters.models._anthropic_usage import billed
from aura.adapters.models._anthropic_wire import (
    Container,
    Delta,
    Frame,
    Message,
    Usage,
    decode_frame,
    decode_message,
)
from aura.adapters.models.complaints import UNREADABLE, bounded, complaint, from_stream
from aura.adapters.models.halves import Halves
from aura.adapters.models.joined import joined
from aura.adapters.models.sse import EventTooLarge, Splitter
from aura.errors import CutOff, ProviderError, Unavailable
from aura.events import (
    AnyEvent,
    FinishReason,
    ReasoningDelta,
    Stopped,
    TextDelta,
    Thought,
    ToolCallDelta,
    ToolCalled,
)
from aura.masking import NOTHING_SECRET, Mask

PAUSE = "pause_turn"

MOST_PAUSES = 8
"""Pauses after which an answer is taken as it is; each is a request of its own."""

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    PAUSE: "length",
}


class MessageParser:
    """Reads one answer: `feed` until `ended` or there is no more, then `finish` once.

    Nothing that was read before a failure is lost: `feed` gives it, and `finish` raises. `model`
    names the model in errors, `mask` keeps secrets out of them, `ids` makes the id of a call for
    servers that do not. `live` are the tools of which the pieces of a call are wanted.

    An answer can be `paused` at its end: after `resume` the rest of it, for which the provider has
    to be asked with what was `said`, is read the same way.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        model: str,
        ids: Callable[[str], str],
        mask: Mask = NOTHING_SECRET,
        live: Collection[str] = (),
        pauses: int = MOST_PAUSES,
    ) -> None:
        self._agent_id = agent_id
        self._model = model
        self._ids = ids
        self._mask = mask
        self._live = live
        self._pauses = pauses
        self._splitter = Splitter()
        self._halves = Halves()
        self._open: dict[int, Block] = {}
        self._closed: list[Block] = []
        self._container = ""
        self._spoken = 0
        self._calls = 0
        self._usages: list[list[Usage]] = [[]]
        self._reason: str | None = None
        self._done = False
        self._failure: ProviderError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing that follows matters: the end was marked, or the answer failed."""
        return self._done or self._failure is not None

    @property
    def complete(self) -> bool:
        """Whether the provider has said that the answer is over; its end mark may still follow."""
        return self._failure is None and (self._done or self._reason is not None)

    @property
    def paused(self) -> bool:
        """Whether the provider wants to be asked for the rest."""
        return self._reason == PAUSE and self._pauses > 0 and not self._calls

    @property
    def said(self) -> Said:
        """What has been said before the last pause, or up to now."""
        blocks = [raw for raw in (block.whole() for block in self._closed) if raw]
        return Said(blocks, self._container)

    def resume(self) -> None:
        """Get ready for the rest of a paused answer."""
        self._pauses -= 1
        self._splitter = Splitter()
        self._usages.append([])
        self._reason = None
        self._done = False

    def feed(self, data: bytes) -> list[AnyEvent]:
        """The events in what one network read gave."""
        if self.ended:
            return []
        try:
            payloads = self._splitter.feed(data)
        except EventTooLarge as error:
            self._failure = self._unreadable(str(error))
            return []
        return self._read(payloads)

    def whole(self, body: bytes) -> list[AnyEvent]:
        """The events in an answer that was not streamed."""
        events: list[AnyEvent] = []
        try:
            message = decode_message(body)
            if message.error is not None:
                self._fail(message.error)
            else:
                events += self._message(message)
        except UNREADABLE:
            self._failure = self._unreadable(body.decode(errors="replace"))
        return joined(events)

    def finish(self) -> list[AnyEvent]:
        """The last events, `Stopped` at the end unless the answer is paused; raises
        `ProviderError` when there is no end."""
        events = [] if self.ended else self._read(self._splitter.flush(), last=True)
        if self._failure is not None:
            raise self._failure
        if not self.complete:
            raise CutOff(
                f"The answer of {self._model} broke off before its end. Try again.",
            )
        if self.paused:
            return events
        if any(self._usages):
            events.append(billed(self._agent_id, self._usages))
        events.append(Stopped(agent_id=self._agent_id, reason=self._why()))
        return events

    def _read(self, payloads: Iterable[bytes], *, last: bool = False) -> list[AnyEvent]:
        """The events of these frames; the last may be a part of one, of which the rest is lost."""
        events: list[AnyEvent] = []
        for payload in payloads:
            if self.ended:
                break
            try:
                events += self._hear(self._halves.read(decode_frame, payload))
            except UNREADABLE:
                if payload.strip() and not last:
                    self._failure = self._unreadable(payload.decode(errors="replace"))
        return joined(events)

    def _hear(self, frame: Frame) -> Iterable[AnyEvent]:
        if frame.error is not None or frame.type == "error":
            self._fail(frame.error)
            return ()
        match frame.type:
            case "content_block_delta" if frame.delta is not None:
                return self._grow(frame.index, frame.delta)
            case "content_block_start" if frame.content_block:
                return self._begin(frame.index, frame.content_block)
            case "content_block_stop":
                return self._close(frame.index)
            case "message_start" if frame.message is not None:
                self._note(frame.message.usage, frame.message.container)
            case "message_delta":
                return self._end(frame)
            case "message_stop":
                self._done = True
                return self._close(*self._open)
        return ()

    def _begin(self, index: int, raw: msgspec.Raw) -> list[AnyEvent]:
        """A block begins; servers that do not end blocks, or number all alike, end one so."""
        block = Block(raw, Place(self._spoken, self._calls))
        events = self._close(index)
        self._open[index] = block
        self._calls += bool(block.tool)
        return [*events, *self._given(block, block.opening)]

    def _grow(self, index: int, delta: Delta) -> Iterable[AnyEvent]:
        block = self._open.get(index)
        if block is not None:
            block.add(delta)
        return self._given(block, delta)

    def _given(self, block: Block | None, delta: Delta) -> tuple[AnyEvent, ...]:
        """The event that a piece is; each is of one kind."""
        if delta.text:
            self._spoken += len(delta.text)
            return (TextDelta(agent_id=self._agent_id, text=delta.text),)
        if delta.thinking:
            return (ReasoningDelta(agent_id=self._agent_id, content=delta.thinking),)
        if delta.partial_json and block is not None and block.tool in self._live:
            piece = ToolCallDelta(
                agent_id=self._agent_id,
                tool_name=block.tool,
                index=block.place.calls,
                arguments=delta.partial_json,
            )
            return (piece,)
        return ()

    def _close(self, *indexes: int) -> list[AnyEvent]:
        """The blocks with these indexes are whole, those that are open."""
        blocks = [self._open.pop(index) for index in indexes if index in self._open]
        self._closed += blocks
        events: list[AnyEvent] = []
        for block in blocks:
            if block.is_signed():
                thought = kept(block.whole(), block.place)
                events.append(Thought(agent_id=self._agent_id, provider=PROVIDER, block=thought))
            elif block.tool:
                events.append(
                    ToolCalled(
                        agent_id=self._agent_id,
                        tool_id=block.tool_id or self._ids("call_"),
                        tool_name=block.tool,
                        arguments=block.arguments(),
                    )
                )
        return events

    def _end(self, frame: Frame) -> list[AnyEvent]:
        delta = frame.delta or Delta()
        self._note(frame.usage, delta.container)
        if not delta.stop_reason:
            return []
        self._reason = delta.stop_reason
        return self._close(*self._open)

    def _message(self, message: Message) -> Iterable[AnyEvent]:
        if message.content is None:
            raise ValueError("no message")
        for index, raw in enumerate(message.content):
            yield from self._begin(index, raw)
            yield from self._close(index)
        self._note(message.usage, message.container)
        self._reason = message.stop_reason
        self._done = True

    def _note(self, usage: Usage | None, container: Container | None) -> None:
        if usage is not None:
            self._usages[-1].append(usage)
        if container is not None and container.id:
            self._container = container.id

    def _why(self) -> FinishReason:
        """Why the answer ended; `tool_calls` exactly when there are calls to run."""
        reason = _REASONS.get(self._reason or "", "stop")
        if reason in {"stop", "tool_calls"} or (self._reason == PAUSE and self._calls):
            return "tool_calls" if self._calls else "stop"
        return reason

    def _fail(self, error: object) -> None:
        self._failure = from_stream(self._model, complaint({"error": error}), mask=self._mask)

    def _unreadable(self, words: str) -> Unavailable:
        return Unavailable(
            f"The provider of {self._model} sent something that is no message. Check that"
            " `base_url` names a server that speaks Anthropic's API.",
            detail=bounded(words, self._mask),
        )
