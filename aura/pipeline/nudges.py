"""Telling a model in time that its turns are running out."""

from __future__ import annotations

import msgspec

LAST = (
    "[TURN LIMIT — FINAL TURN] Your next reply is the last one, and no tool can be called in it."
    " Answer now with what you have found; a partial answer is better than none."
)

FEW = (
    "[TURN LIMIT] {left} replies are left, the final answer included. Call only the tools that you"
    " cannot do without, then answer."
)


class Nudges(msgspec.Struct, frozen=True):
    """When a notice goes along with the results of tools.

    `last_turn`: when only the answer itself is left. `remaining`: earlier, once no more than that
    many replies of the model are left.
    """

    last_turn: bool = False
    remaining: int = 0

    def notice(self, left: int) -> str | None:
        """What to tell a model that has `left` replies left, the answer included."""
        if left == 1 and (self.last_turn or self.remaining):
            return LAST
        return FEW.format(left=left) if 1 < left <= self.remaining else None


NO_NUDGES = Nudges()


def with_notice(text: str, notice: str | None) -> str:
    """The result of a tool, and the notice set off from it."""
    return text if notice is None else f"{text}\n\n---\n{notice}"
