"""What waits inside a run, for who wants to know how long its queues are."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from contextlib import contextmanager


class Backlog:
    """How much waits in a run: `blocked` counts tools and tasks that cannot go on until what they
    have said is read."""

    def __init__(self) -> None:
        self.blocked = 0
        self._queues: list[Sized] = []

    @property
    def queued(self) -> int:
        """How many tool calls and tasks wait until others have ended."""
        return sum(map(len, tuple(self._queues)))  # scrapes have a thread

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Count one that cannot go on."""
        self.blocked += 1
        try:
            yield
        finally:
            self.blocked -= 1

    @contextmanager
    def queue(self, queue: Sized) -> Iterator[None]:
        """Count what is in this queue, for as long as the block lasts."""
        self._queues.append(queue)
        try:
            yield
        finally:
            self._queues[:] = [each for each in self._queues if each is not queue]
