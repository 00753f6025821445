"""Lines that match a regular expression, in time linear in the file: the tool `grep`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aura.adapters.patterns import Expression, in_lines
from aura.adapters.scratchpad.extract import Advice, Counter, Extract, lines_of
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import Text

LONGEST_PATTERN = 1024
"""Bytes."""

MOST_TOKENS = 32_768
"""Tokens of regions that are collected."""

MOST_MATCHES = 50_000
"""Matching lines after which the search ends: no more of them could be shown."""

MOST_CONTEXT = 10_000

LONGEST_LINE = 4000
AROUND = 400
"""Bytes of a line that is shown whole, and that are shown around a match in one that is not."""

NEWLINE = 0x0A


class Match(NamedTuple):
    """A line that matches; `cut` is what is shown of a long one."""

    line: int
    cut: str | None


def grep(text: Text, pattern: str, context: int, *, counter: Counter) -> Extract:
    """The lines that match, with some lines around each."""
    size = len(pattern.encode("utf-8", "replace"))
    if size > LONGEST_PATTERN:
        raise ToolFailed(
            f"The pattern is too long: it has {size} bytes, and may have {LONGEST_PATTERN}."
        )
    expression, note = in_lines(pattern)
    matches = list(_matches(text, expression))
    if not matches:
        sentence = f"No matches for {pattern!r} in {text.name}, which has {text.lines} lines.{note}"
        return Extract(body=sentence, plain=sentence, shown="", free=True)
    first = matches[0].line
    regions = list(_regions(matches, min(context, MOST_CONTEXT), text.lines))
    body, plain = _collected(text, regions, matches, counter)
    more = " or more" if len(matches) == MOST_MATCHES else ""
    return Extract(
        body=body,
        plain=plain,
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


def _matches(text: Text, expression: Expression) -> Iterator[Match]:
    found = 0
    for piece in text.pieces():
        data, stop, line, counted, place = piece.data, piece.length, 0, 0, 0
        if b"\r\n" in data:
            data = data[:stop].replace(b"\r\n", b"\n")
            stop = len(data)
        while place < stop and (match := expression.search(data, place, stop)) is not None:
            start, end = match.span()
            if start == stop and data[stop - 1] == NEWLINE:
                break  # behind the last line there is none
            line = (line or text.line_at(piece.start)) + data.count(b"\n", counted, start)
            counted = start
            place = data.find(b"\n", end, stop) + 1 or stop
            begin = data.rfind(b"\n", 0, start) + 1
            whole = data[begin:place].rstrip(b"\r\n")
            yield Match(line, _cut(whole, start - begin, end - begin))
            found += 1
            if found == MOST_MATCHES:
                return


def _cut(line: bytes, start: int, end: int) -> str | None:
    """What is shown of a line that is too long to be shown whole."""
    if len(line) <= LONGEST_LINE:
        return None
    first, last = max(0, start - AROUND), min(len(line), end + AROUND, start + LONGEST_LINE)
    shown = line[first:last].decode("utf-8", "ignore")
    return f"[bytes {first + 1}-{last} of {len(line)}] {shown}"


def _regions(matches: Sequence[Match], context: int, lines: int) -> Iterator[tuple[int, int]]:
    """The first and the last line of each stretch around matches; those that touch are one."""
    first = last = 0
    for match in matches:
        begin, end = max(1, match.line - context), min(lines, match.line + context)
        if first and begin <= last + 1:
            last = end
            continue
        if first:
            yield first, last
        first, last = begin, end
    yield first, last


def _collected(
    text: Text, regions: Sequence[tuple[int, int]], matches: Sequence[Match], counter: Counter
) -> tuple[str, str]:
    """The regions as they are shown, and their lines alone, up to the most that is collected."""
    cuts = {match.line: match.cut for match in matches}
    shown: list[str] = []
    plain: list[str] = []
    left = MOST_TOKENS
    for number, (first, last) in enumerate(regions):
        lines = _lines(text, first, min(last, first + left), cuts)
        region = _shown(lines, first, cuts)
        while lines and counter.exceeds(region, left):
            lines = lines[: len(lines) // 2]
            region = _shown(lines, first, cuts)
        left -= counter.count(region) + 2
        if lines:
            shown.append(region)
            plain.append("\n".join(lines))
        if len(lines) <= last - first or left <= 0:
            more = len(regions) - number - bool(lines)
            shown.append(f"[output truncated: after these lines; {more} more regions]")
            break
    return "\n---\n".join(shown), "\n".join(plain)


def _shown(lines: Sequence[str], first: int, cuts: Mapping[int, str | None]) -> str:
    return "\n".join(
        f"{'>' if line in cuts else ' '}{line:>5}\t{words}"
        for line, words in enumerate(lines, first)
    )


def _lines(text: Text, first: int, last: int, cuts: Mapping[int, str | None]) -> list[str]:
    data = text.between(first, last, LONGEST_LINE * (last - first + 1))
    if data is not None and all(cuts.get(line) is None for line in range(first, last + 1)):
        return lines_of(data)
    return [cuts.get(line) or _beginning(text, line) for line in range(first, last + 1)]


def _beginning(text: Text, line: int) -> str:
    start, end = text.start_of(line), text.start_of(line + 1)
    if end - start <= LONGEST_LINE:
        return "".join(lines_of(text.read(start, end - start)))
    shown = text.read(start, AROUND).decode("utf-8", "ignore")
    return f"[bytes 1-{AROUND} of {end - start}] {shown}"
