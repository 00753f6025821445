"""Lines that match a regular expression, in time linear in the file: the tool `grep`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aura.adapters.patterns import Expression, in_lines
from aura.adapters.scratchpad.extract import Advice, Counter, Extract, lines_of
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.survey import BLOCK
from aura.adapters.scratchpad.text import Mark, Text

LONGEST_PATTERN = 1024
"""Bytes."""

MOST_TOKENS = 32_768
"""Tokens of regions that are collected."""

MOST_MATCHES = 50_000
"""Matching lines after which the search ends: no more of them could be shown."""

MOST_CONTEXT = 10_000

LARGE = 16 * 1024 * 1024
"""Bytes from which on a file is searched by two threads; for a smaller one it is not worth one."""

LONGEST_LINE = 4000
AROUND = 400
"""Bytes of a line that is shown whole, and that are shown around a match in one that is not."""

NEWLINE = 0x0A

BETWEEN = "\n---\n"
"""What is between two regions."""


class Match(NamedTuple):
    """A line that matches; `cut` is what is shown of a long one, and `byte` is the one that it
    begins at, if that is known."""

    line: int
    cut: str | None
    byte: int | None

    @property
    def mark(self) -> Mark | None:
        """Where it begins, if that is known."""
        return None if self.byte is None else Mark(self.line, self.byte)


class Region(NamedTuple):
    """The lines around matches that are near each other, from first to last, and where the first
    and the last match are."""

    first: int
    last: int
    head: Match
    tail: Match


def grep(text: Text, pattern: str, context: int, *, counter: Counter) -> Extract:
    """The lines that match, with some lines around each."""
    size = len(pattern.encode("utf-8", "replace"))
    if size > LONGEST_PATTERN:
        raise ToolFailed(
            f"The pattern is too long: it has {size} bytes, and may have {LONGEST_PATTERN}."
        )
    expression, note = in_lines(pattern)
    matches = _matches(text, expression)
    if not matches:
        sentence = f"No matches for {pattern!r} in {text.name}, which has {text.lines} lines.{note}"
        return Extract(body=sentence, plain=sentence, shown="", free=True)
    first = matches[0].line
    regions = list(_regions(matches, min(context, MOST_CONTEXT), text.lines))
    collected = _collected(text, regions, matches, counter)
    more = " or more" if len(matches) == MOST_MATCHES else ""
    return Extract(
        body=collected.body,
        plain=collected.plain,
        tokens=collected.tokens,
        shown=f"{len(matches)}{more} matching lines in {len(regions)} regions of {text.name}{note}",
        advice=Advice(
            facts={"requested_pattern": pattern},
            suggestions=(
                f'grep(file="{text.name}", pattern="...", context=0): a more specific pattern',
                f'slice(file="{text.name}", start={first}, end={first + 20}): the first match',
                f'get_in(file="{text.name}", path="..."): one value, if the file is JSON',
            ),
        ),
    )


def _matches(text: Text, expression: Expression) -> list[Match]:
    """The first matches of the file. The two halves of a large one are searched side by side: RE2
    lets others run meanwhile."""
    if text.size < LARGE:
        return list(_matches_of(text, expression, 0, text.size))
    middle = text.start_of(text.lines // 2 + 1)
    with ThreadPoolExecutor(1) as beside:
        rest = beside.submit(lambda: list(_matches_of(text, expression, middle, text.size)))
        first = list(_matches_of(text, expression, 0, middle))
        return (first + rest.result())[:MOST_MATCHES]


def _matches_of(text: Text, expression: Expression, start: int, end: int) -> Iterator[Match]:
    """Those between two bytes, which begin lines or are the end."""
    found = 0
    for piece in text.pieces(start, end):
        data, stop = piece.data, piece.length
        # Nearly no text has the first, and one sign is found many times as fast as two.
        returns = b"\r" in data and b"\r\n" in data
        if returns:
            data = data[:stop].replace(b"\r\n", b"\n")
            stop = len(data)
        count = _Count(text, piece.start, data, straight=not returns)
        place = 0
        while place < stop and (match := expression.search(data, place, stop)) is not None:
            first, last = match.span()
            if first == stop and data[stop - 1] == NEWLINE:
                break  # behind the last line there is none
            place = data.find(b"\n", last, stop) + 1 or stop
            begin = data.rfind(b"\n", 0, first) + 1
            cut = _cut(data[begin:place].rstrip(b"\r\n"), first - begin, last - begin)
            yield Match(count.line(first), cut, None if returns else piece.start + begin)
            found += 1
            if found == MOST_MATCHES:
                return


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


def _regions(matches: Sequence[Match], context: int, lines: int) -> Iterator[Region]:
    """The lines around matches; what touches is one region."""
    head = tail = matches[0]
    for match in matches:
        if match.line - context > tail.line + context + 1:
            yield _region(head, tail, context, lines)
            head = match
        tail = match
    yield _region(head, tail, context, lines)


def _region(head: Match, tail: Match, context: int, lines: int) -> Region:
    return Region(max(1, head.line - context), min(lines, tail.line + context), head, tail)


def _collected(
    text: Text, regions: Sequence[Region], matches: Sequence[Match], counter: Counter
) -> _Collection:
    """The regions up to the most that is collected."""
    cuts = {match.line: match.cut for match in matches}
    collected = _Collection(counter)
    for number, region in enumerate(regions):
        lines = _lines(text, region, collected.left, cuts)
        shown = _shown(lines, region.first, cuts)
        while lines and not collected.fits(shown):
            lines = lines[: len(lines) // 2]
            shown = _shown(lines, region.first, cuts)
        if lines:
            collected.add(shown, lines)
        if len(lines) <= region.last - region.first:
            collected.end(len(regions) - number - bool(lines))
            break
    return collected


class _Collection:
    """Regions as they are shown, and their lines alone. They are counted many at a time, and only
    when they could be too many: no token has less than a byte."""

    def __init__(self, counter: Counter) -> None:
        self.left = MOST_TOKENS
        self._counter = counter
        self._shown: list[str] = []
        self._plain: list[str] = []
        self._counted = 0
        self._most = 0

    def fits(self, region: str) -> bool:
        """Whether there is room for one more."""
        most = _most_tokens(region)
        if self._most + most > self.left:
            self._count()
        return most <= self.left or not self._counter.exceeds(region, self.left)

    def add(self, region: str, lines: Sequence[str]) -> None:
        """Have one more."""
        self._shown.append(region)
        self._plain.append("\n".join(lines))
        self._most += _most_tokens(region) + len(BETWEEN)

    def end(self, more: int) -> None:
        """Say that so many regions are missing."""
        self._shown.append(f"[output truncated: after these lines; {more} more regions]")

    def _count(self) -> None:
        pending = self._shown[self._counted :]
        self.left -= self._counter.count("".join(f"{each}{BETWEEN}" for each in pending))
        self._counted, self._most = len(self._shown), 0

    @property
    def body(self) -> str:
        """What is shown."""
        return BETWEEN.join(self._shown)

    @property
    def plain(self) -> str:
        """The lines alone."""
        return "\n".join(self._plain)

    @property
    def tokens(self) -> int:
        """Those of the body and a line break."""
        rest = BETWEEN.join(self._shown[self._counted :])
        return MOST_TOKENS - self.left + self._counter.count(f"{rest}\n")


def _most_tokens(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


def _shown(lines: Sequence[str], first: int, cuts: Mapping[int, str | None]) -> str:
    return "\n".join(
        f"{'>' if line in cuts else ' '}{line:>5}\t{words}"
        for line, words in enumerate(lines, first)
    )


def _lines(text: Text, region: Region, most: int, cuts: Mapping[int, str | None]) -> list[str]:
    """The lines of a region, or the first of them if there are more than could be shown."""
    first, last = region.first, min(region.last, region.first + most)
    wanted = range(first, last + 1)
    head, tail = region.head.mark, region.tail.mark
    near = (head, tail) if head and tail else None
    data = text.between(first, last, LONGEST_LINE * len(wanted), near)
    if data is not None and all(cuts.get(line) is None for line in wanted):
        return lines_of(data)
    return [cuts.get(line) or _beginning(text, line) for line in wanted]


def _beginning(text: Text, line: int) -> str:
    start, end = text.start_of(line), text.start_of(line + 1)
    if end - start <= LONGEST_LINE:
        return "".join(lines_of(text.read(start, end - start)))
    shown = text.read(start, AROUND).decode("utf-8", "ignore")
    return f"[bytes 1-{AROUND} of {end - start}] {shown}"
