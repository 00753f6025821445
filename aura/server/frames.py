"""Entries of a run into server-sent events: an entry and a mode in, bytes out. Pure.

The frames are described in `aura/events/README.md`.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from aura.events import (
    CompletionDelayed,
    CompletionEnded,
    CompletionStarted,
    Event,
    McpStatus,
    ReasoningDelta,
    RunCompleted,
    RunFailed,
    ScratchpadStored,
    ScratchpadUsage,
    SessionInfo,
    Stopped,
    TextDelta,
    Thought,
    ToolCallDelta,
    ToolCalled,
    ToolCompleted,
    ToolDelegated,
    ToolProgressed,
    ToolRequested,
    ToolStarted,
    ToolUsage,
    TurnUsage,
    Usage,
    WorkerPhase,
    WorkerReasoning,
)
from aura.runs.entry import Ended, Entry
from aura.runs.log import Head
from aura.server.completion import usage_body
from aura.server.errors import failed_answer
from aura.server.modes import Mode
from aura.server.payloads import Team, completed, payload, requested

Plain: TypeAlias = (
    CompletionDelayed
    | McpStatus
    | RunFailed
    | ScratchpadStored
    | ScratchpadUsage
    | ToolProgressed
    | ToolStarted
    | ToolUsage
    | Usage
    | WorkerPhase
)
"""Events that are shown as they are."""

Unseen: TypeAlias = (
    CompletionStarted
    | CompletionEnded
    | Stopped
    | Thought
    | ToolCallDelta
    | ToolDelegated
    | TurnUsage
)
"""Events that no client is told of."""

KEEPALIVE = b": keepalive\n\n"

_encode = msgspec.json.Encoder().encode


class Frames:
    """The frames of one run, in one mode; each entry of the run has its own, whatever came before.

    An entry's `seq` and those after it number every frame that it could have in any mode; gaps are
    frames that this mode leaves out.
    """

    def __init__(self, head: Head, mode: Mode) -> None:
        self._id = b"id: " + head.run_id.encode() + b":"
        self._chunk = {
            "id": head.completion_id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
        }
        self._head = self._beginning(head.model)
        self._session = b'"session_id":' + _encode(head.session_id) + b"}\n\n"
        self._mode = mode

    def render(self, entry: Entry, after: int = -1) -> bytes:
        """The frames of one entry, but for those numbered up to `after`; empty when the mode
        leaves it out."""
        if isinstance(entry.event, TextDelta) and entry.seq > after:  # the short way
            return self._delta(entry.seq, _text(entry.event.text), first=entry.first)
        if not entry.frames:
            return b""
        return b"".join(
            frame for seq, frame in enumerate(self._frames(entry), entry.seq) if seq > after
        )

    def _frames(self, entry: Entry) -> tuple[bytes, ...]:
        """What each number of the entry stands for."""
        event, seq = entry.event, entry.seq
        match event:
            case TextDelta():
                return (self._delta(seq, _text(event.text), first=entry.first),)
            case ReasoningDelta():
                return (self._event(seq, event, event, shown=self._mode.reasoning),)
            case ToolCalled():
                return self._call(event, entry)
            case ToolRequested():
                return (self._event(seq, event, requested(event)),)
            case ToolCompleted():
                shown = self._event(
                    seq + 1, event, completed(event, self._cut, bare=self._mode.bare)
                )
                return self._result(event, entry), shown
            case RunCompleted():
                return self._end(event, entry)
            case _:
                return self._named(seq, event)

    def _named(self, seq: int, event: SessionInfo | Team | Plain | Unseen) -> tuple[bytes, ...]:
        """The frame of an event that has no other, if it has one."""
        match event:
            case SessionInfo():
                return (self._event(seq, event, *self._session_info(event)),)
            case WorkerReasoning():
                both = self._mode.events and self._mode.reasoning
                return (self._event(seq, event, payload(event, self._cut), shown=both),)
            case _ if isinstance(event, Unseen):
                return ()
            case _ if isinstance(event, Plain):
                return (self._event(seq, event, event),)
            case _:
                return (self._event(seq, event, payload(event, self._cut)),)

    def _delta(
        self,
        seq: int,
        fields: bytes,
        *,
        first: bool = False,
        finish: bytes = b"null",
        tail: bytes = b"",
    ) -> bytes:
        """A completion chunk; the first one of a run carries the role."""
        role = b""
        if first:
            role = b'"role":"assistant",' if fields else b'"role":"assistant"'
        return b'%b%d\ndata: %b[{"index":0,"delta":{%b%b},"finish_reason":%b}]%b}\n\n' % (
            self._id,
            seq,
            self._head,
            role,
            fields,
            finish,
            tail,
        )

    def _event(
        self,
        seq: int,
        event: Event,
        payload: object,
        head: bytes | None = None,
        *,
        shown: bool | None = None,
    ) -> bytes:
        """An `aura.*` frame: the payload merged into an empty chunk, or bare. `head` begins a chunk
        of another model."""
        if event.wire is None or not (self._mode.events if shown is None else shown):
            return b""
        name = event.wire.encode()
        fields = _encode(payload)[1:-1]
        if fields:
            fields += b","
        if self._mode.bare:
            return b"%b%d\nevent: %b\ndata: {%b%b" % (self._id, seq, name, fields, self._session)
        return b'%b%d\nevent: %b\ndata: %b[],"type":"%b","seq":%d,%b%b' % (
            self._id,
            seq,
            name,
            head or self._head,
            name,
            seq,
            fields,
            self._session,
        )

    def _session_info(self, event: SessionInfo) -> tuple[dict[str, object], bytes | None]:
        """The session, or a worker in it; merged into a chunk it shares the chunk's `model`."""
        shown: dict[str, object] = msgspec.to_builtins(event)
        if self._mode.bare:
            return shown, None
        model = shown.pop("model")
        return shown, None if model == self._chunk["model"] else self._beginning(event.model)

    def _beginning(self, model: str) -> bytes:
        """A chunk of this model, up to its choices."""
        return _encode({**self._chunk, "model": model})[:-1] + b',"choices":'

    def _call(self, call: ToolCalled, entry: Entry) -> tuple[bytes, ...]:
        if call.delegated:
            return self._delegated(call, entry)
        if not self._mode.tool_calls:
            return (b"",)
        shown = "" if self._mode.tool_results == "open-web-ui" else call.arguments
        return (self._tool_delta(entry.seq, entry, call.tool_id, call.tool_name, shown),)

    def _delegated(self, call: ToolCalled, entry: Entry) -> tuple[bytes, bytes]:
        """A call for the client, in two deltas as OpenAI sends it: some clients add the arguments
        of the first one to themselves."""
        begun = self._tool_delta(entry.seq, entry, call.tool_id, call.tool_name, "")
        rest = {"index": entry.index, "function": {"arguments": call.arguments}}
        return begun, self._delta(entry.seq + 1, b'"tool_calls":' + _encode([rest]))

    def _tool_delta(self, seq: int, entry: Entry, tool_id: str, name: str, arguments: str) -> bytes:
        function = {"name": name, "arguments": arguments}
        call = {"index": entry.index, "id": tool_id, "type": "function", "function": function}
        return self._delta(seq, b'"tool_calls":' + _encode([call]), first=entry.first)

    def _result(self, event: ToolCompleted, entry: Entry) -> bytes:
        """The result as a second delta of the call, for clients that show what accumulates."""
        shown = self._mode.tool_calls and self._mode.tool_results == "open-web-ui"
        if not shown or entry.index < 0:
            return b""
        text = self._cut(event.result if event.success else event.error) or ""
        return self._tool_delta(entry.seq, entry, event.tool_id, "", text)

    def _cut(self, text: str | None) -> str | None:
        limit = self._mode.result_limit
        if text is None or not limit or len(text) <= limit:
            return text
        return text[:limit] + "... [truncated]"

    def _end(self, event: RunCompleted, entry: Entry) -> tuple[bytes, ...]:
        """A failure as text, the end of the message, usage or an error, and the end of all."""
        seq, ended = entry.seq, entry.ended or Ended()
        done = b"%b%d\ndata: [DONE]\n\n" % (self._id, seq + 3)
        text, first = b"", entry.first
        if ended.failed is not None:
            if not self._mode.error_text:
                failed = _encode(failed_answer(ended.failed))
                return b"", b"", b"%b%d\ndata: %b\n\n" % (self._id, seq + 2, failed), done
            apology = ("\n\n" if ended.spoken else "") + ended.failed.message
            text, first = self._delta(seq, _text(apology), first=first), False
        usage = None if ended.usage is None else _encode(usage_body(ended.usage))
        tail = b""
        if usage is not None and not self._mode.usage_chunk:  # some clients add up both
            tail = b',"usage":' + usage
        finish = _encode(event.reason or "stop")
        chunk = self._delta(seq + 1, b"", first=first, finish=finish, tail=tail)
        return text, chunk, self._usage_chunk(seq + 2, usage), done

    def _usage_chunk(self, seq: int, usage: bytes | None) -> bytes:
        """The extra last chunk of `stream_options.include_usage`."""
        if not self._mode.usage_chunk or usage is None:
            return b""
        return b'%b%d\ndata: %b[],"usage":%b}\n\n' % (self._id, seq, self._head, usage)


def _text(text: str) -> bytes:
    return b'"content":' + _encode(text)
