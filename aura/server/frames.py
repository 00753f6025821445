"""Events into server-sent events: an event and a mode in, bytes out. Pure but for its counters.

The frames are described in `aura/events/README.md`.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    Event,
    McpStatus,
    ReasoningDelta,
    RunCompleted,
    RunFailed,
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
    """The frames of one run, in one mode.

    `seq` numbers every frame that the run could send in any mode, so a frame has the same number
    whatever a client asked to see; gaps are frames that this mode leaves out.
    """

    def __init__(
        self,
        *,
        run_id: str,
        completion_id: str,
        created: int,
        model: str,
        session_id: str,
        mode: Mode,
    ) -> None:
        self._id = b"id: " + run_id.encode() + b":"
        head = _encode(
            {
                "id": completion_id,
                "object": "chat.completion.chunk",
                "created": created,
                "model": model,
            }
        )
        self._head = head[:-1] + b',"choices":'
        self._session = b'"session_id":' + _encode(session_id) + b"}\n\n"
        self._mode = mode
        self._seq = 0
        self._indices: dict[str, int] = {}
        self._role_due = True
        self._spoken = False
        self._usage: Usage | None = None
        self._failed: RunFailed | None = None

    def render(self, event: AnyEvent) -> bytes:  # noqa: C901 - one arm for each event
        """The frames of one event; empty when the mode leaves it out."""
        match event:
            case TextDelta():
                self._spoken = True
                return self._delta(b'"content":' + _encode(event.text))
            case ReasoningDelta():
                return self._event(event, event, shown=self._mode.reasoning)
            case ToolCalled():
                return self._call(event)
            case ToolRequested():
                return self._event(event, _requested(event))
            case ToolCompleted():
                return self._result(event) + self._event(event, self._completed(event))
            case Usage():
                self._usage = event
                return self._event(event, event)
            case RunFailed():
                self._failed = event
                return self._event(event, event)
            case RunCompleted():
                return self._end(event)
            case SessionInfo():
                return self._event(event, self._session_info(event))
            case McpStatus() | ToolStarted() | ToolProgressed() | ToolUsage():
                return self._event(event, event)
            case (
                CompletionStarted() | CompletionEnded() | TurnUsage() | Stopped() | ToolDelegated()
            ):
                return b""
            case _:
                assert_never(event)

    def _take_id(self) -> bytes:
        seq = self._seq
        self._seq += 1
        return self._id + b"%d\n" % seq

    def _delta(self, fields: bytes, finish: bytes = b"null", tail: bytes = b"") -> bytes:
        """A completion chunk; the first one of a run carries the role."""
        role = b""
        if self._role_due:
            self._role_due = False
            role = b'"role":"assistant",' if fields else b'"role":"assistant"'
        return b'%bdata: %b[{"index":0,"delta":{%b%b},"finish_reason":%b}]%b}\n\n' % (
            self._take_id(),
            self._head,
            role,
            fields,
            finish,
            tail,
        )

    def _event(self, event: Event, payload: object, *, shown: bool | None = None) -> bytes:
        """An `aura.*` frame: the payload merged into an empty chunk, or bare."""
        frame_id = self._take_id()
        if event.wire is None or not (self._mode.events if shown is None else shown):
            return b""
        name = event.wire.encode()
        fields = _encode(payload)[1:-1]
        if fields:
            fields += b","
        if self._mode.bare:
            return b"%bevent: %b\ndata: {%b%b" % (frame_id, name, fields, self._session)
        return b'%bevent: %b\ndata: %b[],"type":"%b","seq":%d,%b%b' % (
            frame_id,
            name,
            self._head,
            name,
            self._seq - 1,
            fields,
            self._session,
        )

    def _session_info(self, event: SessionInfo) -> dict[str, object]:
        """The session; merged into a chunk it shares the chunk's `model`."""
        limit = event.model_context_limit
        shown: dict[str, object] = {} if limit is None else {"model_context_limit": limit}
        return {"model": event.model, **shown} if self._mode.bare else shown

    def _call(self, call: ToolCalled) -> bytes:
        if call.delegated:
            return self._delegated(call)
        if not self._mode.tool_calls:
            self._seq += 1
            return b""
        index = self._indices[call.tool_id] = len(self._indices)
        shown = "" if self._mode.tool_results == "open-web-ui" else call.arguments
        return self._tool_delta(index, call.tool_id, call.tool_name, shown)

    def _delegated(self, call: ToolCalled) -> bytes:
        """A call for the client, in two deltas as OpenAI sends it: some clients add the arguments
        of the first one to themselves."""
        index = self._indices[call.tool_id] = len(self._indices)
        begun = self._tool_delta(index, call.tool_id, call.tool_name, "")
        rest = {"index": index, "function": {"arguments": call.arguments}}
        return begun + self._delta(b'"tool_calls":' + _encode([rest]))

    def _tool_delta(self, index: int, tool_id: str, name: str, arguments: str) -> bytes:
        function = {"name": name, "arguments": arguments}
        call = {"index": index, "id": tool_id, "type": "function", "function": function}
        return self._delta(b'"tool_calls":' + _encode([call]))

    def _result(self, event: ToolCompleted) -> bytes:
        """The result as a second delta of the call, for clients that show what accumulates."""
        index = self._indices.get(event.tool_id)
        if self._mode.tool_results != "open-web-ui" or index is None:
            self._seq += 1
            return b""
        text = self._cut(event.result if event.success else event.error) or ""
        return self._tool_delta(index, event.tool_id, "", text)

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

    def _end(self, event: RunCompleted) -> bytes:
        if self._failed is not None and not self._mode.error_text:
            self._seq += 2
            error = b"%bdata: %b\n\n" % (self._take_id(), _encode(failed_answer(self._failed)))
            return error + self._done()
        text = b""
        if self._failed is not None:
            blank = "\n\n" if self._spoken else ""
            text = self._delta(b'"content":' + _encode(blank + self._failed.message))
        else:
            self._seq += 1
        usage = _usage(self._usage)
        tail = b""
        if usage is not None and not self._mode.usage_chunk:  # some clients add up both
            tail = b',"usage":' + usage
        finish = _encode(event.reason or "stop")
        chunk = self._delta(b"", finish, tail)
        return text + chunk + self._usage_chunk(usage) + self._done()

    def _usage_chunk(self, usage: bytes | None) -> bytes:
        """The extra last chunk of `stream_options.include_usage`."""
        frame_id = self._take_id()
        if not self._mode.usage_chunk or usage is None:
            return b""
        return b'%bdata: %b[],"usage":%b}\n\n' % (frame_id, self._head, usage)

    def _done(self) -> bytes:
        return self._take_id() + b"data: [DONE]\n\n"


def _requested(event: ToolRequested) -> _Requested:
    return _Requested(
        tool_id=event.tool_id,
        tool_name=event.tool_name,
        arguments=msgspec.Raw(event.arguments.encode()),
        agent_id=event.agent_id,
    )


def _usage(usage: Usage | None) -> bytes | None:
    return None if usage is None else _encode(usage_body(usage))
