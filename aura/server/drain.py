"""Graceful shutdown: refuse what is new, let what runs finish, end what takes too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import anyio

GOODBYE = 5.0
"""Seconds that a run that was ended gets to cancel its calls, and a client to read the end."""

LAST = 1.0
"""Seconds that requests get to go when nothing is written to them any more."""


class Drain:
    """The requests and the runs in flight, and whether more are welcome."""

    def __init__(self) -> None:
        self._runs: set[Callable[[], None]] = set()
        self._requests: set[Callable[[], None]] = set()
        self._arriving: set[Callable[[], None]] = set()
        self._closing = False
        self._stopped = False
        self._changed = anyio.Event()

    @property
    def closing(self) -> bool:
        """Whether the server is shutting down."""
        return self._closing

    @property
    def in_flight(self) -> int:
        """How many requests and runs are under way."""
        return len(self._requests) + len(self._runs)

    @contextmanager
    def request(self, cut: Callable[[], None]) -> Iterator[Callable[[], None]]:
        """Count a request, from its arrival on; `cut` ends it without a word. Gives what has to be
        called when all of it is there."""
        self._arriving.add(cut)
        whole = partial(self._arriving.discard, cut)
        try:
            with self._counted(self._requests, cut):
                yield whole
        finally:
            whole()

    @contextmanager
    def run(self, stop: Callable[[], None]) -> Iterator[None]:
        """Count a run; `stop` ends it in order. One that begins after the others were stopped is
        stopped at once."""
        with self._counted(self._runs, stop):
            if self._stopped:
                stop()
            yield

    @contextmanager
    def _counted(self, those: set[Callable[[], None]], one: Callable[[], None]) -> Iterator[None]:
        those.add(one)
        try:
            yield
        finally:
            those.discard(one)
            if not self.in_flight:
                self._tell()

    async def close(self, grace: float) -> None:
        """Refuse what is new, wait up to `grace` seconds for what is under way, then stop it.

        Returns when nothing is left, at the latest `GOODBYE` and `LAST` seconds after the grace,
        or after `stop` was called.
        """
        self._closing = True
        with anyio.move_on_after(grace):
            while self.in_flight and not self._stopped:
                await self._changed.wait()
        self.stop()
        for cut in tuple(self._arriving):  # there is nothing that they could still get
            cut()
        with anyio.move_on_after(GOODBYE):
            await self.settled()
        for cut in tuple(self._requests):
            cut()
        with anyio.move_on_after(LAST):
            await self.settled()

    def stop(self) -> None:
        """End every run now; clients still get the last frames."""
        self._stopped = True
        self._tell()
        for stop in tuple(self._runs):
            stop()

    async def settled(self) -> None:
        """Wait until nothing is in flight."""
        while self.in_flight:
            await self._changed.wait()

    def _tell(self) -> None:
        """Let everybody look who waits."""
        self._changed.set()
        self._changed = anyio.Event()
