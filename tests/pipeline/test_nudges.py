"""Notices about turns that run out."""

from __future__ import annotations

import pytest

from aura.events import ToolCompleted
from aura.pipeline.answered import answer
from aura.pipeline.nudges import FEW, LAST, Nudges
from aura.pipeline.ports import ToolReply, User
from aura.pipeline.run import Run
from tests.support.agents import agent, asks, recorded, says
from tests.support.tools import gives
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("nudges", "left", "expected"),
    [
        (Nudges(), 1, None),
        (Nudges(last_turn=True), 1, LAST),
        (Nudges(last_turn=True), 2, None),
        (Nudges(remaining=2), 3, None),
        (Nudges(remaining=2), 2, FEW.format(left=2)),
        (Nudges(remaining=2), 1, LAST),
        (Nudges(remaining=2), 0, None),
    ],
)
def test_when_a_notice_is_due(nudges: Nudges, left: int, expected: str | None) -> None:
    assert nudges.notice(left) == expected


async def test_one_notice_goes_along_with_the_last_result_of_a_round(run: Run) -> None:
    asking, prompts = recorded(
        agent(
            asks("look", "look"),
            asks("look"),
            says("Done."),
            tools=(gives("look", "x"),),
            turn_depth=2,
            nudges=Nudges(last_turn=True, remaining=2),
        )
    )
    happened = await transcript(answer(asking, (User("Hello?"),), run))
    replies = [m.text for m in prompts[-1].messages if isinstance(m, ToolReply)]
    assert replies == ["x", f"x\n\n---\n{FEW.format(left=2)}", f"x\n\n---\n{LAST}"]
    assert {e.result for e in happened if isinstance(e, ToolCompleted)} == {"x"}
