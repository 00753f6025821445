"""The event stream that answers ConverseStream, as our events. Pure and incremental."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection

import msgspec

from aura.adapters.models._bedrock_blocks import Call, Heard, Reasoning
from aura.adapters.models._bedrock_frames import Frame, Frames
from aura.adapters.models._bedrock_wire import (
    Block,
    Piece,
    Usage,
    block_of,
    complaint_of,
    stop_reason_of,
    usage_of,
)
from aura.adapters.models.complaints import UNREADABLE, bounded, complaint, from_stream
from aura.adapters.models.halves import Halves
from aura.errors import CutOff, ProviderError, Unavailable
from aura.events import AnyEvent, FinishReason, Stopped, TurnUsage
from aura.masking import NOTHING_SECRET, Mask

_REASONS: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}

_MALFORMED = {"malformed_model_output", "malformed_tool_use"}
"""Reasons that say that the answer is of no use."""

_UNREADABLE = (struct.error, LookupError, *UNREADABLE)
"""What reading a message raises that is none."""


class EventParser:
    """Reads one answer: `feed` until `ended` or there is no more, then `finish` once.

    Nothing that was read before a failure is lost: `feed` gives it, and `finish` raises. `model`
    names the model in errors, `mask` keeps secrets out of them, `ids` makes the id of a call that
    came without. `live` are the tools of which the pieces of a call are wanted.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        model: str,
        ids: Callable[[str], str],
        mask: Mask = NOTHING_SECRET,
        live: Collection[str] = (),
    ) -> None:
        self._agent_id = agent_id
        self._model = model
        self._ids = ids
        self._mask = mask
        self._live = live
        self._frames = Frames()
        self._halves = Halves()
        self._open: dict[int, Call | Reasoning] = {}
        self._calls = 0
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._failure: ProviderError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing that follows matters: everything was said, or the answer failed."""
        return self._failure is not None or (self.complete and self._usage is not None)

    @property
    def complete(self) -> bool:
        """Whether the provider has said that the answer is over; its usage may still follow."""
        return self._failure is None and self._reason is not None

    def feed(self, data: bytes) -> list[AnyEvent]:
        """The events in what one network read gave."""
        heard = Heard(self._agent_id, self._live)
        if not self.ended:
            try:
                for message in self._frames.read(data):
                    self._hear(message, heard)
                    if self.ended:
                        break
            except _UNREADABLE as error:
                self._failure = self._unreadable(str(error))
        return heard.events()

    def whole(self, body: bytes) -> list[AnyEvent]:
        """Nothing: Bedrock always streams, so an answer that is whole is a failure of its own."""
        try:
            said = complaint(msgspec.json.decode(body))
        except UNREADABLE:
            said = complaint(None)
        if said.message:
            self._failure = from_stream(self._model, said, mask=self._mask)
        else:
            self._failure = self._unreadable(body.decode(errors="replace"))
        return []

    def finish(self) -> list[AnyEvent]:
        """The last events, `Stopped` at the end; raises `ProviderError` when there is no end."""
        if self._failure is not None:
            raise self._failure
        if not self.complete:
            raise CutOff(f"The answer of {self._model} broke off before its end. Try again.")
        events: list[AnyEvent] = []
        if self._usage is not None:
            events.append(self._billed(self._usage))
        events.append(Stopped(agent_id=self._agent_id, reason=self._why()))
        return events

    def _hear(self, message: Frame, heard: Heard) -> None:
        kind = message.headers.get(":message-type")
        if kind in {"exception", "error"}:
            said = complaint_of(message.headers, message.payload)
            self._failure = from_stream(self._model, said, mask=self._mask)
            return
        match message.headers.get(":event-type"):
            case "contentBlockDelta":
                self._go_on(self._halves.read(block_of, message.payload), heard)
            case "contentBlockStart":
                self._begin(block_of(message.payload))
            case "contentBlockStop":
                self._close(block_of(message.payload).content_block_index, heard)
            case "messageStop":
                for index in sorted(self._open):
                    self._close(index, heard)
                self._stop(stop_reason_of(message.payload))
            case "metadata":
                self._usage = usage_of(message.payload)

    def _begin(self, block: Block) -> None:
        """Only calls say at their beginning what they are."""
        use = block.start.tool_use if block.start else None
        if use is not None:
            theirs = use.type == "server_tool_use"
            call = Call(self._calls, use.tool_use_id or "", use.name or "", theirs=theirs)
            self._open[block.content_block_index] = call
            self._calls += not theirs

    def _go_on(self, block: Block, heard: Heard) -> None:
        piece = block.delta or Piece()
        if piece.text:
            heard.say("text", piece.text)
        if piece.reasoning_content is None and piece.tool_use is None:
            return
        if piece.reasoning_content is not None:
            reasoning = self._open.setdefault(block.content_block_index, Reasoning())
            if isinstance(reasoning, Reasoning):
                reasoning.add(piece.reasoning_content)
            if piece.reasoning_content.text:
                heard.say("reasoning", piece.reasoning_content.text)
        call = self._open.get(block.content_block_index)
        if piece.tool_use is not None and piece.tool_use.input and isinstance(call, Call):
            call.arguments.append(piece.tool_use.input)
            heard.say(call, piece.tool_use.input)

    def _close(self, index: int, heard: Heard) -> None:
        block = self._open.pop(index, None)
        if isinstance(block, Reasoning):
            heard.add(block.thought(self._agent_id))
        elif block is not None and not block.theirs:
            heard.add(block.called(self._agent_id, self._ids))

    def _stop(self, reason: str) -> None:
        self._reason = reason
        if reason in _MALFORMED:
            self._failure = Unavailable(
                f"{self._model} wrote an answer that its provider could not read. Try again.",
                detail=bounded(reason, self._mask),
            )

    def _why(self) -> FinishReason:
        """Why the answer ended; `tool_calls` exactly when there are calls to run."""
        return _REASONS.get(self._reason or "", "tool_calls" if self._calls else "stop")

    def _billed(self, usage: Usage) -> TurnUsage:
        """The usage as an event. What was read from the cache or written to it comes on top of
        the tokens of the prompt; a count below zero is nonsense and counts nothing."""
        cached = _count(usage.cache_read_input_tokens)
        written = _count(usage.cache_write_input_tokens)
        return TurnUsage(
            agent_id=self._agent_id,
            prompt_tokens=_count(usage.input_tokens) + cached + written,
            completion_tokens=_count(usage.output_tokens),
            cached_tokens=cached,
        )

    def _unreadable(self, words: str) -> Unavailable:
        return Unavailable(
            f"The provider of {self._model} sent something that is no event stream of Bedrock."
            " Check `base_url`.",
            detail=bounded(words, self._mask),
        )


def _count(tokens: int | None) -> int:
    return max(0, tokens or 0)
