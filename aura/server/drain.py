"""Graceful shutdown: refuse what is new, let what runs finish, end what takes too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from aura.errors import RequestError


class Drain:
    """The requests in flight, and whether more are welcome."""

    def __init__(self, *, most: int = 0) -> None:
        self._most = most
        self._stops: set[Callable[[], None]] = set()
        self._closing = False
        self._empty = anyio.Event()

    @property
    def closing(self) -> bool:
        """Whether the server is shutting down."""
        return self._closing

    @property
    def in_flight(self) -> int:
        """How many requests are being answered."""
        return len(self._stops)

    def admit(self) -> None:
        """Raise `RequestError` when the server takes no request now."""
        if self._closing:
            raise RequestError(
                "Server is shutting down", status=503, type="service_unavailable", retry_after=5
            )
        if self._most and len(self._stops) >= self._most:
            raise RequestError(
                f"The server already answers {self._most} requests, as many as it is allowed to"
                " (--max-concurrent-requests). Try again.",
                status=503,
                type="service_unavailable",
                code="too_many_requests",
                retry_after=1,
            )

    @contextmanager
    def request(self, stop: Callable[[], None]) -> Iterator[None]:
        """Count one request as in flight; `stop` is called when its time is up."""
        self._stops.add(stop)
        try:
            yield
        finally:
            self._stops.discard(stop)
            if not self._stops:
                self._empty.set()

    async def close(self, grace: float) -> None:
        """Refuse new requests, wait up to `grace` seconds for the running ones, then stop them.

        Returns once none is left or a few seconds after they were stopped.
        """
        self._closing = True
        await self._wait(grace)
        self.stop()
        await self._wait(GOODBYE)

    def stop(self) -> None:
        """End every running request now; each still writes its last frames."""
        for stop in tuple(self._stops):
            stop()

    async def _wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while self._stops:
                self._empty = anyio.Event()
                await self._empty.wait()


GOODBYE = 5.0
"""Seconds that a stopped request gets to write its last frames."""
