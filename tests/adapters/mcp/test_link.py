"""The channel between callers and the owner, with the test as the owner."""

from __future__ import annotations

import anyio
import pytest

from aura.adapters.mcp.link import UNREAD_PROGRESS, Item, Link, percent
from aura.events import ToolProgressed, ToolStarted
from aura.pipeline.compose import opened
from aura.pipeline.ports import Outcome
from tests.support.mcp.links import asked
from tests.support.mcp.processes import over_http
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def usable() -> Link:
    link = Link(over_http(1))
    link.connected(())
    return link


async def test_a_slow_reader_gets_the_newest_reports() -> None:
    link = usable()
    async with (
        opened(link.call("count", asked("count"), {})) as items,
        anyio.create_task_group() as tasks,
    ):

        async def own() -> None:
            pending = await link.next_call()
            pending.start()
            for step in range(1000):
                await pending.progress(step, 1000, None)
            pending.end(Outcome("counted"))

        tasks.start_soon(own)
        assert isinstance(await anext(items), ToolStarted)
        await anyio.wait_all_tasks_blocked()
        rest: list[Item] = [item async for item in items]
    messages = [item.message for item in rest if isinstance(item, ToolProgressed)]
    assert messages == [f"{step}/1000" for step in range(1000 - UNREAD_PROGRESS, 1000)]
    assert rest[-1] == Outcome("counted")


async def test_closing_a_call_cancels_it_without_waiting() -> None:
    link = usable()
    cancelled = anyio.Event()

    async def own() -> None:
        pending = await link.next_call()
        with pending.scope:
            pending.start()
            await anyio.sleep_forever()
        cancelled.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(own)
        stream = link.call("hang", asked("hang"), {})
        await anext(stream)
        await stream.aclose()
        assert not cancelled.is_set()
        await cancelled.wait()


async def test_a_call_that_was_left_before_it_began_is_never_made() -> None:
    link = usable()
    with anyio.move_on_after(0):
        await transcript(link.call("left", asked("left"), {}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transcript, link.call("next", asked("next"), {}))
        pending = await link.next_call()
        assert pending.tool == "next"
        pending.end(Outcome(""))


async def test_calls_wait_while_a_lost_connection_is_made_anew_and_fail_when_it_is_not() -> None:
    link = usable()
    link.lost()
    outcomes: list[Item] = []

    async def call() -> None:
        outcomes.extend(await transcript(link.call("t", asked("t"), {})))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        assert outcomes == []
        link.failed("Connection failed: gone")
    [outcome] = outcomes
    assert isinstance(outcome, Outcome)
    assert outcome.failure == "transport"
    assert "cannot be reached: Connection failed: gone" in outcome.text
    assert await transcript(link.call("t", asked("t"), {})) == [outcome]


async def test_only_the_first_end_of_a_call_counts() -> None:
    link = usable()
    async with anyio.create_task_group() as tasks:
        seen: list[Item] = []

        async def call() -> None:
            seen.extend(await transcript(link.call("t", asked("t"), {})))

        tasks.start_soon(call)
        pending = await link.next_call()
        pending.end(Outcome("first"))
        await pending.progress(1, 2, "too late")
        pending.end(Outcome("second"))
    assert seen == [Outcome("first")]


@pytest.mark.parametrize(
    ("progress", "total", "expected"),
    [
        (1, 3, 33),
        (5, 4, 100),
        (0, 0, 100),
        (-1, 4, 0),
        (1, None, None),
        (float("nan"), 2, None),
        (1, float("inf"), None),
    ],
)
def test_percent(progress: float, total: float | None, expected: int | None) -> None:
    assert percent(progress, total) == expected
