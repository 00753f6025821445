"""Runs that break outside of their events, or end twice at once: nothing of them is left."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import anyio
import pytest
from structlog.testing import capture_logs

from aura.events import AnyEvent, RunCompleted, TextDelta
from aura.pipeline.compose import Events
from aura.pipeline.run import Run
from aura.runs.live import LiveRun
from aura.runs.log import Missing
from aura.server.admission import Admission
from aura.server.drain import Drain
from aura.server.runs import shut_down
from aura.server.stream import Answer
from tests.support.asgi import Client, call
from tests.support.serving import memory_log, opened_runs, task
from tests.support.sources import fixed_sources
from tests.support.virtual import in_virtual_time, virtual_sources

BROKEN = RuntimeError("broken")


def never_begins(run: Run) -> Events:
    raise BROKEN


async def loses_a_task(run: Run) -> AsyncIterator[AnyEvent]:
    async def breaks() -> None:
        raise BROKEN

    yield TextDelta(agent_id="main", text="Hi.")
    run.tasks.start_soon(breaks)
    await anyio.sleep_forever()


async def cannot_give_back(run: Run) -> AsyncIterator[AnyEvent]:
    @contextmanager
    def lent() -> Iterator[None]:
        yield
        raise BROKEN

    run.borrow(lent())
    yield TextDelta(agent_id="main", text="Hi.")
    yield RunCompleted(reason="stop")


@pytest.mark.parametrize(
    ("events", "status"),
    [(never_begins, "failed"), (loses_a_task, "failed"), (cannot_give_back, "completed")],
)
def test_a_run_that_breaks_is_over_and_can_be_forgotten(
    events: Callable[[Run], Events], status: str
) -> None:
    async def work() -> None:
        drain, sources, admission = Drain(), virtual_sources(), Admission(most=1)
        log = memory_log(sources, lifetime=100.0)
        async with opened_runs(sources=sources, drain=drain, log=log, admission=admission) as runs:
            asked = task(events)
            live = await runs.start(asked)
            run_id = live.head.run_id
            client = Client()
            with anyio.fail_after(10):
                await call(Answer(live, asked, runs, headers={}, longest_write=60.0), client)
                await drain.settled()
            assert (await log.find(run_id)).status == status
            assert (b'"internal_error"' in client.body) == (status == "failed")
            with admission.slot("somebody"):
                await anyio.sleep(101)
            with pytest.raises(Missing):
                await log.find(run_id)

    with capture_logs() as lines:
        in_virtual_time(work)
    assert "run broke" in [line["event"] for line in lines]


def test_a_run_that_is_ended_while_it_goes_on_leaves_nothing_to_the_collector() -> None:
    gate = anyio.Event()

    async def events(run: Run) -> AsyncIterator[AnyEvent]:
        yield TextDelta(agent_id="main", text="Hi.")
        await gate.wait()
        yield TextDelta(agent_id="main", text="More.")

    async def work() -> weakref.ref[LiveRun]:
        drain, sources = Drain(), fixed_sources()
        async with opened_runs(sources=sources, drain=drain) as runs:
            live = await runs.start(task(events))
            await anyio.wait_all_tasks_blocked()
            gate.set()
            live.end(shut_down())
            await drain.settled()
            return weakref.ref(live)

    gc.disable()
    try:
        assert anyio.run(work)() is None
    finally:
        gc.enable()
