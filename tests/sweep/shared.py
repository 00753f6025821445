"""Runs that share an account, whose provider limits the rate of the first one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import anyio

from aura.events import AnyEvent
from aura.pipeline.account import Account
from aura.pipeline.compose import opened
from aura.pipeline.ports import Model, Prompt
from tests.support.agents import agent, asks, says
from tests.support.tools import ScriptedToolbox, gives
from tests.sweep.breakable import BreakableModel, BreakableTool, LimitedModel, Staged, Switch


@dataclass(slots=True)
class WatchedModel:
    """A model that remembers when it was asked, and how many calls it was busy with at a time."""

    model: Model
    most_tools: int | None = None
    asked: list[float] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0

    @property
    def name(self) -> str:
        return self.model.name

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        self.asked.append(anyio.current_time())
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            async with opened(self.model.stream(prompt)) as events:
                async for event in events:
                    yield event
        finally:
            self.busy -= 1


@dataclass(frozen=True, slots=True)
class Shared:
    """An agent that may ask its model once at a time, ready for some runs."""

    staged: Staged
    model: WatchedModel
    account: Account


def shared() -> Shared:
    """The agent of all runs of a case."""
    switch, begun, left = Switch(), [], []
    account = Account(most=1)
    look = BreakableTool(gives("look", "a.txt", steps=1), switch, begun, left)
    plain = agent(asks("look", text="Looking."), says("Done."), toolset=ScriptedToolbox((look,)))
    watched = WatchedModel(LimitedModel(plain.model))
    asked = replace(plain, model=BreakableModel(watched, switch), account=account)
    return Shared(Staged(asked, (), switch, begun, left), watched, account)
