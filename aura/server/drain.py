"""Graceful shutdown: refuse what is new, let what runs finish, end what takes too long."""

from __future__ import annotations

from collections.abc import Callable

import anyio

GOODBYE = 5.0
"""Seconds that a run that was ended gets to cancel its calls, and a client to read the end."""

LAST = 1.0
"""Seconds that requests get to go when nothing is written to them any more."""


class Counted:
    """Somebody is among `those` for as long as the block lasts. A class because every request and
    every run passes through it: a generator would cost several times as much."""

    __slots__ = ("_left", "_one", "_those")

    def __init__(
        self, those: set[Callable[[], None]], one: Callable[[], None], left: Callable[[], None]
    ) -> None:
        self._those = those
        self._one = one
        self._left = left

    def __enter__(self) -> None:
        """Count."""
        self._those.add(self._one)

    def __exit__(self, *error: object) -> None:
        """Count no more."""
        self._those.discard(self._one)
        self._left()


class Arriving:
    """A request, for as long as the block lasts; `arriving` has those that are not all there."""

    __slots__ = ("_arriving", "_counted", "_cut")

    def __init__(
        self,
        requests: set[Callable[[], None]],
        arriving: set[Callable[[], None]],
        cut: Callable[[], None],
        left: Callable[[], None],
    ) -> None:
        self._counted = Counted(requests, cut, left)
        self._arriving = arriving
        self._cut = cut

    def __enter__(self) -> Callable[[], None]:
        """Count; gives what to call when all of it is there."""
        self._arriving.add(self._cut)
        self._counted.__enter__()
        return self._whole

    def __exit__(self, *error: object) -> None:
        """Count no more."""
        self._whole()
        self._counted.__exit__()

    def _whole(self) -> None:
        self._arriving.discard(self._cut)


class Drain:
    """The requests and the runs in flight, and whether more are welcome."""

    def __init__(self) -> None:
        self._runs: set[Callable[[], None]] = set()
        self._requests: set[Callable[[], None]] = set()
        self._arriving: set[Callable[[], None]] = set()
        self._closing = False
        self._stopped = False
        self._changed: anyio.Event | None = None

    @property
    def closing(self) -> bool:
        """Whether the server is shutting down."""
        return self._closing

    @property
    def in_flight(self) -> int:
        """How many requests and runs are under way."""
        return len(self._requests) + len(self._runs)

    def request(self, cut: Callable[[], None]) -> Arriving:
        """Count a request, from its arrival on; `cut` ends it without a word. Gives what has to be
        called when all of it is there."""
        return Arriving(self._requests, self._arriving, cut, self._left)

    def run(self, stop: Callable[[], None]) -> Counted:
        """Count a run; `stop` ends it in order. One that begins after the others were stopped is
        stopped at once."""
        if self._stopped:
            stop()
        return Counted(self._runs, stop, self._left)

    def _left(self) -> None:
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
                await self._change()
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
            await self._change()

    async def _change(self) -> None:
        self._changed = self._changed or anyio.Event()
        await self._changed.wait()

    def _tell(self) -> None:
        """Let everybody look who waits."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None
