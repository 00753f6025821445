"""How much of a model's context window may still be filled. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """The window at one moment, in tokens: what may be used, and what is."""

    usable: int
    used: int

    @property
    def remaining(self) -> int:
        """What may still be added."""
        return max(0, self.usable - self.used)


class Budget:
    """The window of one agent in one run, in tokens.

    What is used is what the provider reported last, or what the last prompt was estimated at, and
    everything that was added since then. So it goes down, too, when a conversation gets shorter.
    """

    def __init__(self, *, window: int, margin: float, per_call: int) -> None:
        self.per_call = per_call
        self.extracted = 0
        self._usable = int(window * (1 - margin))
        self._known = 0
        self._added = 0

    @property
    def window(self) -> Window:
        """The window as it is now."""
        return Window(self._usable, self._known + self._added)

    def reported(self, tokens: int) -> None:
        """The whole conversation, the last answer included, takes so many tokens."""
        self._known, self._added = tokens, 0

    def add(self, tokens: int) -> None:
        """Something of so many tokens is part of the conversation now, whatever it takes."""
        self._added += tokens

    def book(self, tokens: int) -> bool:
        """Add a piece that was asked for if there is room for it; whether there was."""
        if tokens > self.per_call or tokens > self.window.remaining:
            return False
        self._added += tokens
        self.extracted += tokens
        return True
