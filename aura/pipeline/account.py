"""An account at a provider: what the runs that use it have to share."""

from __future__ import annotations

import math

import anyio
import msgspec

from aura.errors import CutOff, ProviderError, RateLimited, TimedOut, Unavailable
from aura.events import DelayReason
from aura.pipeline.breaker import CLOSED
from aura.pipeline.run import Run

LONGEST_WAIT = 20.0
"""Seconds. What takes longer is not waited for: the client hears of it at once."""

LONGEST_BACK_OFF = 60.0
"""Seconds that a whole account takes one answer's word for it: the limit can be that of one model,
and only asking tells."""

SPREAD = 0.25
LONGEST_SPREAD = 5.0
"""Seconds over which calls that wait for the same moment come back: for each that waited already,
and for any number of them. So one that is alone comes back at that moment."""


class Wait(msgspec.Struct, frozen=True):
    """Why a call waits, and for how many seconds, if that is known."""

    reason: DelayReason
    seconds: float | None = None


class Account:
    """What all calls with the same credentials share.

    At most `most` calls are made at a time, 0 for any number; further ones wait in their order.
    When the provider limits the rate, nobody asks before `quiet_until`; while `breaker` refuses,
    nobody asks at all. `waiting` is how many calls wait, for whatever it is. Only tickets change
    any of it.
    """

    def __init__(self, *, most: int = 0) -> None:
        self.slots = anyio.Semaphore(most, max_value=most) if most else None
        self.breaker = CLOSED
        self.last_failure = ""
        self.quiet_until = -math.inf
        self.backing_off: set[int] = set()
        self.waiting = 0
        self._tickets = 0

    def ticket(self, run: Run, *, of: str) -> Ticket:
        """What one call needs to be made; `of` names its model in messages."""
        self._tickets += 1
        return Ticket(self, self._tickets, run, of=of)


class Ticket:
    """One model call on its way through an account: attempts, and waits between them.

    An attempt begins when `obstacle` finds nothing in its way, and its beginning is `answered` or
    has `failed`. The call keeps its slot from there to `leave`, or until an attempt fails.
    """

    def __init__(self, account: Account, number: int, run: Run, *, of: str) -> None:
        self._account = account
        self._number = number
        self._run = run
        self._of = of
        self._holds_slot = False
        self._sat_out = -math.inf
        self._asked: float | None = None

    def obstacle(self) -> Wait | None:
        """What to wait for before the provider can be asked. Raises `Unavailable` or `RateLimited`
        when that is not worth it."""
        account, now = self._account, self._run.sources.clock()
        if (seconds := account.breaker.refusal(now)) is not None:
            raise self._refused(seconds)
        left = round(account.quiet_until - now, 3) if account.quiet_until > self._sat_out else 0.0
        if left > 0:
            return self._back_off(left)
        if not self._has_slot():
            return Wait("busy")
        account.backing_off.discard(self._number)
        account.breaker = account.breaker.asked(self._number)
        self._asked = now
        return None

    async def sit_out(self, wait: Wait) -> None:
        """Wait for it. There can be another obstacle by then."""
        self._account.waiting += 1
        try:
            if wait.seconds is not None:
                await anyio.sleep(wait.seconds)
            elif self._account.slots is not None:
                await self._account.slots.acquire()
                self._holds_slot = True
        finally:
            self._account.waiting -= 1

    def answered(self) -> None:
        """The provider answers."""
        self._asked = None
        self._account.breaker = self._account.breaker.answered()

    def failed(self, error: ProviderError) -> None:
        """The attempt failed before its first event."""
        self._asked = None
        self._give_back()
        account, now = self._account, self._run.sources.clock()
        if not isinstance(error, Unavailable | TimedOut | CutOff):
            account.breaker = account.breaker.answered()  # to refuse is to answer
            return
        before, account.breaker = account.breaker, account.breaker.failed(self._number, now)
        account.last_failure = str(error)
        if account.breaker.until != before.until:
            self._run.log.warning(
                "provider keeps failing and is left alone",
                model=self._of,
                failures=account.breaker.failures,
                seconds=account.breaker.seconds,
                error=account.last_failure,
            )

    def silent(self, error: TimedOut, seconds: float) -> None:
        """The call is given up, because nothing came for that long. That is a failure of the
        provider if it had at least half of the time: what was waited for before is not its fault.
        """
        if self._asked is not None and self._run.sources.clock() - self._asked >= seconds / 2:
            self.failed(error)

    def limited(self, seconds: float) -> None:
        """The provider wants to be left alone for that long."""
        until = self._run.sources.clock() + min(seconds, LONGEST_BACK_OFF)
        self._account.quiet_until = max(self._account.quiet_until, until)

    def refused_after(self, seconds: float) -> bool:
        """Whether the provider will still not be asked then, as far as is known now."""
        refusal = self._account.breaker.refusal(self._run.sources.clock())
        return refusal is not None and refusal > seconds

    def leave(self) -> None:
        """The call is over, however it ended."""
        self._give_back()
        self._account.backing_off.discard(self._number)
        self._account.breaker = self._account.breaker.left(self._number)

    def _refused(self, seconds: float) -> Unavailable:
        breaker = self._account.breaker
        when = f"It is tried again in {math.ceil(seconds)} seconds."
        if breaker.probe is not None:
            when = "It is being tried again now."
        return Unavailable(
            f"The provider of {self._of} failed {breaker.failures} times in a row. {when}",
            detail=self._account.last_failure,
            retry_after=round(seconds, 3),
        )

    def _back_off(self, left: float) -> Wait:
        """The wait for the moment when the account may ask again."""
        account = self._account
        if left > LONGEST_WAIT:
            raise RateLimited(
                f"The provider of {self._of} limits the rate of requests. Try again in"
                f" {math.ceil(left)} seconds.",
                retry_after=left,
            )
        account.backing_off.add(self._number)
        before = len(account.backing_off) - 1
        spread = min(LONGEST_SPREAD, SPREAD * before) * self._run.sources.chance()
        self._sat_out = account.quiet_until
        return Wait("rate_limited", round(min(LONGEST_WAIT, left + spread), 3))

    def _has_slot(self) -> bool:
        slots = self._account.slots
        if slots is None or self._holds_slot:
            return True
        try:
            slots.acquire_nowait()
        except anyio.WouldBlock:
            return False
        self._holds_slot = True
        return True

    def _give_back(self) -> None:
        if self._holds_slot and self._account.slots is not None:
            self._holds_slot = False
            self._account.slots.release()
