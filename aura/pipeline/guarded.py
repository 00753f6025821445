"""Workers that call the same tool with the same outcome again and again are told, then stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final

import msgspec

from aura.events import ToolCalled, ToolProgressed, ToolStarted
from aura.pipeline.compose import opened
from aura.pipeline.ports import Outcome, Tool
from aura.pipeline.team import Guarding

REASONING: Final = "_aura_reasoning"
"""An argument of every tool of a worker that no tool gets: why the worker calls it."""

SCHEMA_ERRORS: Final = ("-32602", "-32600", "-32700")
"""What JSON-RPC answers to calls that cannot work (the specification of version 2.0, 5.1)."""

NUDGED: Final = (
    "[DUPLICATE_CALL_GUIDANCE] {tool} has now given the same result {count} times for the same"
    " arguments. You have turns left; this is only advice: use the result, try another tool or"
    " other arguments, or take smaller steps."
)
BLOCKED: Final = (
    "[DUPLICATE_CALL_ABORT] {tool} has given the same result {count} times for the same arguments,"
    " so it is not called with them again. Say in `submit_result` what you tried and what you"
    " learned, and call it now."
)

_encode = msgspec.json.Encoder(order="deterministic").encode


class Guard:
    """What one worker has called, with what outcome, and how often in a row.

    Other calls in between change nothing. Failures that may pass are not counted, and begin no new
    row either.
    """

    def __init__(self, guarding: Guarding) -> None:
        self._guarding = guarding
        self._seen: dict[bytes, tuple[str, int]] = {}
        self._notes: dict[str, str] = {}
        self.blocked = False

    def refusal(self, call: ToolCalled, arguments: Mapping[str, object]) -> Outcome | None:
        """What to answer instead of calling the tool, if it has been called too often."""
        _, count = self._seen.get(_key(call.tool_name, arguments), ("", 0))
        if not self._guarding.block or count < self._guarding.block:
            return None
        text = BLOCKED.format(tool=call.tool_name, count=count)
        return Outcome(f"ToolCallError: {text}", failure="arguments")

    def count(self, call: ToolCalled, arguments: Mapping[str, object], outcome: Outcome) -> None:
        """Take note of an outcome."""
        if not _counts(outcome):
            return
        key = _key(call.tool_name, arguments)
        last, count = self._seen.get(key, ("", 0))
        count = count + 1 if count and last == outcome.text else 1
        self._seen[key] = outcome.text, count
        if self._guarding.block and count >= self._guarding.block:
            self.blocked = True
            self._notes[call.tool_id] = BLOCKED.format(tool=call.tool_name, count=count)
        elif self._guarding.nudge and count >= self._guarding.nudge:
            self._notes[call.tool_id] = NUDGED.format(tool=call.tool_name, count=count)

    def note(self, tool_id: str) -> str | None:
        """What to tell the model beside the result of this call."""
        return self._notes.pop(tool_id, None)


def _counts(outcome: Outcome) -> bool:
    return outcome.failure is None or any(code in outcome.text for code in SCHEMA_ERRORS)


def _key(name: str, arguments: Mapping[str, object]) -> bytes:
    return name.encode() + b"\0" + _encode(arguments)


class Watched:
    """A tool of a worker under guard; `tell` gets the whole outcome of every call."""

    def __init__(
        self,
        tool: Tool,
        guard: Guard,
        tell: Callable[[ToolCalled, Outcome], None],
    ) -> None:
        self.spec = tool.spec
        self._tool = tool
        self._guard = guard
        self._tell = tell

    async def call(
        self, call: ToolCalled, arguments: dict[str, object]
    ) -> AsyncIterator[ToolStarted | ToolProgressed | Outcome]:
        """Run the tool, unless that was done too often."""
        refusal = self._guard.refusal(call, arguments)
        if refusal is not None:
            yield refusal
            return
        async with opened(self._tool.call(call, arguments)) as items:
            async for item in items:
                if isinstance(item, Outcome):
                    self._guard.count(call, arguments, item)
                    self._tell(call, item)
                yield item


def watched(
    tools: tuple[Tool, ...], guard: Guard, tell: Callable[[ToolCalled, Outcome], None]
) -> Iterator[Tool]:
    """The same tools, under guard."""
    return (Watched(tool, guard, tell) for tool in tools)


def explained(call: ToolCalled) -> tuple[ToolCalled, str]:
    """The call without the worker's reason for it, and the reason."""
    if REASONING not in call.arguments:
        return call, ""
    try:
        arguments = msgspec.json.decode(call.arguments, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return call, ""
    reason = arguments.pop(REASONING, "")
    text = msgspec.json.encode(arguments).decode()
    return msgspec.structs.replace(call, arguments=text), reason if isinstance(reason, str) else ""
