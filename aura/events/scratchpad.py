"""Events of the scratchpad: what was kept there, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from aura.events.base import AgentEvent


class ScratchpadStored(AgentEvent, frozen=True, kw_only=True):
    """The result of a call was put into a file, and the model gets a pointer to it instead.

    `tokens` is what the result would have taken; `exact` says whether they were all counted. `size`
    is in bytes, with the files of `companions`, which have the long texts that were found in it.
    """

    wire: ClassVar[str | None] = "aura.scratchpad_stored"
    tool_id: str
    tool_name: str
    file: str
    format: str
    tokens: int
    exact: bool
    lines: int
    size: int
    companions: tuple[str, ...] = ()


class ScratchpadUsage(AgentEvent, frozen=True, kw_only=True):
    """What an agent put on its scratchpad, and what it read of it, in tokens."""

    wire: ClassVar[str | None] = "aura.scratchpad_usage"
    tokens_intercepted: int
    tokens_extracted: int
