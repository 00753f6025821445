"""A tool that calls another one until something is true, so that a model need not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

import anyio
import msgspec

from aura.events import ToolCalled, ToolProgressed, ToolStarted
from aura.pipeline.allowance import Spent, within
from aura.pipeline.compose import opened
from aura.pipeline.native import answer, spec, unfit
from aura.pipeline.ports import Outcome, Tool

WAIT_FOR: Final = "wait_for"
LONGEST: Final = 300
MAX_OBSERVATION: Final = 256 * 1024
"""Bytes of one answer of the probed tool."""

Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
Matches: TypeAlias = Callable[[str], bool]
Compile: TypeAlias = Callable[[str], Matches]
"""A search for a regular expression that takes linear time. Raises `ValueError`."""


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The call to repeat."""

    tool: Annotated[str, msgspec.Meta(min_length=1)]
    args: dict[str, object] = {}


class Until(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to wait for: exactly one of these."""

    matches: str | None = None
    not_matches: str | None = None
    quiet_for_sec: Seconds | None = None


class WaitFor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of `wait_for`."""

    probe: Probe
    until: Until
    poll_sec: Seconds = 2
    max_wait_sec: Seconds = 120


_SECONDS = {"type": "integer", "minimum": 1}
SPEC: Final = spec(
    WAIT_FOR,
    "Call one of your tools again and again until its answer fulfils a condition, and get the last"
    " answer. Use it for something that takes a while, with a tool that only reads.",
    {
        "type": "object",
        "properties": {
            "probe": {
                "type": "object",
                "properties": {"tool": {"type": "string"}, "args": {"type": "object"}},
                "required": ["tool"],
            },
            "until": {
                "type": "object",
                "description": "Exactly one of: `matches` or `not_matches`, a regular expression;"
                " `quiet_for_sec`, seconds for which the answer stays the same.",
                "properties": {
                    "matches": {"type": "string"},
                    "not_matches": {"type": "string"},
                    "quiet_for_sec": _SECONDS,
                },
            },
            "poll_sec": {**_SECONDS, "description": "Seconds between two calls, 2 by default."},
            "max_wait_sec": {**_SECONDS, "description": "120 by default, 300 at most."},
        },
        "required": ["probe", "until"],
    },
)


class _Failed(Exception):
    """The wait cannot go on; says why."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The tool. `tools` are those that it may call, `compiled` makes a search of an expression."""

    tools: Callable[[], Mapping[str, Tool]]
    compiled: Compile
    clock: Callable[[], float]

    spec = SPEC

    async def call(
        self, call: ToolCalled, arguments: dict[str, object]
    ) -> AsyncGenerator[ToolStarted | ToolProgressed | Outcome, None]:
        """Wait, and say after each look how many there were."""
        try:
            given = msgspec.convert(arguments, WaitFor)
            longest, fulfilled = min(given.max_wait_sec, LONGEST), self._condition(given)
        except (msgspec.ValidationError, ValueError) as error:
            yield unfit(WAIT_FOR, str(error))
            return
        tool = self.tools().get(given.probe.tool)
        if tool is None:
            names = ", ".join(sorted(self.tools())) or "none"
            yield unfit(WAIT_FOR, f"you have no tool {given.probe.tool!r}; you have {names}")
            return
        yield ToolStarted(agent_id=call.agent_id, tool_id=call.tool_id, tool_name=WAIT_FOR)
        begun, look = self.clock(), _Look()
        while True:
            left = longest - (self.clock() - begun)
            try:
                text = await self._observed(tool, call, given.probe, max(left, 0.001), look)
            except _Failed as failed:
                yield Outcome(f"ToolCallError: {failed}", failure="tool")
                return
            if text is not None:
                look = look.after(text, self.clock())
            elapsed = self.clock() - begun
            reason = fulfilled(look, self.clock()) if text is not None else "timeout"
            if reason is None and elapsed >= longest:
                reason = "timeout"
            if reason is not None:
                yield _ended(reason, look, elapsed, longest)
                return
            message = f"{given.probe.tool} was called {look.samples} times"
            yield ToolProgressed(
                agent_id=call.agent_id, tool_id=call.tool_id, message=message, phase=WAIT_FOR
            )
            await anyio.sleep(min(given.poll_sec, max(0.0, longest - elapsed)))

    def _condition(self, given: WaitFor) -> Callable[[_Look, float], str | None]:
        """What ends the wait. Raises `ValueError` for what makes no sense."""
        until, longest = given.until, min(given.max_wait_sec, LONGEST)
        wanted = [each for each in (until.matches, until.not_matches, until.quiet_for_sec) if each]
        if len(wanted) != 1:
            message = "`until` needs exactly one of matches, not_matches and quiet_for_sec"
            raise ValueError(message)
        if given.poll_sec >= longest:
            message = f"poll_sec must be less than the wait, which is {longest} seconds at most"
            raise ValueError(message)
        quiet = until.quiet_for_sec
        if quiet is not None:
            if quiet > longest:
                message = f"quiet_for_sec cannot be more than the wait of {longest} seconds"
                raise ValueError(message)
            return lambda look, now: "settled" if now - look.since >= quiet else None
        found = self.compiled(until.matches or until.not_matches or "")
        wants = until.matches is not None
        return lambda look, _: "matched" if found(look.text) is wants else None

    async def _observed(
        self, tool: Tool, call: ToolCalled, probe: Probe, left: float, look: _Look
    ) -> str | None:
        """What the tool says now; nothing when the time ran out. Raises `_Failed`."""
        outcome: Outcome | None = None
        try:
            async with opened(within(tool.call(call, dict(probe.args)), left)) as items:
                async for item in items:
                    if isinstance(item, Outcome):
                        outcome = item
        except Spent:
            if look.samples:
                return None
            raise _Failed(f"{probe.tool} did not answer in time") from None
        number = look.samples + 1
        if outcome is None or outcome.failure is not None:
            why = "" if outcome is None else f": {outcome.text}"
            raise _Failed(f"{probe.tool} failed at call {number}{why}")
        if len(outcome.text.encode("utf-8", "replace")) > MAX_OBSERVATION:
            raise _Failed(f"the answer of {probe.tool} is longer than {MAX_OBSERVATION} bytes")
        return outcome.text


class _Look(msgspec.Struct, frozen=True):
    """What was seen last, since when, and how often was looked."""

    text: str = ""
    since: float = 0.0
    samples: int = 0

    def after(self, text: str, now: float) -> _Look:
        same = self.samples and text == self.text
        return _Look(text, self.since if same else now, self.samples + 1)


def _ended(reason: str, look: _Look, elapsed: float, longest: int) -> Outcome:
    return answer(
        {
            "reason": reason,
            "last_observation": look.text,
            "elapsed_sec": int(elapsed),
            "samples": look.samples,
            "effective_max_wait_sec": longest,
        }
    )
