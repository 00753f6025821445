"""Parts of a file by lines: the tools `head`, `slice` and `read`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aura.adapters.scratchpad.extract import (
    LONGEST_TOKEN,
    Advice,
    Extract,
    Oversized,
    lines_of,
    numbered,
)
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import Text

SAMPLE = 64 * 1024
"""Bytes of a part that is too large that are looked at to say how large it is."""


class Bytes(NamedTuple):
    """A part of each line: the bytes from one to another, counted from 1, both included."""

    first: int
    last: int | None

    def of(self, text: Text, lines: range, per_call: int, advice: Advice) -> Iterator[str]:
        """That part of some lines. Raises `Oversized` and `ToolFailed`."""
        if self.first < 1 or (self.last is not None and self.last < self.first):
            raise ToolFailed("`from_byte` has to be 1 or more, and `to_byte` no less than that.")
        left = per_call * LONGEST_TOKEN
        for line in lines:
            start, end = text.start_of(line), text.start_of(line + 1)
            stop = end if self.last is None else min(end, start + self.last)
            begin = min(start + self.first - 1, stop)
            left -= stop - begin + 1
            if left < 0:
                sample = text.read(begin, min(SAMPLE, stop - begin))
                raise Oversized((stop - begin) * len(lines), sample, advice)
            data = text.read(begin, stop - begin)
            if stop == end:
                data = data.removesuffix(b"\n").removesuffix(b"\r")
            yield data.decode("utf-8", "ignore")


def head(text: Text, lines: int, *, per_call: int) -> Extract:
    """The first lines of a file."""
    name = text.name
    halved = max(1, min(lines, text.lines) // 2)
    advice = Advice(
        facts={"requested_lines": lines},
        suggestions=(
            f'head(file="{name}", lines={halved}): half as many lines',
            f'grep(file="{name}", pattern="..."): find the lines that matter first',
            f'get_in(file="{name}", path="..."): one value, if the file is JSON',
        )
        if halved < lines
        else _of_one_line(name, 1),
    )
    found = _lines(text, 1, lines, per_call, advice)
    return Extract(
        body=numbered(found),
        plain="\n".join(found),
        shown=f"showing {len(found)}/{text.lines} lines",
        advice=advice,
    )


def part(
    text: Text,
    first: int,
    last: int,
    bytes_of_each: Bytes | None = None,
    *,
    per_call: int,
) -> Extract:
    """Some lines of a file, or a part of each of them."""
    if first < 1 or last < first:
        raise ToolFailed(
            f"`start` ({first}) has to be 1 or more, and `end` ({last}) no less than that: lines"
            " are counted from 1, and `end` is included."
        )
    name = text.name
    middle = first + (min(last, max(first, text.lines)) - first) // 2
    advice = Advice(
        facts={"requested_lines": [first, last]},
        suggestions=(
            f'slice(file="{name}", start={first}, end={middle}): half the lines',
            f'grep(file="{name}", pattern="..."): find the lines that matter first',
            f'get_in(file="{name}", path="..."): one value, if the file is JSON',
        )
        if middle < last and first < text.lines
        else _of_one_line(name, first),
    )
    last = min(last, text.lines)
    if bytes_of_each is None:
        found = _lines(text, first, last, per_call, advice)
    else:
        found = [*bytes_of_each.of(text, range(first, last + 1), per_call, advice)]
    shown = f"lines {first}-{last} of {text.lines}" if found else f"no lines of {text.lines}"
    return Extract(body=numbered(found, first), plain="\n".join(found), shown=shown, advice=advice)


def whole(text: Text, *, per_call: int) -> Extract:
    """All lines of a file."""
    name = text.name
    advice = Advice(
        facts={"requested_file": name, "file_bytes": text.size},
        suggestions=(
            f'head(file="{name}", lines=50): how it begins',
            f'slice(file="{name}", start=1, end=100): some lines',
            f'grep(file="{name}", pattern="..."): the lines that matter',
            f'get_in(file="{name}", path="..."): one value, if the file is JSON',
        ),
    )
    found = _lines(text, 1, text.lines, per_call, advice)
    return Extract(
        body=numbered(found),
        plain="\n".join(found),
        shown=f"{name}, {text.lines} lines",
        advice=advice,
    )


def _lines(text: Text, first: int, last: int, per_call: int, advice: Advice) -> list[str]:
    start, end = text.start_of(first), text.start_of(last + 1)
    if end - start > per_call * LONGEST_TOKEN:
        raise Oversized(end - start, text.read(start, SAMPLE), advice)
    return lines_of(text.read(start, end - start))


def _of_one_line(name: str, line: int) -> tuple[str, ...]:
    """What to try when a single line is too large."""
    return (
        f'slice(file="{name}", start={line}, end={line}, from_byte=1, to_byte=4000): a part of it',
        f'grep(file="{name}", pattern="..."): what is around a match in it',
        f'get_in(file="{name}", path="..."): one value, if the file is JSON',
    )
