"""Work in a thread that can wait, while somebody waits for the same processor."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event
from typing import TypeVar

T = TypeVar("T")

LONGEST = 1.0
"""Seconds that it stands aside at a time: it should be done some day, however busy others are."""

LESS_URGENT = 5
"""How much nicer than others it is to the scheduler: a third of their share where there is not
enough for all. With much less it could keep everybody waiting: it holds the lock of the interpreter
now and then."""


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


def unhurried(work: Callable[[], T]) -> T:
    """What the work gives, done in a thread of its own that makes way for others: one that has
    stepped back may not come forward again."""
    with ThreadPoolExecutor(1, initializer=_step_back) as alone:
        return alone.submit(work).result()


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process that does
        with suppress(OSError):  # where a sandbox forbids it, the work is done all the same
            os.nice(LESS_URGENT)
