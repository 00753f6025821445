"""Agents whose models and tools are scripted."""

from __future__ import annotations

from aura.adapters.models.scripted import Call, Fault, Reply, ReplyUsage, Scripted
from aura.pipeline.agent import Agent
from aura.pipeline.ports import Tool
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
    given = {"toolbox": ScriptedToolbox(tools), **options}
    model = Scripted(replies, name="scripted/test")
    return Agent(model=model, system="Be brief.", **given)  # type: ignore[arg-type]
