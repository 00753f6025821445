"""Where the lines of a file are, and what else was found out about it."""

from __future__ import annotations

import errno
import os
import time
from array import array
from bisect import bisect_left
from typing import NamedTuple

from aura.adapters.scratchpad.survey import BLOCK, Members, Survey

PIECE = 1024 * 1024
"""Bytes that are read and searched at once: what searches them lets nobody else run meanwhile."""

BREATH = 0.00002
"""Seconds."""


class Version(NamedTuple):
    """What tells that a file is no longer the one that was indexed."""

    device: int
    inode: int
    size: int
    modified: int


class Index:
    """How many lines end up to each block of a file, the members of containers by the byte at
    which these begin, and what else was found out about its parts."""

    def __init__(self, version: Version, lines: int, ends: array[int]) -> None:
        self.version = version
        self.lines = lines
        self.ends = ends[-1] if ends else 0
        self.members: dict[int, Members] = {}
        self.known: dict[tuple[object, ...], object] = {}
        self._ends = ends

    @staticmethod
    def read(descriptor: int, version: Version) -> Index:
        """That of a file of which nothing is known."""
        ends, ended, last = array("Q"), 0, b"\n"
        for start in range(0, version.size, PIECE):
            data = read_from(descriptor, start, min(PIECE, version.size - start))
            last = data[-1:]
            for block in range(0, len(data), BLOCK):
                ended += data.count(b"\n", block, block + BLOCK)
                ends.append(ended)
            breathe()
        return Index(version, ended + (last != b"\n"), ends)

    @staticmethod
    def of(version: Version, survey: Survey) -> Index:
        """That of a file that was surveyed before it was written."""
        index = Index(version, survey.lines, survey.ends_of_blocks())
        index.members.update(
            (start, packed.members()) for start, packed in survey.containers.items()
        )
        return index

    def block_of(self, line: int) -> tuple[int, int]:
        """The block in which so many lines have ended, and how many have before it."""
        block = bisect_left(self._ends, line)
        return block, self._ends[block - 1] if block else 0

    def ends_before(self, block: int) -> int:
        """How many lines end before a block."""
        return self._ends[block - 1] if block else 0


def breathe() -> None:
    """Let another thread have the interpreter. Reading gives it up, too, but for so short a moment
    that one that reads again and again never lets go of it."""
    time.sleep(BREATH)


def read_from(descriptor: int, start: int, length: int) -> bytes:
    """Exactly so many bytes. Raises `OSError` (ESTALE) when the file has become shorter."""
    data = os.pread(descriptor, length, start)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), start + len(data))
        if not more:
            raise OSError(errno.ESTALE, "the file changed while it was read")
        data += more
    return data
