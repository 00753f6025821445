"""Which lines of a file match a regular expression."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aura.adapters.patterns import Expression
from aura.adapters.scratchpad.survey import BLOCK
from aura.adapters.scratchpad.text import Mark, Piece, Text

MOST_MATCHES = 50_000
"""Matching lines after which the search ends: no more of them could be shown."""

LARGE = 16 * 1024 * 1024
"""Bytes from which on a file is searched by two threads; for a smaller one it is not worth one."""

LONGEST_LINE = 4000
AROUND = 400
"""Bytes of a line that is shown whole, and that are shown around a match in one that is not."""

KEPT = 256 * 1024
"""Bytes of lines that are kept, so that they need not be read again to be shown."""

NEWLINE = 0x0A

RETURNS = ("returns",)
"""What is known of a file: whether there is a carriage return in it."""


class Match(NamedTuple):
    """A line that matches; `cut` is what is shown of a long one, `byte` is the one that it begins
    at, if that is known, and `data` are its bytes, if they are at hand."""

    line: int
    cut: str | None
    byte: int | None
    data: bytes | None

    @property
    def mark(self) -> Mark | None:
        """Where it begins, if that is known."""
        return None if self.byte is None else Mark(self.line, self.byte)


def matches_in(text: Text, expression: Expression) -> list[Match]:
    """The first matches of the file. The two halves of a large one are searched side by side: RE2
    lets others run meanwhile."""
    whole = _Part(text, 0, text.size)
    if text.size < LARGE:
        parts, matches = [whole], list(_matches_of(whole, expression))
    else:
        middle = text.start_of(text.lines // 2 + 1)
        parts = [_Part(text, 0, middle), _Part(text, middle, text.size)]
        with ThreadPoolExecutor(1) as beside:
            rest = beside.submit(lambda: list(_matches_of(parts[1], expression)))
            matches = list(_matches_of(parts[0], expression))
            matches = (matches + rest.result())[:MOST_MATCHES]
    if all(part.searched for part in parts):
        text.index.known[RETURNS] = any(part.returns for part in parts)
    return matches


class _Part:
    """The lines between two bytes of a file, which begin one or are the end. `returns` says whether
    a carriage return was seen in it; once all of it was `searched`, that is known. `room` is for
    how many more bytes of lines are kept."""

    def __init__(self, text: Text, start: int, end: int) -> None:
        self.text = text
        self.start = start
        self.end = end
        self.returns = False
        self.searched = False
        self.room = KEPT
        self._may_return = text.index.known.get(RETURNS) is not False

    def straight(self, piece: Piece) -> tuple[bytes, bool]:
        """The lines of a piece with plain ends, and whether these are the bytes of the file."""
        data = piece.data
        # Nearly no text has one, and one sign is found many times as fast as two.
        if not self._may_return or b"\r" not in data:
            return data, True
        self.returns = True
        if b"\r\n" not in data:
            return data, True
        return data[: piece.length].replace(b"\r\n", b"\n"), False


def _matches_of(part: _Part, expression: Expression) -> Iterator[Match]:
    """Those in a part."""
    text, found = part.text, 0
    for piece in text.pieces(part.start, part.end):
        data, straight = part.straight(piece)
        stop = piece.length if straight else len(data)
        count = _Count(text, piece.start, data, straight=straight)
        place = 0
        while place < stop and (match := expression.search(data, place, stop)) is not None:
            first, last = match.span()
            if first == stop and data[stop - 1] == NEWLINE:
                break  # behind the last line there is none
            place = data.find(b"\n", last, stop) + 1 or stop
            begin = data.rfind(b"\n", 0, first) + 1
            line = data[begin:place]
            cut = _cut(line.rstrip(b"\r\n"), first - begin, last - begin)
            number = count.line(first)
            if straight:
                part.room -= len(line)
                known = line if cut is None and part.room > 0 else None
                yield Match(number, cut, piece.start + begin, known)
            else:
                yield Match(number, cut, None, None)
            found += 1
            if found == MOST_MATCHES:
                return
    part.searched = True


class _Count:
    """Which lines of the file bytes of a piece are in, asked for one after the other. One that is
    `straight` has the bytes that are in the file, so that not all have to be counted."""

    def __init__(self, text: Text, start: int, data: bytes, *, straight: bool) -> None:
        self._index = text.index
        self._start = start
        self._data = data
        self._straight = straight
        self._line = text.line_at(start)
        self._counted = 0

    def line(self, place: int) -> int:
        """The number of the line that a byte is in, which is behind the last one asked for."""
        block = (self._start + place) // BLOCK
        known = block * BLOCK - self._start
        if self._straight and known > self._counted:
            self._line, self._counted = self._index.ends_before(block) + 1, known
        self._line += self._data.count(b"\n", self._counted, place)
        self._counted = place
        return self._line


def _cut(line: bytes, start: int, end: int) -> str | None:
    """What is shown of a line that is too long to be shown whole."""
    if len(line) <= LONGEST_LINE:
        return None
    first, last = max(0, start - AROUND), min(len(line), end + AROUND, start + LONGEST_LINE)
    shown = line[first:last].decode("utf-8", "ignore")
    return f"[bytes {first + 1}-{last} of {len(line)}] {shown}"
