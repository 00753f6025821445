"""Entries of a run into server-sent events: an entry and a mode in, bytes out. Pure.

The frames are described in `aura/events/README.md`.
"""

from __future__ import annotations

from typing import assert_never

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
    ToolCalled,
    ToolCompleted,
    ToolDelegated,
    ToolProgressed,
    ToolRequested,
    ToolStarted,
    ToolUsage,
    TurnUsage,
    Usage,
)
from aura.runs.entry import Ended, Entry
from aura.runs.log import Head
from aura.server.completion import usage_body
from aura.server.errors import failed_answer
from aura.server.modes import Mode

KEEPALIVE = b": keepalive\n\n"

_encode = msgspec.json.Encoder().encode


class _Requested(msgspec.Struct, frozen=True):
    tool_id: str
    tool_name: str
    arguments: msgspec.Raw
    agent_id: str


class Frames:
    """The frames of one run, in one mode; each entry of the run has its own, whatever came before.

    An entry's `seq` and those after it number every frame that it could have in any mode; gaps are
    frames that this mode leaves out.
    """

    def __init__(self, head: Head, mode: Mode) -> None:
        self._id = b"id: " + head.run_id.encode() + b":"
        chunk = _encode(
            {
                "id": head.completion_id,
                "object": "chat.completion.chunk",
                "created": head.created,
                "model": head.model,
            }
        )
        self._head = chunk[:-1] + b',"choices":'
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
                return (self._event(seq, event, _requested(event)),)
            case ToolCompleted():
                shown = self._event(seq + 1, event, self._completed(event))
                return self._result(event, entry), shown
            case RunCompleted():
                return self._end(event, entry)
            case SessionInfo():
                return (self._event(seq, event, self._session_info(event)),)
            case (
                CompletionDelayed()
                | McpStatus()
                | RunFailed()
                | ScratchpadStored()
                | ScratchpadUsage()
                | ToolProgressed()
                | ToolStarted()
                | ToolUsage()
                | Usage()
            ):
                return (self._event(seq, event, event),)
            case (
                CompletionStarted() | CompletionEnded() | TurnUsage() | Stopped() | ToolDelegated()
            ):
                return ()
            case _:
                assert_never(event)

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
        self, seq: int, event: Event, payload: object, *, shown: bool | None = None
    ) -> bytes:
        """An `aura.*` frame: the payload merged into an empty chunk, or bare."""
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
            self._head,
            name,
            seq,
            fields,
            self._session,
        )

    def _session_info(self, event: SessionInfo) -> dict[str, object]:
        """The session; merged into a chunk it shares the chunk's `model`."""
        limit = event.model_context_limit
        shown: dict[str, object] = {} if limit is None else {"model_context_limit": limit}
        return {"model": event.model, **shown} if self._mode.bare else shown

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

    def _completed(self, event: ToolCompleted) -> dict[str, object]:
        shown: dict[str, object] = {
            "tool_id": event.tool_id,
            "tool_name": event.tool_name,
            "duration_ms": event.duration_ms,
            "success": event.success,
        }
        if event.success:
            shown["result"] = self._cut(event.result)
        else:
            shown["error" if self._mode.bare else "error_message"] = event.error
        return {**shown, "agent_id": event.agent_id}

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


def _requested(event: ToolRequested) -> _Requested:
    return _Requested(
        tool_id=event.tool_id,
        tool_name=event.tool_name,
        arguments=msgspec.Raw(event.arguments.encode()),
        agent_id=event.agent_id,
    )
