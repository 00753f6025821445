"""The lines of JSON that answer Ollama's chat API as events. Pure and incremental."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import msgspec

from aura.adapters.models.complaints import UNREADABLE, bounded, complaint, from_stream
from aura.adapters.models.halves import Halves
from aura.adapters.models.joined import joined
from aura.errors import CutOff, ProviderError, Unavailable
from aura.events import (
    AnyEvent,
    FinishReason,
    ReasoningDelta,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCalled,
    TurnUsage,
)
from aura.masking import NOTHING_SECRET, Mask

MAX_LINE = 64 * 1024 * 1024
"""Bytes that one line may take."""


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _Call(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct, gc=False):
    """What we use of a line; `error` is a failure."""

    message: _Message | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: object = None


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_text = msgspec.json.Decoder(str).decode


class LineParser:
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
        self._rest: list[bytes] = []
        self._held = 0
        self._halves = Halves()
        self._calls = 0
        self._end: _Line | None = None
        self._failure: ProviderError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing that follows matters: the end was marked, or the answer failed."""
        return self._failure is not None or self._end is not None

    @property
    def complete(self) -> bool:
        """Whether the provider has said that the answer is over."""
        return self._failure is None and self._end is not None

    def feed(self, data: bytes) -> list[AnyEvent]:
        """The events in what one network read gave."""
        if self.ended:
            return []
        *lines, rest = data.split(b"\n")
        if lines and self._rest:
            lines[0] = b"".join((*self._rest, lines[0]))
            self._rest.clear()
            self._held = 0
        if rest:
            self._rest.append(rest)
            self._held += len(rest)
        events = self._read(lines)
        if self._held > MAX_LINE and not self.ended:
            self._failure = self._unreadable(f"a line is longer than {MAX_LINE} bytes")
        return events

    def whole(self, body: bytes) -> list[AnyEvent]:
        """The events in an answer that was not streamed."""
        return self._read(body.split(b"\n"))

    def finish(self) -> list[AnyEvent]:
        """The last events, `Stopped` at the end; raises `ProviderError` when there is no end."""
        events = [] if self.ended else self._read([b"".join(self._rest)], last=True)
        if self._failure is not None:
            raise self._failure
        if self._end is None:
            raise CutOff(f"The answer of {self._model} broke off before its end. Try again.")
        reason: FinishReason = "tool_calls" if self._calls else "stop"
        if self._end.done_reason == "length":
            reason = "length"
        return [
            *events,
            TurnUsage(
                agent_id=self._agent_id,
                prompt_tokens=_count(self._end.prompt_eval_count),
                completion_tokens=_count(self._end.eval_count),
            ),
            Stopped(agent_id=self._agent_id, reason=reason),
        ]

    def _read(self, lines: list[bytes], *, last: bool = False) -> list[AnyEvent]:
        """The events of these lines; the last may be a part of one, of which the rest is lost."""
        events: list[AnyEvent] = []
        for line in lines:
            if self.ended:
                break
            if not line or line.isspace():
                continue
            try:
                events += self._hear(self._halves.read(_decode_line, line))
            except UNREADABLE:
                if not last:
                    self._failure = self._unreadable(line.decode(errors="replace"))
        return joined(events) if len(events) > 1 else events

    def _hear(self, line: _Line) -> Iterator[AnyEvent]:
        if line.error is not None:
            said = complaint({"error": line.error})
            self._failure = from_stream(self._model, said, mask=self._mask)
            return
        if (message := line.message) is not None:
            if message.thinking:
                yield ReasoningDelta(agent_id=self._agent_id, content=message.thinking)
            if message.content:
                yield TextDelta(agent_id=self._agent_id, text=message.content)
            for call in message.tool_calls or ():
                yield from self._called(call)
        if line.done:
            self._end = line

    def _called(self, call: _Call) -> Iterator[AnyEvent]:
        function = call.function or _Function()
        name, arguments = function.name or "", _arguments(function.arguments)
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
        )

    def _unreadable(self, words: str) -> Unavailable:
        return Unavailable(
            f"The provider of {self._model} sent something that is no answer of Ollama. Check that"
            " `base_url` names an Ollama server; its OpenAI-compatible API is for provider"
            " 'openai'.",
            detail=bounded(words, self._mask),
        )


def _arguments(raw: msgspec.Raw) -> str:
    """The arguments as text; some servers that stand in for Ollama send them as one."""
    text = bytes(raw).decode()
    if text.startswith('"'):
        text = _decode_text(text)
    return "{}" if text in {"", "null"} else text


def _count(tokens: int | None) -> int:
    return max(0, tokens or 0)
