"""Things that have to happen at some moment, all of them in one task."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import anyio

ENOUGH = 64
"""Appointments that were called off, of which there may always be so many."""


class Appointment:
    """Something that will be called, unless it is called off before."""

    __slots__ = ("_told", "call")

    def __init__(self, call: Callable[[], float | None], told: Callable[[], None]) -> None:
        self.call: Callable[[], float | None] | None = call
        self._told = told

    def call_off(self) -> None:
        """It need not happen any more."""
        if self.call is not None:
            self.call = None
            self._told()


class Timer:
    """Calls functions when their moment has come.

    A task for each deadline of each request would cost more than what the deadlines guard. Moments
    are those of `clock`, in seconds; a function that gives a moment is called again then.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Appointment]] = []
        self._off = 0
        self._order = count()
        self._until: float | None = None
        self._sooner = anyio.Event()

    @property
    def waiting(self) -> int:
        """How many appointments are remembered, those that were called off included."""
        return len(self._due)

    def at(self, moment: float, call: Callable[[], float | None]) -> Appointment:
        """Call this at that moment; it must neither wait nor raise."""
        appointment = Appointment(call, self._called_off)
        self._enter(moment, appointment)
        return appointment

    def _enter(self, moment: float, appointment: Appointment) -> None:
        heapq.heappush(self._due, (moment, next(self._order), appointment))
        if self._until is None or moment < self._until:
            self._sooner.set()

    def _called_off(self) -> None:
        """Forget those that were called off once they are the most: a deadline may be far away when
        what it was for is over, and there can be thousands of them."""
        self._off += 1
        if self._off > ENOUGH and self._off > len(self._due) / 2:
            self._due = [each for each in self._due if each[2].call is not None]
            heapq.heapify(self._due)
            self._off = 0

    async def keep(self) -> None:
        """Keep every appointment, until cancelled."""
        while True:
            self._call()
            while self._due and self._due[0][2].call is None:  # no reason to wake up
                heapq.heappop(self._due)
                self._off -= 1
            self._sooner = anyio.Event()
            self._until = self._due[0][0] if self._due else None
            wait = None if self._until is None else self._until - self._clock()
            with anyio.move_on_after(wait):
                await self._sooner.wait()

    def _call(self) -> None:
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, _, appointment = heapq.heappop(self._due)
            if appointment.call is None:
                self._off -= 1
            elif (again := appointment.call()) is not None:
                self._enter(again, appointment)
