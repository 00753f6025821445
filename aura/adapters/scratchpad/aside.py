"""Work in a thread that can wait, while somebody waits for the same processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

LONGEST = 1.0
"""Seconds that it stands aside at a time: it should be done some day, however busy others are."""


class Aside:
    """Lets such work go on only while nobody is in the block of `going_first`."""

    def __init__(self) -> None:
        self._first = 0
        self._free = Event()
        self._free.set()
        self._over = False

    @contextmanager
    def going_first(self) -> Iterator[None]:
        """The work stands aside for the block; to be entered on the event loop."""
        self._first += 1
        self._free.clear()
        try:
            yield
        finally:
            self._first -= 1
            if not self._first:
                self._free.set()

    def end(self) -> None:
        """Nobody needs the work any more."""
        self._over = True
        self._free.set()

    def go_on(self) -> bool:
        """Whether to go on, once nobody goes first; to be called in the thread."""
        self._free.wait(LONGEST)
        return not self._over
