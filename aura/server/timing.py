"""When a response has to do something although nothing happened. Decisions only, no waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HOLD = 0.25
"""Seconds that the status line waits for the provider's first word."""

KEEPALIVE_EVERY = 15.0
"""Seconds that a stream may be silent before a comment shows that it is alive."""

LONGEST_WRITE = 60.0
"""Seconds that one write may wait for a client that does not read."""

Due = Literal["release", "keepalive", "timeout", "stalled"]


@dataclass(slots=True, eq=False, kw_only=True)
class Timing:
    """The moments of one response, in seconds of the run's clock.

    `deadline` is when the whole request times out, if ever; `wrote` is when the last bytes of a
    stream were handed over, once its status line is out; `writing_since` is when the write began
    that is under way, if one is.
    """

    begun: float
    streaming: bool
    deadline: float | None = None
    wrote: float | None = None
    writing_since: float | None = None

    def due(self, now: float) -> Due | None:
        """What has to happen now, the gravest first."""
        if self.writing_since is not None:
            return "stalled" if now >= self.writing_since + LONGEST_WRITE else None
        if self.deadline is not None and now >= self.deadline:
            return "timeout"
        if not self.streaming:
            return None
        if self.wrote is None:
            return "release" if now >= self.begun + HOLD else None
        return "keepalive" if now >= self.wrote + KEEPALIVE_EVERY else None

    def wait(self, now: float) -> float:
        """Seconds after which to look again; 0 or less when something is due already."""
        moments = [now + KEEPALIVE_EVERY]
        if self.writing_since is not None:
            moments.append(self.writing_since + LONGEST_WRITE)
        else:
            if self.deadline is not None:
                moments.append(self.deadline)
            if self.streaming and self.wrote is None:
                moments.append(self.begun + HOLD)
            if self.streaming and self.wrote is not None:
                moments.append(self.wrote + KEEPALIVE_EVERY)
        return min(moments) - now
