"""Calls at the same time on one connection, of which any may stall, fail or be given up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations
from random import Random

import anyio
import pytest

from aura.adapters.mcp.link import Link
from aura.events import ToolProgressed
from aura.pipeline.compose import opened
from aura.pipeline.ports import Outcome
from tests.support.mcp.links import PATIENCE, asked, result
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

EIGHT = range(8)
TROUBLES = ("stalls", "fails", "is left")


def subsets() -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(combinations(EIGHT, size) for size in range(len(EIGHT) + 1))


class Eight:
    """Eight calls at once; those in trouble have the kind of it that their number says."""

    def __init__(self, link: Link, troubled: tuple[int, ...], turn: int) -> None:
        self._link = link
        self._troubles = {each: TROUBLES[(each + turn) % len(TROUBLES)] for each in troubled}
        self._turn = turn
        self._healthy = len(EIGHT) - len(troubled)
        self._settled = anyio.Event()
        self.outcomes: dict[int, Outcome] = {}

    async def run(self) -> None:
        if not self._healthy:
            self._settled.set()
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for number in EIGHT:
                    tasks.start_soon(self._one, number)

    async def _one(self, number: int) -> None:
        match self._troubles.get(number):
            case None:
                self.outcomes[number] = await self._outcome("echo", number, text=str(number))
                self._healthy -= 1
                if not self._healthy:
                    self._settled.set()
            case "fails":
                outcome = await self._outcome("fail", number, why="on purpose")
                assert outcome.failure == "tool"
            case trouble:
                await self._hang(number, until_settled=trouble == "stalls")

    async def _outcome(self, tool: str, number: int, **arguments: object) -> Outcome:
        stream = self._link.call(tool, asked(tool, f"call_{number}"), arguments)
        [*_, outcome] = await transcript(stream)
        assert isinstance(outcome, Outcome)
        return outcome

    async def _hang(self, number: int, *, until_settled: bool) -> None:
        name = f"{self._turn}.{number}"
        stream = self._link.call("hang", asked("hang", f"call_{number}"), {"name": name})
        async with opened(stream) as items:
            async for item in items:
                if isinstance(item, ToolProgressed):
                    break
            if until_settled:
                await self._settled.wait()
        assert await self._outcome("interruption", number, name=name) == Outcome(name)


async def unharmed(link: Link, troubled: tuple[int, ...], turn: int) -> None:
    eight = Eight(link, troubled, turn)
    await eight.run()
    assert eight.outcomes == {
        number: Outcome(str(number)) for number in EIGHT if number not in troubled
    }


@pytest.mark.parametrize("link", ["http"], indirect=True)
async def test_the_others_are_unharmed_whichever_of_eight_are_in_trouble(link: Link) -> None:
    for turn, troubled in enumerate(subsets()):
        await unharmed(link, troubled, turn)
    assert await result(link, "echo", text="still there") == Outcome("still there")


@pytest.mark.parametrize("link", ["stdio", "legacy http", "sse"], indirect=True)
async def test_the_same_over_every_other_transport(link: Link) -> None:
    chosen = Random(8).sample(list(subsets()), 24)
    for turn, troubled in enumerate(chosen):
        await unharmed(link, troubled, 1000 + turn)
    assert await result(link, "echo", text="still there") == Outcome("still there")
