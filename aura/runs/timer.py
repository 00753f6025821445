"""Things that have to happen at some moment, all of them in one task."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import anyio


class Appointment:
    """Something that will be called, unless it is called off before."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], float | None]) -> None:
        self.call: Callable[[], float | None] | None = call

    def call_off(self) -> None:
        """It need not happen any more."""
        self.call = None


class Timer:
    """Calls functions when their moment has come.

    A task for each deadline of each request would cost more than what the deadlines guard. Moments
    are those of `clock`, in seconds; a function that gives a moment is called again then.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Appointment]] = []
        self._order = count()
        self._until: float | None = None
        self._sooner = anyio.Event()

    def at(self, moment: float, call: Callable[[], float | None]) -> Appointment:
        """Call this at that moment; it must neither wait nor raise."""
        appointment = Appointment(call)
        self._enter(moment, appointment)
        return appointment

    def _enter(self, moment: float, appointment: Appointment) -> None:
        heapq.heappush(self._due, (moment, next(self._order), appointment))
        if self._until is None or moment < self._until:
            self._sooner.set()

    async def keep(self) -> None:
        """Keep every appointment, until cancelled."""
        while True:
            self._call()
            while self._due and self._due[0][2].call is None:  # no reason to wake up
                heapq.heappop(self._due)
            self._sooner = anyio.Event()
            self._until = self._due[0][0] if self._due else None
            wait = None if self._until is None else self._until - self._clock()
            with anyio.move_on_after(wait):
                await self._sooner.wait()

    def _call(self) -> None:
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, _, appointment = heapq.heappop(self._due)
            again = None if appointment.call is None else appointment.call()
            if again is not None:
                self._enter(again, appointment)
