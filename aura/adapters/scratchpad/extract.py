"""A piece of a file as a tool gives it, before anybody knows whether it fits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

LONGEST_TOKEN = 128
"""Bytes. More than this for each token that fits cannot fit, so that it need not be read."""


class Counter(Protocol):
    """Counts the tokens of a text."""

    def count(self, text: str) -> int:
        """All of them."""
        ...

    def exceeds(self, text: str, limit: int) -> bool:
        """Whether there are more than so many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a tool says when its piece is too large: facts about the call, and what to try."""

    facts: Mapping[str, object] = field(default_factory=dict)
    suggestions: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """A piece: `body` is what the model reads, `plain` the same without line numbers, `shown` says
    in the footer what it is, and `advice` is for when it is too large.

    `tokens` are those of the body and a line break, if they were counted on the way.

    One that is `free` only says that nothing was found: it has no footer and costs nothing.
    """

    body: str
    plain: str
    shown: str
    advice: Advice = Advice()
    free: bool = False
    tokens: int | None = None

    @property
    def lines(self) -> int:
        """How many lines were asked for and found."""
        return self.plain.count("\n") + 1 if self.body else 0


class Oversized(Exception):
    """Raised for a piece that is not even read: it takes `size` bytes, of which `sample` is a
    typical part."""

    def __init__(self, size: int, sample: bytes, advice: Advice) -> None:
        super().__init__(size)
        self.size = size
        self.sample = sample
        self.advice = advice


def numbered(lines: Iterable[str], first: int = 1) -> str:
    """The lines with their numbers in front of them."""
    return "\n".join(f"{number:>6}\t{line}" for number, line in enumerate(lines, first))


def lines_of(data: bytes) -> list[str]:
    """The lines of a text as they are shown; what is no UTF-8 is replaced."""
    if not data:
        return []
    lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]
