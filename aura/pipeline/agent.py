"""An agent: an immutable value, built once, that every request shares."""

from __future__ import annotations

from dataclasses import dataclass

from aura.events import MAIN
from aura.pipeline.nudges import NO_NUDGES, Nudges
from aura.pipeline.ports import Model, Toolset


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A model, what it is told, and the tools it may use.

    `turn_depth` is how many rounds of tool calls it gets before it has to answer,
    `parallel_calls` how many tools run at the same time. `first_chunk_timeout` is in seconds,
    0 for no deadline.
    """

    model: Model
    system: str
    toolset: Toolset
    turn_depth: int = 5
    parallel_calls: int = 8
    context_window: int | None = None
    first_chunk_timeout: float = 30.0
    nudges: Nudges = NO_NUDGES
    agent_id: str = MAIN
