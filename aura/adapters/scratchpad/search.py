"""Lines that match a regular expression, in time linear in the file: the tool `grep`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aura.adapters.patterns import in_lines
from aura.adapters.scratchpad.extract import Advice, Counter, Extract, lines_of
from aura.adapters.scratchpad.matching import AROUND, LONGEST_LINE, MOST_MATCHES, Match, matches_in
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import Text

LONGEST_PATTERN = 1024
"""Bytes."""

MOST_TOKENS = 32_768
"""Tokens of regions that are collected."""

MOST_CONTEXT = 10_000

BETWEEN = "\n---\n"
"""What is between two regions."""


class Region(NamedTuple):
    """The lines around matches that are near each other, from first to last, and where the first
    and the last match are."""

    first: int
    last: int
    head: Match
    tail: Match


def grep(
    text: Text, pattern: str, context: int, *, counter: Counter, most: float = math.inf
) -> Extract:
    """The lines that match, with some lines around each. If they have more than `most` tokens, it
    is only estimated how many."""
    size = len(pattern.encode("utf-8", "replace"))
    if size > LONGEST_PATTERN:
        raise ToolFailed(
            f"The pattern is too long: it has {size} bytes, and may have {LONGEST_PATTERN}."
        )
    expression, note = in_lines(pattern)
    matches = matches_in(text, expression)
    if not matches:
        sentence = f"No matches for {pattern!r} in {text.name}, which has {text.lines} lines.{note}"
        return Extract(body=sentence, plain=sentence, shown="", free=True)
    first = matches[0].line
    regions = list(_regions(matches, min(context, MOST_CONTEXT), text.lines))
    collected = _collected(text, regions, matches, _Collection(counter, most))
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
    text: Text, regions: Sequence[Region], matches: Sequence[Match], collected: _Collection
) -> _Collection:
    """The regions up to the most that is collected."""
    cuts = {match.line: match.cut for match in matches}
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
    when they could be too many: no token has less than a byte. Beyond `exactly` so many tokens
    further ones are estimated."""

    def __init__(self, counter: Counter, exactly: float) -> None:
        self.left = MOST_TOKENS
        self._counter = counter
        self._exactly = exactly
        self._characters = 0
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
        self.left -= self._weight("".join(f"{each}{BETWEEN}" for each in pending))
        self._counted, self._most = len(self._shown), 0

    def _weight(self, text: str) -> int:
        """The tokens of what comes next."""
        before = MOST_TOKENS - self.left
        if before > self._exactly:
            return math.ceil(before * len(text) / self._characters)
        self._characters += len(text)
        return self._counter.count(text)

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
        return MOST_TOKENS - self.left + self._weight(f"{rest}\n")


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
    if first == last == region.head.line and region.head.data is not None:
        return lines_of(region.head.data)
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
