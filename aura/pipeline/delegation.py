"""Tools that run on the client: what a request brings, and what its follow-up needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from aura.pipeline.ports import Assistant, Message, ToolReply, ToolSpec


class Handover(msgspec.Struct, frozen=True):
    """A turn that stopped because the client has to run tools.

    `before` is what the turn had added to the conversation when the model asked for them, `asked`
    what it said then, and `replies` are the results of those calls that were not the client's.
    """

    before: tuple[Message, ...]
    asked: Assistant
    replies: tuple[ToolReply, ...]

    @property
    def tool_ids(self) -> tuple[str, ...]:
        """The calls that the client has to make."""
        return tuple(call.tool_id for call in self.asked.calls if call.delegated)


@dataclass(frozen=True, slots=True)
class ClientTools:
    """What the client can run, and who is told when it has to: the client sees only its own
    calls, so `hand_over` must keep the rest for `resumed`."""

    specs: tuple[ToolSpec, ...] = ()
    hand_over: Callable[[Handover], None] = lambda _: None

    def runs(self, name: str) -> bool:
        """Whether the client runs the tool of that name."""
        return any(spec.name == name for spec in self.specs)


NO_CLIENT_TOOLS = ClientTools()

Find: TypeAlias = Callable[[str], Handover | None]


def resumed(messages: Sequence[Message], find: Find) -> tuple[Message, ...]:
    """The conversation with every turn that was handed over in full again.

    `find` gives what was kept under the id of a call. Results are in the order of the calls; of
    what the client says about calls that were not its own, nothing counts. Where nothing was kept,
    what the client sent has to do.
    """
    return tuple(_resumed(messages, find))


def _resumed(messages: Sequence[Message], find: Find) -> Iterator[Message]:
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        if not isinstance(message, Assistant) or not message.calls:
            yield message
            continue
        replies: dict[str, ToolReply] = {}
        while position < len(messages) and isinstance(reply := messages[position], ToolReply):
            replies[reply.tool_id] = reply
            position += 1
        kept = _kept(message, find)
        if kept is None:
            yield message
            yield from replies.values()
        else:
            yield from _completed(kept, replies)


def _kept(message: Assistant, find: Find) -> Handover | None:
    """What was handed over with the calls of a message, if they are still known."""
    for call in message.calls:
        found = find(call.tool_id)
        if found is not None:
            return found
    return None


def _completed(kept: Handover, replies: dict[str, ToolReply]) -> Iterator[Message]:
    """The turn that was handed over, with the results of the client in their places."""
    yield from kept.before
    yield kept.asked
    results = {**replies, **{reply.tool_id: reply for reply in kept.replies}}
    yield from (results[call.tool_id] for call in kept.asked.calls if call.tool_id in results)
