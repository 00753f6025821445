"""The byte stream of Gemini's streamGenerateContent as events. Pure and incremental."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from aura.adapters.models._gemini_messages import PROVIDER
from aura.adapters.models._gemini_wire import (
    Candidate,
    Chunk,
    FunctionCall,
    Part,
    Usage,
    decode_chunk,
    decode_chunks,
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
    TurnUsage,
)
from aura.masking import NOTHING_SECRET, Mask

BLOCKED = "BLOCKED"
"""The reason that we give an answer whose prompt was refused."""

_REASONS: dict[str, FinishReason] = {
    "MAX_TOKENS": "length",
    BLOCKED: "content_filter",
    "OTHER": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}

_MALFORMED = {
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
}
"""Reasons that say that the answer is of no use."""

_encode = msgspec.json.Encoder().encode


class ChunkParser:
    """Reads one answer: `feed` until `ended` or there is no more, then `finish` once.

    Nothing that was read before a failure is lost: `feed` gives it, and `finish` raises. `model`
    names the model in errors, `mask` keeps secrets out of them, `ids` makes the id of a call that
    came without. `live` are the tools of which the pieces of a call are wanted: there is one.
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
        self._splitter = Splitter()
        self._halves = Halves()
        self._calls = 0
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._failure: ProviderError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing that follows matters, because the answer failed. Its end is that of the
        stream: some models give a reason for it with every chunk."""
        return self._failure is not None

    @property
    def complete(self) -> bool:
        """Whether the provider has said that the answer is over; more may still follow."""
        return self._failure is None and self._reason is not None

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
        """The events in an answer that was not streamed: a chunk, or a list of them."""
        try:
            chunks = decode_chunks(body) if body.lstrip()[:1] == b"[" else [decode_chunk(body)]
            events: list[AnyEvent] = []
            for chunk in chunks:
                self._hear(chunk, events)
            return joined(events)
        except UNREADABLE:
            self._failure = self._unreadable(body.decode(errors="replace"))
            return []

    def finish(self) -> list[AnyEvent]:
        """The last events, `Stopped` at the end; raises `ProviderError` when there is no end."""
        events = [] if self.ended else self._read(self._splitter.flush(), last=True)
        if self._failure is not None:
            raise self._failure
        if not self.complete:
            raise CutOff(f"The answer of {self._model} broke off before its end. Try again.")
        if self._usage is not None:
            events.append(self._billed(self._usage))
        events.append(Stopped(agent_id=self._agent_id, reason=self._why()))
        return events

    def _read(self, payloads: Iterable[bytes], *, last: bool = False) -> list[AnyEvent]:
        """The events of these chunks; the last may be a part of one, of which the rest is lost."""
        events: list[AnyEvent] = []
        for payload in payloads:
            if self.ended:
                break
            try:
                self._hear(self._halves.read(decode_chunk, payload), events)
            except UNREADABLE:
                if payload.strip() and not last:
                    self._failure = self._unreadable(payload.decode(errors="replace"))
        return joined(events)

    def _hear(self, chunk: Chunk, events: list[AnyEvent]) -> None:
        if chunk.error is not None:
            said = complaint({"error": chunk.error})
            self._failure = from_stream(self._model, said, mask=self._mask)
            return
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._reason = BLOCKED
        for candidate in chunk.candidates or ():
            if not candidate.index:
                self._candidate(candidate, events)

    def _candidate(self, candidate: Candidate, events: list[AnyEvent]) -> None:
        content = candidate.content
        if content is not None and content.parts:
            for part in content.parts:
                self._part(part, events)
        if candidate.finish_reason:
            self._reason = candidate.finish_reason
        if self._reason in _MALFORMED:
            detail = ": ".join(filter(None, (self._reason, candidate.finish_message)))
            self._failure = Unavailable(
                f"{self._model} wrote an answer that its provider could not read. Try again.",
                detail=bounded(detail, self._mask),
            )

    def _part(self, part: Part, events: list[AnyEvent]) -> None:
        if part.text:
            if part.thought:
                events.append(ReasoningDelta(agent_id=self._agent_id, content=part.text))
            else:
                events.append(TextDelta(agent_id=self._agent_id, text=part.text))
        if part.function_call is not None:
            events += self._call(part.function_call, part.thought_signature or "")
        elif part.thought_signature:
            events.append(self._thought(part, part.thought_signature))

    def _call(self, call: FunctionCall, signature: str) -> Iterator[AnyEvent]:
        name, arguments = call.name or "", bytes(call.args).decode()
        arguments = "{}" if arguments in {"", "null"} else arguments
        if name in self._live:
            yield ToolCallDelta(
                agent_id=self._agent_id, tool_name=name, index=self._calls, arguments=arguments
            )
        self._calls += 1
        yield ToolCalled(
            agent_id=self._agent_id,
            tool_id=call.id or self._ids("call_"),
            tool_name=name,
            arguments=arguments,
            signature=signature,
        )

    def _thought(self, part: Part, signature: str) -> Thought:
        """What has to be put back: a thought with its text, or what signs a text that was said."""
        block: dict[str, object] = {"text": part.text or "", "thought": True}
        if not part.thought:
            block = {"text": ""}
        block["thoughtSignature"] = signature
        return Thought(agent_id=self._agent_id, provider=PROVIDER, block=_encode(block).decode())

    def _why(self) -> FinishReason:
        """Why the answer ended; `tool_calls` exactly when there are calls to run."""
        return _REASONS.get(self._reason or "", "tool_calls" if self._calls else "stop")

    def _billed(self, usage: Usage) -> TurnUsage:
        """The usage as an event. Thoughts are billed like what is said; a count below zero is
        nonsense and counts nothing."""
        prompt = _count(usage.prompt_token_count) + _count(usage.tool_use_prompt_token_count)
        thoughts = _count(usage.thoughts_token_count)
        completion = _count(usage.candidates_token_count) + thoughts
        return TurnUsage(
            agent_id=self._agent_id,
            prompt_tokens=prompt,
            completion_tokens=max(completion, _count(usage.total_token_count) - prompt),
            cached_tokens=_count(usage.cached_content_token_count),
            reasoning_tokens=thoughts,
        )

    def _unreadable(self, words: str) -> Unavailable:
        return Unavailable(
            f"The provider of {self._model} sent something that is no answer of Gemini. Check that"
            " `base_url` names a server that speaks its API.",
            detail=bounded(words, self._mask),
        )


def _count(tokens: int | None) -> int:
    return max(0, tokens or 0)
