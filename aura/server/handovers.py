"""Turns that wait for tools of their clients: what the follow-up requests will need of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from aura.pipeline.delegation import Handover

LIFETIME = 3600.0
"""Seconds for which a turn is kept after it was last asked for."""

MOST_BYTES = 64 * 1024 * 1024
"""How much of all turns together is kept, measured as JSON; the oldest give way."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: with which token, which agent, and in which session if one was named."""

    token: str
    agent: str
    session: str | None

    def within(self, session: str | None) -> Caller:
        """The same caller in this session."""
        return replace(self, session=session)


@dataclass(slots=True)
class _Kept:
    handover: Handover
    caller: Caller
    size: int
    until: float


class Handovers:
    """Kept in memory, under the first of the calls that the client was asked to make."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0

    def keep(self, handover: Handover, *, caller: Caller) -> None:
        """Keep a turn for its follow-up."""
        size = len(msgspec.json.encode(handover))
        self._kept[handover.tool_ids[0]] = _Kept(handover, caller, size, self._clock() + LIFETIME)
        self._size += size
        self._tidy()

    def find(self, tool_id: str, *, caller: Caller) -> Handover | None:
        """The turn that asked for this call, if it is the caller's. One who names no session is
        known by the id of the call, which nobody else has seen."""
        self._tidy()
        kept = self._kept.get(tool_id)
        if kept is None or kept.caller != caller.within(caller.session or kept.caller.session):
            return None
        kept.until = self._clock() + LIFETIME
        self._kept.move_to_end(tool_id)
        return kept.handover

    def _tidy(self) -> None:
        """Forget what is too old or too much; the first entries are the oldest."""
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.until > self._clock() and self._size <= MOST_BYTES:
                return
            self._kept.popitem(last=False)
            self._size -= oldest.size
