"""Globs over tool names: `*` is any run of characters, `?` one, everything else is itself."""

from __future__ import annotations

from collections.abc import Sequence


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits the pattern. Linear: only the last `*` is ever reconsidered."""
    position = place = 0
    star = anchor = -1
    while place < len(name):
        if position < len(pattern) and pattern[position] == "*":
            star, anchor = position, place
            position += 1
        elif position < len(pattern) and pattern[position] in ("?", name[place]):
            position += 1
            place += 1
        elif star >= 0:
            anchor += 1
            position, place = star + 1, anchor
        else:
            return False
    return not pattern[position:].strip("*")


def allowed(patterns: Sequence[str] | None, name: str) -> bool:
    """Whether a filter lets a name through; no filter lets everything through, an empty one
    nothing."""
    return patterns is None or any(matches(pattern, name) for pattern in patterns)


def longest(limits: Sequence[tuple[str, int]], name: str) -> int | None:
    """The limit of the longest pattern that fits a name; of several the smallest."""
    fitting = [(-len(pattern), limit) for pattern, limit in limits if matches(pattern, name)]
    return min(fitting)[1] if fitting else None
