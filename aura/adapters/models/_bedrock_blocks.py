"""The blocks of an answer while they grow, and the events of one read. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from aura.adapters.models._bedrock_messages import PROVIDER
from aura.adapters.models._bedrock_wire import ReasoningPiece
from aura.events import AnyEvent, ReasoningDelta, TextDelta, Thought, ToolCallDelta, ToolCalled


class Call:
    """A call that is being written; `index` counts the calls of the answer. `theirs` are of tools
    that AWS runs."""

    def __init__(self, index: int, tool_id: str, name: str, *, theirs: bool) -> None:
        self.index = index
        self.name = name
        self.theirs = theirs
        self.arguments: list[str] = []
        self._id = tool_id

    def called(self, agent_id: str, ids: Callable[[str], str]) -> ToolCalled:
        """The call, which is whole."""
        return ToolCalled(
            agent_id=agent_id,
            tool_id=self._id or ids("call_"),
            tool_name=self.name,
            arguments="".join(self.arguments) or "{}",
        )


class Reasoning:
    """A block of reasoning that is being written."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._signatures: list[str] = []
        self._redacted: list[bytes] = []

    def add(self, piece: ReasoningPiece) -> None:
        """Take a piece in."""
        self._texts.append(piece.text or "")
        self._signatures.append(piece.signature or "")
        self._redacted.append(piece.redacted_content or b"")

    def thought(self, agent_id: str) -> Thought | None:
        """The block as it must be put back; one that nobody signed is not wanted back."""
        signature, redacted = "".join(self._signatures), b"".join(self._redacted)
        if redacted:
            content: object = {"redactedContent": base64.b64encode(redacted).decode()}
        elif signature:
            text = {"text": "".join(self._texts), "signature": signature}
            content = {"reasoningText": text}
        else:
            return None
        block = msgspec.json.encode({"reasoningContent": content}).decode()
        return Thought(agent_id=agent_id, provider=PROVIDER, block=block)


class Heard:
    """The events of one read; neighbouring pieces of a kind become one. Of the calls only those
    of `live` tools are heard in pieces."""

    def __init__(self, agent_id: str, live: Collection[str]) -> None:
        self._agent_id = agent_id
        self._live = live
        self._events: list[AnyEvent] = []
        self._kind: Literal["text", "reasoning"] | Call = "text"
        self._pieces: list[str] = []

    def say(self, kind: Literal["text", "reasoning"] | Call, piece: str) -> None:
        """A piece of text, of reasoning or of the arguments of a call."""
        if kind is not self._kind:
            if isinstance(kind, Call) and (kind.theirs or kind.name not in self._live):
                return
            self._join()
            self._kind = kind
        self._pieces.append(piece)

    def add(self, event: AnyEvent | None) -> None:
        """Something whole, if it is anything."""
        if event is not None:
            self._join()
            self._events.append(event)

    def events(self) -> list[AnyEvent]:
        """What was heard."""
        self._join()
        return self._events

    def _join(self) -> None:
        if self._pieces:
            self._events.append(self._joined("".join(self._pieces)))
            self._pieces.clear()

    def _joined(self, text: str) -> AnyEvent:
        match self._kind:
            case "text":
                return TextDelta(agent_id=self._agent_id, text=text)
            case "reasoning":
                return ReasoningDelta(agent_id=self._agent_id, content=text)
            case call:
                return ToolCallDelta(
                    agent_id=self._agent_id,
                    tool_name=call.name,
                    index=call.index,
                    arguments=text,
                )
