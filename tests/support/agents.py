"""Agents whose models and tools are scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from aura.adapters.models.scripted import Call, Fault, Reply, ReplyUsage, Scripted
from aura.events import AnyEvent
from aura.pipeline.agent import Agent
from aura.pipeline.ports import Model, Prompt, Tool
from tests.support.tools import ScriptedToolbox

COST = ReplyUsage(prompt=10, completion=5)


def says(text: str, **options: object) -> Reply:
    """A reply that answers."""
    return Reply(text=text, usage=COST, **options)  # type: ignore[arg-type]


def asks(*names: str, text: str = "") -> Reply:
    """A reply that calls tools without arguments."""
    calls = tuple(Call(name=name) for name in names)
    return Reply(text=text, calls=calls, usage=COST)


def breaks(status: int, **options: object) -> Reply:
    """A reply that is a failure of the provider."""
    return Reply(error=Fault(status=status, **options))  # type: ignore[arg-type]


def agent(*replies: Reply, tools: tuple[Tool, ...] = (), **options: object) -> Agent:
    """An agent that gives these replies in order."""
    given = {"toolset": ScriptedToolbox(tools), **options}
    model = Scripted(replies, name="scripted/test")
    return Agent(model=model, system="Be brief.", **given)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A model that remembers what it was asked."""

    model: Model
    prompts: list[Prompt] = field(default_factory=list)
    most_tools: int | None = None

    @property
    def name(self) -> str:
        return self.model.name

    def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        self.prompts.append(prompt)
        return self.model.stream(prompt)


def recorded(asked: Agent) -> tuple[Agent, list[Prompt]]:
    """The same agent, and a list that will hold every prompt of its model."""
    model = Recorded(asked.model)
    return replace(asked, model=model), model.prompts
