"""Regular expressions that take linear time, whatever they are (RE2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False

_IN_LINES = re2.Options()
_IN_LINES.never_nl = True  # a match never goes on in the next line
_IN_LINES.log_errors = False


class Found(Protocol):
    """A match of RE2's."""

    def span(self) -> tuple[int, int]: ...  # noqa: D102


class Expression(Protocol):
    """A regular expression of RE2's, which has no types of its own."""

    def search(self, text: bytes, pos: int, endpos: int) -> Found | None: ...  # noqa: D102


def search(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a text has a match of the expression somewhere. Raises
    `ValueError` for what is no expression."""
    try:
        expression = re2.compile(pattern.encode("utf-8", "replace"), _OPTIONS)
    except re2.error as error:
        message = f"{pattern!r} is no regular expression: {_reason(error)}"
        raise ValueError(message) from None

    def found(text: str) -> bool:
        return expression.search(text.encode("utf-8", "replace")) is not None

    return found


def in_lines(pattern: str) -> tuple[Expression, str]:
    """The expression, and a note if it is none and searched for as it stands."""
    try:
        return re2.compile(f"(?m){pattern}".encode("utf-8", "replace"), _IN_LINES), ""
    except re2.error as error:
        reason = _reason(error)
        literal = re2.escape(pattern.encode("utf-8", "replace"))
        note = f" (the pattern is no RE2 expression, {reason}: it was searched for literally)"
        return re2.compile(literal, _IN_LINES), note


def literal(text: bytes) -> Expression:
    """An expression for the text as it stands: several times as fast as `bytes.find`, and other
    threads can run meanwhile."""
    expression: Expression = re2.compile(re2.escape(text), _IN_LINES)
    return expression


def _reason(error: Exception) -> str:
    why = error.args[0] if error.args else "cannot be read"
    return why.decode(errors="replace") if isinstance(why, bytes) else str(why)
