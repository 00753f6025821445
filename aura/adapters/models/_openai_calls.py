"""Tool calls put together from the fragments that a chat completion streams. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from aura.adapters.models.complaints import UNREADABLE
from aura.events import ToolCallDelta, ToolCalled


class FunctionFragment(msgspec.Struct, gc=False):
    """A piece of the name and arguments; some servers send the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


class CallFragment(msgspec.Struct, gc=False):
    """A piece of one call; only OpenAI itself is sure to number and name it."""

    index: int | None = None
    id: str | None = None
    function: FunctionFragment | None = None


class _Call:
    """A call that may still grow."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.shown = 0

    def unseen(self) -> str:
        """What was added to the arguments since this was asked last."""
        pieces, self.shown = self.arguments[self.shown :], len(self.arguments)
        return "".join(pieces)

    def add(self, fragment: CallFragment) -> None:
        self.id = self.id or fragment.id or ""
        if (function := fragment.function) is None:
            return
        self.name = self.name or function.name or ""
        if isinstance(function.arguments, str):
            self.arguments.append(function.arguments)
        elif function.arguments is not None:
            self.arguments.append(msgspec.json.encode(function.arguments).decode())

    def is_whole(self) -> bool:
        """Whether the arguments are a JSON value, so that nothing can follow."""
        try:
            msgspec.json.decode("".join(self.arguments), type=msgspec.Raw)
        except UNREADABLE:
            return False
        return True

    def is_left_by(self, fragment: CallFragment) -> bool:
        """Whether a fragment with the same index begins another call.

        Some servers number every call 0, some repeat id and name in each fragment and some invent
        a new id for each: a new call has a name and differs in something else.
        """
        name = fragment.function and fragment.function.name
        if not name:
            return False
        if fragment.id and self.id:
            return fragment.id != self.id
        return name != self.name or self.is_whole()


class Calls:
    """The calls of one completion, given out whole and in the order of their index, those of
    `live` tools in pieces before."""

    def __init__(
        self, agent_id: str, ids: Callable[[str], str], live: Collection[str] = ()
    ) -> None:
        self._agent_id = agent_id
        self._ids = ids
        self._live = live
        self._open: list[_Call] = []
        self._latest: dict[int, _Call] = {}

    def add(self, fragments: list[CallFragment]) -> list[ToolCallDelta | ToolCalled]:
        """Take fragments in; gives the calls that another one has followed.

        A call whose arguments are not whole yet is kept, for servers that send the fragments of
        several calls by turns.
        """
        done: list[ToolCallDelta | ToolCalled] = []
        for position, fragment in enumerate(fragments):
            index = position if fragment.index is None else fragment.index
            call = self._latest.get(index)
            if call is None or call.is_left_by(fragment):
                call = self._latest[index] = _Call(index)
                self._open.append(call)
                self._open.sort(key=lambda each: each.index)
            call.add(fragment)
            if call.name in self._live and (piece := call.unseen()):
                done.append(self._piece(call, piece))
            while len(self._open) > 1 and self._open[0].is_whole():
                done.append(self._event(self._open.pop(0)))
        return done

    def rest(self) -> list[ToolCalled]:
        """The calls that have not been given out."""
        done = [self._event(call) for call in self._open]
        self._open.clear()
        return done

    def _piece(self, call: _Call, arguments: str) -> ToolCallDelta:
        return ToolCallDelta(
            agent_id=self._agent_id, tool_name=call.name, index=call.index, arguments=arguments
        )

    def _event(self, call: _Call) -> ToolCalled:
        return ToolCalled(
            agent_id=self._agent_id,
            tool_id=call.id or self._ids("call_"),
            tool_name=call.name,
            arguments="".join(call.arguments) or "{}",
        )
