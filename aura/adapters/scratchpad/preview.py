"""What a pointer shows of a file, within so many tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from aura.adapters.scratchpad.extract import Counter, lines_of
from aura.adapters.scratchpad.formats import Format
from aura.adapters.scratchpad.outline import header_lines, tree_lines
from aura.adapters.scratchpad.text import Text

ALLOWANCE = 400
"""Tokens."""

DEEPEST = 6
MOST_LINES = 100

FIRST_LINES = 5
LAST_LINES = 3
LONGEST_LINE = 200
"""Characters."""


def preview(text: Text, form: Format, counter: Counter) -> list[str]:
    """The structure of JSON as deep as it fits, the headers of markdown, or the first and the last
    lines of a text."""
    match form:
        case "json":
            return ["Its structure, of lists the first item:", *_tree(text, counter)]
        case "markdown" if headers := _fitting(header_lines(text), counter):
            return ["Its headers:", *headers]
        case _:
            return ["How it begins and ends:", *_fitting(_ends(text), counter)]


def _tree(text: Text, counter: Counter) -> list[str]:
    for depth in range(DEEPEST, 0, -1):
        lines = list(islice(tree_lines(text, depth), MOST_LINES + 1))
        if len(lines) <= MOST_LINES and not counter.exceeds("\n".join(lines), ALLOWANCE):
            return lines
    return _fitting(tree_lines(text, 1), counter)


def _fitting(lines: Iterable[str], counter: Counter) -> list[str]:
    """The lines, or the first of them and a sign that there are more."""
    fitting: list[str] = []
    left = ALLOWANCE
    for line in lines:
        left -= counter.count(line) + 1
        if left < 0 or len(fitting) == MOST_LINES:
            return [*fitting, "..."]
        fitting.append(line)
    return fitting


def _ends(text: Text) -> Iterator[str]:
    shown = FIRST_LINES + LAST_LINES
    if text.lines <= shown:
        yield from _cut(text, 1, text.lines)
        return
    yield from _cut(text, 1, FIRST_LINES)
    yield "..."
    yield from _cut(text, text.lines - LAST_LINES + 1, text.lines)


def _cut(text: Text, first: int, last: int) -> Iterator[str]:
    """Lines with their numbers, of long ones the beginning."""
    for number in range(first, last + 1):
        start, end = text.start_of(number), text.start_of(number + 1)
        line = "".join(lines_of(text.read(start, min(end - start, 4 * LONGEST_LINE))))
        yield f"{number:>6}\t{line[:LONGEST_LINE]}{'...' if len(line) > LONGEST_LINE else ''}"
