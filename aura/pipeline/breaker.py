"""Whether a provider that keeps failing is asked at all. Decisions only, no waiting."""

from __future__ import annotations

import msgspec

MOST_FAILURES = 5
"""Calls that may fail in a row before the provider is left alone."""

FIRST_OPENING = 5.0
LONGEST_OPENING = 60.0
"""Seconds that it is left alone; twice as long after each call that finds it still failing."""

PROBING = 1.0
"""Seconds after which it is worth coming back while a call finds out how the provider is doing."""


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """How the calls of an account fared, as far as the next one depends on it.

        closed --5 failures in a row--> open --5 s, 10 s, ... 60 s--> half open --answer--> closed
                                          ^-------- failure --------------|

    Open means `until` that moment. Half open, it lets one call through, the `probe`. Calls have
    numbers; those that went out before it opened may still end at any time, and their answers
    close it, too.
    """

    failures: int = 0
    until: float | None = None
    seconds: float = 0.0
    probe: int | None = None

    def refusal(self, now: float) -> float | None:
        """Seconds after which a call that is refused now may be made, or `None` if it is not."""
        if self.until is None:
            return None
        if now < self.until:
            return self.until - now
        return None if self.probe is None else PROBING

    def asked(self, call: int) -> Breaker:
        """Once this call went out."""
        return self if self.until is None else msgspec.structs.replace(self, probe=call)

    def answered(self) -> Breaker:
        """Once any call was answered."""
        return CLOSED

    def failed(self, call: int, now: float) -> Breaker:
        """Once this call failed."""
        failures = self.failures + 1
        closed = self.until is None
        if call == self.probe or (closed and failures >= MOST_FAILURES):
            seconds = min(LONGEST_OPENING, 2 * self.seconds) or FIRST_OPENING
            return Breaker(failures=failures, until=now + seconds, seconds=seconds)
        return msgspec.structs.replace(self, failures=failures)

    def left(self, call: int) -> Breaker:
        """Once this call was given up before it told anything."""
        return msgspec.structs.replace(self, probe=None) if call == self.probe else self


CLOSED = Breaker()
