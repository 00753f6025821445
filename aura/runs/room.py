"""Which files of a directory go, for their age and for want of room. Everything here blocks."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from heapq import nsmallest
from pathlib import Path
from typing import NamedTuple

OLDEST = 1024
"""Files that are remembered as those that go next. To find them takes a look at every file, a
quarter of a second for 50,000."""

FRESH = 60.0
"""Seconds for which what is known of the files of other processes is good enough to decide which
ones go, and for which a file without a head may be one that is just being made."""


class Aged(NamedTuple):
    """A file that was changed at this moment for the last time."""

    moment: float
    name: str
    size: int


class Room:
    """Has finished runs removed that are too old and, the oldest first, those for which there is
    no room. How old a file is tells its last change, so none has to be opened for that.

    `counts` says whether a file of this name is one of a run, and not of one that this process
    still writes; `remove` tells whether a file is gone.
    """

    def __init__(
        self,
        path: Path,
        *,
        counts: Callable[[str], bool],
        remove: Callable[[str], bool],
        most_bytes: int,
        lifetime: float,
        now: Callable[[], float],
    ) -> None:
        self._path = path
        self._counts = counts
        self._remove = remove
        self._most_bytes = most_bytes
        self._lifetime = lifetime
        self._now = now
        self._size = 0
        self._oldest: list[Aged] = []
        self._more = False
        self._stuck = False
        self._surveyed = -math.inf

    def too_old(self, moment: float) -> bool:
        """Whether a run goes that was over at this moment."""
        return bool(self._lifetime) and moment <= self._now() - self._lifetime

    def add(self, size: int) -> None:
        """Count a file that is finished."""
        self._size += size
        self._more = True

    def make(self, live: int, *, thorough: bool) -> None:
        """Remove what has to go beside the `live` bytes of this process. What other processes did
        in the last moments is seen by a `thorough` look only. Raises `OSError`."""
        if not (self._most_bytes or self._lifetime):
            return
        if thorough or not 0 <= self._now() - self._surveyed < FRESH:
            self._survey()
        room = self._most_bytes - live if self._most_bytes else math.inf
        while self._oldest or (self._more and not self._stuck):
            if not self._oldest:
                self._survey()
            elif self._size > room or self.too_old(self._oldest[-1].moment):
                oldest = self._oldest.pop()
                if self._remove(oldest.name):
                    self._size -= oldest.size
                    self._stuck = False
            else:
                return

    def _survey(self) -> None:
        """Look at every file for those that go next. If none of them can be removed, others are
        not looked for before it is time to look anyway."""
        self._surveyed, self._size, self._more = self._now(), 0, False
        self._oldest = nsmallest(OLDEST, self._files())
        self._oldest.reverse()
        self._stuck = bool(self._oldest)

    def _files(self) -> Iterator[Aged]:
        with os.scandir(self._path) as found:
            for number, entry in enumerate(found):
                self._more = number >= OLDEST
                if self._counts(entry.name):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # another process has removed it
                        continue
                    self._size += status.st_size
                    yield Aged(status.st_mtime, entry.name, status.st_size)
