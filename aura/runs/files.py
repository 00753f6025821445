"""The file of one run: written by who has locked it, read by anybody. Everything here blocks."""

from __future__ import annotations

import os
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import NamedTuple, TypeAlias

from aura.runs.entry import Entry
from aura.runs.lines import (
    Unreadable,
    decoded,
    entries_of,
    entry_line,
    entry_of,
    head_line,
    head_of,
    interrupted,
)
from aura.runs.log import Head, Record

PIECE = 256 * 1024
"""Bytes that are read and decoded at once, unless a line is longer."""

BLOCK = 64 * 1024
"""Bytes between the places at which a long file is looked into, to find one in it."""

END = 4096
"""Bytes at either end of a file in which a line is looked for before more are read."""

LONGEST_HEAD = 1024 * 1024
"""Bytes in which a first line ends, or else is not ours."""

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND

Write: TypeAlias = Callable[[int, bytes], int]

_SEQ = re.compile(rb'\{"seq":(\d{1,18}),')


class Writer:
    """Makes the file of a run and appends to it. It is locked until it is closed, also by the death
    of the process, so that every process can tell whether the run still goes on.

    Raises `OSError`.
    """

    def __init__(self, path: Path, head: Head, *, write: Write) -> None:
        line = head_line(head)
        self.size = 0
        self._write = write
        self._descriptor = os.open(path, NEW, 0o600)
        try:
            flock(self._descriptor, LOCK_EX | LOCK_NB)
            self.append(line)
        except OSError:
            self.close()
            raise

    def append(self, lines: bytes) -> None:
        """Write all of this or, with an `OSError`, nothing."""
        _append(self._descriptor, self.size, lines, self._write)
        self.size += len(lines)

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):  # whether all of it is there, `sync` has told
            os.close(self._descriptor)


class Reader:
    """Reads a run from behind a frame, as far as it is written. Raises `OSError` and
    `Unreadable`."""

    def __init__(self, path: Path, *, after: int = -1) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._after = after
        try:
            self.offset = self._place(after) if after >= 0 else 0
        except OSError:
            self.close()
            raise

    def read(self) -> list[Entry]:
        """The entries that follow, not many at once; none at the end of what is written."""
        while True:
            data = self._piece()
            if self.offset:
                entries, length = entries_of(data)
            else:
                _, entries, length = decoded(data)
            if not length:
                return []
            self.offset += length
            if self._after >= 0:
                entries = [e for e in entries if max(e.last, e.seq) > self._after]
            if entries:
                self._after = -1
                return entries

    def entries(self) -> Iterator[Entry]:
        """All the entries that follow."""
        while found := self.read():
            yield from found

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _piece(self) -> bytes:
        size = PIECE
        while True:
            data = os.pread(self._descriptor, size, self.offset)
            if len(data) < size or b"\n" in data:
                return data
            size *= 2

    def _place(self, after: int) -> int:
        """Where a line begins that is not behind the one with the frame, nor far before it."""
        blocks = range(1, os.fstat(self._descriptor).st_size // BLOCK + 1)
        before = bisect_right(blocks, after, key=lambda block: self._first_line(block)[0])
        return self._first_line(before)[1] if before else 0

    def _first_line(self, block: int) -> tuple[int, int]:
        """The number and the place of the first line that begins in a block or, when none does,
        in those that follow."""
        offset = block * BLOCK - 1
        while data := os.pread(self._descriptor, END, offset):
            newline = data.find(b"\n")
            if newline >= 0:
                offset += newline + 1
                break
            offset += len(data)
        seq = _SEQ.match(os.pread(self._descriptor, 32, offset))
        return (sys.maxsize if seq is None else int(seq[1])), offset


class Summary(NamedTuple):
    """A run as its file has it, and the bytes of that."""

    record: Record
    size: int


def summary(path: Path) -> Summary | None:
    """What the first and the last line of a file say; nothing when it has no whole line, as when
    its writer died, or failed, at once. Raises `OSError` and `Unreadable`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        first = _first(descriptor)
        if first is None:
            return None
        record = Record(head=head_of(first))
        last = _last(descriptor, size)
        return Summary(record if last is None else record.after(entry_of(last)), size)
    finally:
        os.close(descriptor)


def ended(path: Path) -> bool:
    """Give a run an end whose writer is gone; false when it is not. Raises `OSError` and
    `Unreadable`."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        with closing(Reader(path)) as reader:
            lines = b"".join(map(entry_line, interrupted(reader.entries())))
            os.ftruncate(descriptor, reader.offset)
        _append(descriptor, reader.offset, lines, os.write)
        os.fsync(descriptor)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _append(descriptor: int, size: int, lines: bytes, write: Write) -> None:
    """Append to a file of this size. On failure it is cut back, so that it ends with a line."""
    rest = lines
    try:
        while rest:
            rest = rest[write(descriptor, rest) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _first(descriptor: int) -> bytes | None:
    """The first line of a file, if it is whole."""
    for span in (END, LONGEST_HEAD):
        data = os.pread(descriptor, span, 0)
        line, newline, _ = data.partition(b"\n")
        if newline:
            return line
    if len(data) == LONGEST_HEAD:
        raise Unreadable("the first line is too long for a head")
    return None


def _last(descriptor: int, size: int) -> bytes | None:
    """The last whole line of a file, unless it is the first."""
    span = END
    while True:
        begin = max(0, size - span)
        data = os.pread(descriptor, size - begin, begin)
        end = max(0, data.rfind(b"\n"))
        start = data.rfind(b"\n", 0, end) + 1
        if start or not begin:
            return data[start:end] if start else None
        span *= 8
