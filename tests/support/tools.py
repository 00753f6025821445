"""Tools that do what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import anyio
import msgspec

from aura.events import ServerStatus, ToolCalled, ToolProgressed, ToolStarted
from aura.pipeline.ports import Offer, Outcome, Tool, ToolSpec

Item = ToolStarted | ToolProgressed | Outcome


@dataclass(frozen=True, slots=True)
class ScriptedTool:
    """A tool that reports `steps` of progress and ends with what `result` says.

    `gate`, if given, is waited for before the result; `abandoned` collects the ids of calls that
    were closed early.
    """

    name: str
    result: Callable[[dict[str, object]], Outcome]
    steps: int = 0
    gate: anyio.Event | None = None
    abandoned: list[str] = field(default_factory=list)

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, f"The tool {self.name}.", msgspec.Raw(b'{"type":"object"}'))

    async def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Item]:
        names = {"agent_id": call.agent_id, "tool_id": call.tool_id}
        done = False
        try:
            yield ToolStarted(**names, tool_name=self.name, progress_token=1)
            for step in range(1, self.steps + 1):
                percent = 100 * step // self.steps
                message = f"{step} of {self.steps}"
                yield ToolProgressed(
                    **names,
                    message=message,
                    phase="mcp_progress",
                    percent=percent,
                    progress_token=1,
                )
            if self.gate is not None:
                await self.gate.wait()
            done = True
            yield self.result(arguments)
        finally:
            if not done:
                self.abandoned.append(call.tool_id)


@dataclass(frozen=True, slots=True)
class ScriptedToolbox:
    """A fixed set of tools, and of servers they claim to come from."""

    scripted: tuple[Tool, ...] = ()
    servers: tuple[ServerStatus, ...] = ()
    offered: tuple[Offer, ...] = ()
    large: Mapping[str, int] = field(default_factory=dict)

    def open(self, headers: Mapping[str, str]) -> AbstractContextManager[ScriptedToolbox]:
        del headers
        return nullcontext(self)

    async def ready(self) -> None:
        await anyio.lowlevel.checkpoint()

    def tools(self) -> tuple[Tool, ...]:
        return self.scripted

    def limits(self) -> Mapping[str, int]:
        return self.large

    def offers(self) -> tuple[Offer, ...]:
        return self.offered

    def statuses(self) -> tuple[ServerStatus, ...]:
        return self.servers


def gives(name: str, text: str, **options: object) -> ScriptedTool:
    """A tool that succeeds with `text`."""
    return ScriptedTool(name, lambda _: Outcome(text), **options)  # type: ignore[arg-type]


def fails(name: str, text: str) -> ScriptedTool:
    """A tool that reports the error `text`."""
    outcome = Outcome(f"Tool returned an error: {text}", failure="tool")
    return ScriptedTool(name, lambda _: outcome)
