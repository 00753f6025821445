"""An agent: an immutable value, built once, that every request shares."""

from __future__ import annotations

from dataclasses import dataclass, field

from aura.events import MAIN
from aura.pipeline.account import Account
from aura.pipeline.nudges import NO_NUDGES, Nudges
from aura.pipeline.ports import Model, Scratchpads, Toolset


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A model, what it is told, and the tools it may use.

    `turn_depth` is how many rounds of tool calls it gets before it has to answer,
    `parallel_calls` how many tools run at the same time. `first_chunk_timeout` bounds the beginning
    of a model call, `per_call_timeout` the rest of it and each call of a tool, `silence_timeout`
    each pause within it, in seconds, 0 for no deadline. `scratchpads` are for results of tools that
    are too large for the conversation. `account` is shared by all agents that ask with the same
    credentials. With `fallback_tool_parsing`, calls that the model writes as text are made, too.
    """

    model: Model
    system: str
    toolset: Toolset
    turn_depth: int = 5
    parallel_calls: int = 8
    context_window: int | None = None
    first_chunk_timeout: float = 30.0
    per_call_timeout: float = 0.0
    silence_timeout: float = 0.0
    scratchpads: Scratchpads | None = None
    account: Account = field(default_factory=Account)
    nudges: Nudges = NO_NUDGES
    fallback_tool_parsing: bool = False
    agent_id: str = MAIN
