"""Models and tools that break when they are told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

import anyio

from aura.errors import CutOff, RateLimited, Unavailable
from aura.events import AnyEvent, ToolCalled, ToolStarted
from aura.pipeline.account import Account
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Events, opened
from aura.pipeline.delegation import ClientTools
from aura.pipeline.ports import Model, Outcome, Prompt, Tool, ToolSpec, User
from aura.pipeline.run import Run
from aura.pipeline.team import Team
from tests.support.tools import Item


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
class LimitedModel:
    """A model whose provider wants to be asked twice for everything: the rate was too high."""

    model: Model
    asked: set[int] = field(default_factory=set)
    most_tools: int | None = None

    @property
    def name(self) -> str:
        return self.model.name

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        if len(prompt.messages) not in self.asked:
            self.asked.add(len(prompt.messages))
            message = "The rate is limited."
            raise RateLimited(message, retry_after=0.01)
        async with opened(self.model.stream(prompt)) as events:
            async for event in events:
                yield event


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


@dataclass(frozen=True, slots=True)
class Staged:
    """One performance of a scenario."""

    agent: Agent | Team
    client: tuple[ToolSpec, ...]
    switch: Switch
    begun: list[str]
    left: list[str]

    @property
    def accounts(self) -> list[Account]:
        """Those that models are asked with."""
        if isinstance(self.agent, Agent):
            return [self.agent.account]
        agents = [self.agent.coordinator, *(worker.agent for worker in self.agent.workers)]
        return [agent.account for agent in agents]

    @property
    def events(self) -> Callable[[Run], Events]:
        given = ClientTools(self.client)
        return partial(answer, self.agent, (User("Hello?"),), client=given)
