"""What every event is, and the one alias for JSON."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MAIN = "main"
"""The `agent_id` of an agent that works alone."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that happened while a request was being answered.

    An event holds only data and everything a reader needs to place it. `wire` is the name of the
    server-sent event; an event without one either becomes ordinary completion chunks or never
    leaves the process.
    """

    wire: ClassVar[str | None] = None


class AgentEvent(Event, frozen=True, kw_only=True):
    """An event that an agent caused; the source that knows the agent names it."""

    agent_id: str
