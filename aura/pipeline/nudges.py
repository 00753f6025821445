"""Telling a model in time that its turns are running out."""

from __future__ import annotations

import msgspec

LAST = (
    "[TURN LIMIT — FINAL TURN] Your next reply is the last one, and no tool can be called in it."
    " Answer now with what you have found; a partial answer is better than none."
)

LAST_OF_WORKER = (
    "[TURN LIMIT — FINAL TURN] Your next reply is the last one, and it can call nothing but"
    " `submit_result`. Call it with what you have found; a partial result is better than none."
)

FEW = (
    "[TURN LIMIT] {left} replies are left, the final answer included. Call only the tools that you"
    " cannot do without, then answer."
)

FEW_OF_WORKER = (
    "[TURN LIMIT WARNING] {left} replies are left, the one with `submit_result` included. Call only"
    " the tools that you cannot do without, then call it."
)


class Nudges(msgspec.Struct, frozen=True):
    """When a notice goes along with the results of tools.

    `last_turn`: when only the answer itself is left. `remaining`: earlier, once no more than that
    many replies of the model are left.
    """

    last_turn: bool = False
    remaining: int = 0
    submits: bool = False

    def notice(self, left: int) -> str | None:
        """What to tell a model that has `left` replies left, the answer included."""
        if left == 1 and (self.last_turn or self.remaining):
            return LAST_OF_WORKER if self.submits else LAST
        if 1 < left <= self.remaining:
            return (FEW_OF_WORKER if self.submits else FEW).format(left=left)
        return None


NO_NUDGES = Nudges()


def with_notice(text: str, notice: str | None) -> str:
    """The result of a tool, and the notice set off from it."""
    return text if notice is None else f"{text}\n\n---\n{notice}"
