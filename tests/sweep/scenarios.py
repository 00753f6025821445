"""The golden scenarios: what happens in a run that nothing disturbs, and where it can be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import msgspec

from aura.adapters.models.scripted import Call, Reply
from aura.errors import CutOff, Unavailable
from aura.events import AnyEvent, ToolCalled, ToolStarted
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Events, opened
from aura.pipeline.delegation import ClientTools
from aura.pipeline.ports import Model, Outcome, Prompt, Tool, ToolSpec, User
from aura.pipeline.run import Run
from tests.support.agents import COST, agent, asks, breaks, says
from tests.support.scratchpads import scratchpads
from tests.support.tools import Item, ScriptedToolbox, fails, gives

SHELL = ToolSpec("shell", "Run a command.", msgspec.Raw(b'{"type":"object"}'))


class Switch:
    """What is broken from now on: nothing, the provider (`cut`, `error`, `stall`) or the server of
    the tools (`lost`)."""

    def __init__(self) -> None:
        self.broken = ""


@dataclass(frozen=True, slots=True)
class BreakableModel:
    """A model whose provider can break between any two events."""

    model: Model
    switch: Switch
    most_tools: int | None = None

    @property
    def name(self) -> str:
        return self.model.name

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        async with opened(self.model.stream(prompt)) as events:
            while True:
                await self._break()
                try:
                    event = await anext(events)
                except StopAsyncIteration:
                    return
                yield event

    async def _break(self) -> None:
        match self.switch.broken:
            case "cut":
                message = "The stream of the model broke off."
                raise CutOff(message)
            case "error":
                message = "The provider failed."
                raise Unavailable(message)
            case "stall":
                await anyio.sleep_forever()


@dataclass(frozen=True, slots=True)
class BreakableTool:
    """A tool whose server can be lost. Counts its calls and those that were ended early."""

    tool: Tool
    switch: Switch
    begun: list[str]
    left: list[str]

    @property
    def spec(self) -> ToolSpec:
        return self.tool.spec

    async def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Item]:
        self.begun.append(call.tool_id)
        try:
            async with opened(self.tool.call(call, arguments)) as items:
                async for item in items:
                    await anyio.lowlevel.checkpoint()
                    if self.switch.broken == "lost" and not isinstance(item, ToolStarted):
                        yield Outcome("The server was lost.", failure="transport")
                        return
                    yield item
        finally:
            self.left.append(call.tool_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """An agent, and the tools that its client brings."""

    replies: tuple[Reply, ...]
    tools: tuple[Tool, ...] = ()
    client: tuple[ToolSpec, ...] = ()
    large: Mapping[str, int] = field(default_factory=dict)

    def stage(self) -> Staged:
        """The scenario, ready to be played once."""
        switch, begun, left = Switch(), [], []
        tools = tuple(BreakableTool(tool, switch, begun, left) for tool in self.tools)
        plain = agent(*self.replies, toolset=ScriptedToolbox(tools, large=self.large))
        pads = scratchpads(Path(KEPT.name)) if self.large else None
        asked = replace(plain, model=BreakableModel(plain.model, switch), scratchpads=pads)
        return Staged(asked, self.client, switch, begun, left)


@dataclass(frozen=True, slots=True)
class Staged:
    """One performance of a scenario."""

    agent: Agent
    client: tuple[ToolSpec, ...]
    switch: Switch
    begun: list[str]
    left: list[str]

    @property
    def events(self) -> Callable[[Run], Events]:
        given = ClientTools(self.client)
        return partial(answer, self.agent, (User("Hello?"),), client=given)


KEPT = TemporaryDirectory()
LISTING = "\n".join(f"pod-{number} is up" for number in range(100))

SCENARIOS = {
    "plain": Scenario(replies=(says("Good evening to all.", reasoning="A greeting.", delay=0.01),)),
    "tool": Scenario(
        replies=(asks("look", text="Looking."), says("Done.")),
        tools=(gives("look", "a.txt", steps=2),),
    ),
    "parallel": Scenario(
        replies=(asks("look", "broken", "look"), says("Half of it.")),
        tools=(gives("look", "a.txt", steps=1), fails("broken", "disk on fire")),
    ),
    "turns": Scenario(
        replies=(asks("look"), asks("look", text="And again."), says("Twice.")),
        tools=(gives("look", "a.txt"),),
    ),
    "client": Scenario(
        replies=(
            Reply(
                text="Mine and yours.", calls=(Call(name="look"), Call(name="shell")), usage=COST
            ),
        ),
        tools=(gives("look", "a.txt"),),
        client=(SHELL,),
    ),
    "failing": Scenario(
        replies=(asks("look"), breaks(500, message="Overloaded.", kind="rejected")),
        tools=(gives("look", "a.txt"),),
    ),
    "scratchpad": Scenario(
        replies=(
            asks("list"),
            Reply(calls=(Call(name="head", arguments={"file": "unknown"}),), usage=COST),
            says("All of them."),
        ),
        tools=(gives("list", LISTING),),
        large={"list": 50},
    ),
}
WITH_THREADS = frozenset({"scratchpad"})
"""Those in which threads work, for which virtual time does not wait."""
