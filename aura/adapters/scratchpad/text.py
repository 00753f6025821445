"""A file of the scratchpad, read by lines; an index makes every part of a large one near.

Files are read, not mapped: one that is cut short under our feet gives an error, no crash.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import NamedTuple

from aura.adapters.scratchpad.handle import Handle
from aura.adapters.scratchpad.index import PIECE, Index, Version, read_from
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.survey import BLOCK, Survey

MOST_INDEXED = 32
"""Files of a run whose indexes are kept."""

TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


NEAR = 4096
"""Bytes around a line whose beginning is known in which others are looked for."""


class Mark(NamedTuple):
    """Where a line begins: its number and its first byte."""

    line: int
    byte: int


class Piece(NamedTuple):
    """Whole lines of a file: the byte that they begin at, and how many bytes of the data they
    are."""

    start: int
    data: bytes
    length: int


class Text:
    """An open file, with its index."""

    def __init__(self, name: str, descriptor: int, index: Index) -> None:
        self.name = name
        self.index = index
        self._descriptor = descriptor

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.index.version.size

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.index.lines

    def start_of(self, line: int, near: Mark | None = None) -> int:
        """The byte at which a line begins, counted from 1; the end of the file for those behind
        the last one. It is found sooner if another one is known that is `near`."""
        if line <= 1:
            return 0
        if line > self.index.ends + 1:
            return self.size
        if near is not None:
            start = self._before(line, near) if line < near.line else self._behind(line, near)
            if start is not None:
                return start
        block, ended = self.index.block_of(line - 1)
        data = self.read(block * BLOCK, BLOCK)
        return block * BLOCK + _behind_end(data, line - 1 - ended)

    def line_at(self, byte: int) -> int:
        """The number of the line that a byte is in, counted from 1."""
        block = byte // BLOCK
        start = block * BLOCK
        return self.index.ends_before(block) + self.read(start, byte - start).count(b"\n") + 1

    def read(self, start: int, length: int) -> bytes:
        """Some bytes, or those that there are up to the end."""
        return read_from(self._descriptor, start, min(length, self.size - start))

    def between(
        self, first: int, last: int, most: int, near: tuple[Mark, Mark] | None = None
    ) -> bytes | None:
        """The lines from one to another, both included; nothing if they take more bytes. `near`
        are lines in the neighbourhood of the first and of the last one."""
        head, tail = near or (None, None)
        start, end = self.start_of(first, head), self.start_of(last + 1, tail)
        return self.read(start, end - start) if end - start <= most else None

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[Piece]:
        """The lines from a byte on, which begins one, up to another; a line that is longer than a
        piece is whole all the same."""
        end = self.size if end is None else end
        length = PIECE
        while start < end:
            data = self.read(start, min(length, end - start))
            whole = len(data) if start + len(data) == end else data.rfind(b"\n") + 1
            if not whole:
                length *= 2
                continue
            yield Piece(start, data, whole)
            start += whole
            length = PIECE

    def _behind(self, line: int, near: Mark) -> int | None:
        """The byte at which a line begins, if that is not far behind the beginning of another."""
        place = 0
        data = self.read(near.byte, NEAR) if line > near.line else b""
        for _ in range(line - near.line):
            place = data.find(b"\n", place) + 1
            if not place:
                return None
        return near.byte + place

    def _before(self, line: int, near: Mark) -> int | None:
        """The byte at which a line begins, if that is not far before the beginning of another."""
        start = max(0, near.byte - NEAR)
        data = self.read(start, near.byte - start)
        place = len(data) - 1
        for _ in range(near.line - line):
            place = data.rfind(b"\n", 0, place)
            if place < 0:
                return None
        return start + place + 1


class Texts:
    """The files in some open directories, of which the first ones count most; their indexes are
    kept for the next call."""

    def __init__(self, directories: tuple[Handle, ...]) -> None:
        self.directories = directories
        self._indexes: OrderedDict[Version, Index] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def open(self, name: str, survey: Survey | None = None) -> Iterator[Text]:
        """A file for the time of the block; one that was just surveyed need not be indexed. Raises
        `ToolFailed` and `OSError`.

        Only names that are in the directory itself, and no links: so nothing has to be checked
        that could be different a moment later.
        """
        descriptor = self._opened(self._plain(name))
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise ToolFailed(f"{name!r} is not a file.")
            version = Version(info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)
            yield Text(name, descriptor, self._index(descriptor, version, survey))
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """The files that there are."""
        names: set[str] = set()
        for handle in self.directories:
            with handle.lent() as directory:
                names |= set(os.listdir(directory))  # noqa: PTH208 - of a descriptor
        return sorted(name for name in names if not name.startswith("."))

    def companions(self, name: str) -> list[str]:
        """The files with texts that are in this one."""
        stem = name.rpartition(".")[0] + "."
        return [each for each in self.names() if each.startswith(stem) and each != name]

    def _opened(self, name: str) -> int:
        """A descriptor of the file. Raises `OSError`."""
        *others, last = self.directories
        for handle in others:
            with suppress(FileNotFoundError), handle.lent() as directory:
                return os.open(name, TO_READ, dir_fd=directory)
        with last.lent() as directory:
            return os.open(name, TO_READ, dir_fd=directory)

    def _plain(self, name: str) -> str:
        plain = name.removeprefix("./")
        if "/" in plain or "\\" in plain or plain.startswith(".") or not plain.isprintable():
            raise ToolFailed(
                f"{name[:200]!r} is outside the scratchpad. Give the name of a file as a"
                " `[scratchpad: ...]` message does, without directories."
            )
        try:
            plain.encode()
        except UnicodeEncodeError:
            raise ToolFailed("The name of the file is not valid Unicode.") from None
        return plain

    def _index(self, descriptor: int, version: Version, survey: Survey | None) -> Index:
        with self._lock:
            index = self._indexes.pop(version, None)
        if index is None and survey is not None and survey.size == version.size:
            index = Index.of(version, survey)
        index = index or Index.read(descriptor, version)
        with self._lock:
            self._indexes[version] = index
            while len(self._indexes) > MOST_INDEXED:
                self._indexes.popitem(last=False)
        return index


def _behind_end(data: bytes, line: int) -> int:
    """The place behind the end of a line, counted from 1."""
    first, last = 0, len(data)
    while last - first > 1:
        middle = (first + last) // 2
        ends = data.count(b"\n", first, middle)
        if ends < line:
            first, line = middle, line - ends
        else:
            last = middle
    return last
