"""When a response has to do something although nothing happened. Decisions only, no waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HOLD = 0.25
"""Seconds that the status line waits for the provider's first word."""

KEEPALIVE_EVERY = 15.0
"""Seconds that a stream may be silent before a comment shows that it is alive."""

SHORTEST_WAIT = 0.05
"""Seconds between two looks at the clock, at least."""

Due = Literal["release", "keepalive", "stalled"]


@dataclass(slots=True, eq=False, kw_only=True)
class Timing:
    """The moments of one response, in seconds of the run's clock.

    `hold` is how long its status line waits, `longest_write` how long one write may, 0 for as long
    as the client likes. `wrote` is when the last bytes of a stream were handed over, once its
    status line is out; `writing_since` is when the write began that is under way, if one is.
    `blocked` is how many seconds all of them took.
    """

    begun: float
    streaming: bool
    longest_write: float
    hold: float = HOLD
    wrote: float | None = None
    writing_since: float | None = None
    blocked: float = 0.0

    def due(self, now: float) -> Due | None:
        """What has to happen now."""
        if self.writing_since is not None:
            late = self.longest_write and now >= self.writing_since + self.longest_write
            return "stalled" if late else None
        if not self.streaming:
            return None
        if self.wrote is None:
            return "release" if now >= self.begun + self.hold else None
        return "keepalive" if now >= self.wrote + KEEPALIVE_EVERY else None

    def next(self, now: float) -> float:
        """When to look again, which is not before `SHORTEST_WAIT` has passed."""
        moment = now + KEEPALIVE_EVERY
        if self.writing_since is not None and self.longest_write:
            moment = min(moment, self.writing_since + self.longest_write)
        elif self.writing_since is None and self.streaming:
            quiet = self.begun + self.hold if self.wrote is None else self.wrote + KEEPALIVE_EVERY
            moment = min(moment, quiet)
        return max(moment, now + SHORTEST_WAIT)
