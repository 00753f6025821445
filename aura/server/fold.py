"""The events of a run, folded into one JSON answer."""

from __future__ import annotations

import msgspec

from aura.events import AnyEvent, RunCompleted, RunFailed, TextDelta, ToolCalled, Usage
from aura.runs.log import Head
from aura.server.completion import (
    AssistantMessage,
    CalledFunction,
    ChatCompletion,
    Choice,
    ToolCall,
    usage_body,
)
from aura.server.errors import failed_answer

_encode = msgspec.json.Encoder().encode


class Fold:
    """What a JSON client gets to see of a run: all of its text in one piece, and the calls that
    are the client's to make."""

    def __init__(self, head: Head, *, error_text: bool) -> None:
        self._head = head
        self._error_text = error_text
        self._text: list[str] = []
        self._calls: list[ToolCall] = []
        self._usage: Usage | None = None
        self._reason = "stop"
        self.failure: RunFailed | None = None

    def add(self, event: AnyEvent) -> None:
        """Count one event."""
        match event:
            case TextDelta():
                self._text.append(event.text)
            case ToolCalled(delegated=True):
                function = CalledFunction(event.tool_name, event.arguments)
                self._calls.append(ToolCall(event.tool_id, "function", function))
            case Usage():
                self._usage = event
            case RunFailed():
                self.failure = event
            case RunCompleted(reason=str(reason)):
                self._reason = reason
            case _:
                pass

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return 200 if self.failure is None or self._error_text else self.failure.status

    def body(self) -> bytes:
        """The answer, or the error when the run failed."""
        if self.failure is not None:
            if not self._error_text:
                return _encode(failed_answer(self.failure))
            self._text += ["\n\n"] * bool(self._text) + [self.failure.message]
        return _encode(
            ChatCompletion(
                id=self._head.completion_id,
                object="chat.completion",
                created=self._head.created,
                model=self._head.model,
                choices=(
                    Choice(
                        index=0,
                        message=self._message(),
                        finish_reason=self._reason,
                    ),
                ),
                usage=usage_body(self._usage),
                metadata={"chat_session_id": self._head.session_id},
            )
        )

    def _message(self) -> AssistantMessage:
        text = "".join(self._text)
        return AssistantMessage(
            role="assistant",
            content=text or (None if self._calls else ""),
            tool_calls=tuple(self._calls) or msgspec.UNSET,
        )
