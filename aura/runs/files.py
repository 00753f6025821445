"""The file of one run: written by who has locked it, read by anybody. Everything here blocks."""

from __future__ import annotations

import os
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
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
Sync: TypeAlias = Callable[[int], None]

_SEQ = re.compile(rb'\{"seq":(\d{1,18}),')


class Writer:
    """Makes the file of a run and appends to it. It is locked until it is closed, also by the death
    of the process, so that every process can tell whether the run still goes on.

    Raises `OSError`.
    """

    def __init__(
        self, path: Path, head: Head, *, write: Write = os.write, sync: Sync = os.fsync
    ) -> None:
        line = head_line(head)
        self.size = 0
        self._write = write
        self._sync = sync
        self._descriptor = os.open(path, NEW, 0o600)
        try:
            flock(self._descriptor, LOCK_EX | LOCK_NB)
            self.append(line)
        except OSError:
            self.close()
            raise

    def append(self, lines: bytes) -> None:
        """Write all of this or, with an `OSError`, the first lines of it."""
        _append(self._descriptor, self.size, lines, self._write)
        self.size += len(lines)

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        self._sync(self._descriptor)

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


def may_hold(path: str, names: Sequence[bytes]) -> bool:
    """Whether the head of a run can have all of these names in it, as `encoded` gives them. One
    that may not is told in a few microseconds, and there can be very many. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        head = os.pread(descriptor, END, 0)
    finally:
        os.close(descriptor)
    end = head.find(b"\n")
    return end < 0 or all(0 <= head.find(name) < end for name in names)


def ended(path: Path, *, write: Write = os.write) -> bool:
    """Give a run an end whose writer is gone; false when it is not. The file stays as old as it is.
    Raises `OSError` and `Unreadable`."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        changed = os.fstat(descriptor).st_mtime_ns
        with closing(Reader(path)) as reader:
            lines = b"".join(map(entry_line, interrupted(reader.entries())))
            os.ftruncate(descriptor, reader.offset)
        _append(descriptor, reader.offset, lines, write)
        os.utime(descriptor, ns=(changed, changed))
        os.fsync(descriptor)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def missing_end(path: Path) -> tuple[Entry, ...]:
    """What `ended` would write, where it cannot. Raises `OSError` and `Unreadable`."""
    with locked(path) as alone:
        if not alone:
            return ()
        with closing(Reader(path)) as reader:
            return interrupted(reader.entries())


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Keep other processes from ending or removing a run; false for one that still goes on.
    Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _append(descriptor: int, size: int, lines: bytes, write: Write) -> None:
    """Append to a file of this size. On failure half a line is taken back, so that it ends with a
    whole one. Whole lines stay: somebody may have read them."""
    done = 0
    try:
        while done < len(lines):
            done += write(descriptor, lines[done:])
    except OSError:
        whole = lines.rfind(b"\n", 0, done) + 1
        with suppress(OSError):
            os.ftruncate(descriptor, size + whole)
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
