"""Scratchpads as agents have them, on a directory of a test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from aura.adapters.scratchpad.pad import Settings, Tokens
from aura.adapters.scratchpad.pads import Pads
from aura.adapters.scratchpad.place import Place
from aura.adapters.tokens import counter


class Ready:
    """A counter that is there at once."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def want(self) -> None:
        """Nothing has to be loaded."""

    async def get(self) -> Tokens:
        return self._tokens


def scratchpads(
    root: Path,
    *,
    window: int = 32_000,
    margin: float = 0.2,
    per_call: int = 10_000,
    rounds: int = 6,
    hidden: bool = True,
    max_bytes: int = 0,
    retention: float = 0.0,
    now: Callable[[], float] = time.time,
) -> Pads:
    """Scratchpads below a directory, counted as OpenAI's newest models count."""
    return Pads(
        Settings(
            place=Place(root, max_bytes=max_bytes, retention=retention, now=now),
            tokens=Ready(counter("openai", "gpt-4o")),
            window=window,
            margin=margin,
            per_call=per_call,
            rounds=rounds,
            hidden=hidden,
        )
    )
