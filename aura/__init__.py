"""Aura: TOML in, streaming AI agents out.

Embedding it in a program of your own:

    async with aura.open_agents(aura.load("agents.toml").configs) as agents:
        agent = agents.find("demo").agent
        async with aura.open_run() as run:
            async for event in aura.answer(agent, [aura.User("What is 2 + 2?")], run):
                print(event)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aura.build import open_agents
    from aura.config import load
    from aura.errors import AuraError, ConfigError
    from aura.events import AnyEvent, PlannedTask
    from aura.pipeline.answered import answer
    from aura.pipeline.ports import Assistant, User
    from aura.pipeline.run import open_run
    from aura.server.app import create_app

__all__ = [
    "AnyEvent",
    "Assistant",
    "AuraError",
    "ConfigError",
    "PlannedTask",
    "User",
    "answer",
    "create_app",
    "load",
    "open_agents",
    "open_run",
]

_HOMES = {
    "AnyEvent": "aura.events",
    "Assistant": "aura.pipeline.ports",
    "AuraError": "aura.errors",
    "ConfigError": "aura.errors",
    "PlannedTask": "aura.events",
    "User": "aura.pipeline.ports",
    "answer": "aura.pipeline.answered",
    "create_app": "aura.server.app",
    "load": "aura.config",
    "open_agents": "aura.build",
    "open_run": "aura.pipeline.run",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: nobody waits for a server they do not start."""
    if name not in _HOMES:
        message = f"module 'aura' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(_HOMES[name]), name)
