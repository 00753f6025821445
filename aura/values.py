"""The text of flags and environment variables, read as values."""

from __future__ import annotations

from collections.abc import Callable

TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


def boolean(text: str) -> bool:
    """A yes or no in any of its usual spellings."""
    word = text.strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    message = f"{text!r} is neither true nor false"
    raise ValueError(message)


def number(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number within bounds, both included."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            message = f"{text!r} is not a whole number"
            raise ValueError(message) from None
        if value < least or (most is not None and value > most):
            limit = f"at least {least}" if most is None else f"from {least} to {most}"
            message = f"{value} is out of range: it must be {limit}"
            raise ValueError(message)
        return value

    return parse


def seconds(text: str) -> float:
    """A duration that may be 0 but not negative."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        message = f"{text!r} is not a number of seconds (0 or more)"
        raise ValueError(message)
    return value


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in words:
            message = f"{text!r} is not one of {', '.join(words)}"
            raise ValueError(message)
        return text

    return parse


def words(text: str) -> tuple[str, ...]:
    """Words separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def run_log(text: str) -> str:
    """Where the run log is. A word with a scheme is for later versions, not a directory."""
    place = text.strip()
    if not place or "://" in place:
        message = f"{text!r} is neither 'memory' nor a directory"
        raise ValueError(message)
    return place
