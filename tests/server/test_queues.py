"""How long the queues are, as `/metrics` shows it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aura.events import ToolStarted
from aura.pipeline.answered import answer
from aura.pipeline.compose import opened
from aura.pipeline.ports import User
from aura.pipeline.run import Run
from aura.server.drain import Drain
from aura.server.metrics import Metrics
from aura.server.stream import Answer
from tests.support.agents import agent, asks, says
from tests.support.asgi import Client, call
from tests.support.eventually import eventually
from tests.support.runs import directory, finished
from tests.support.serving import opened_runs, task
from tests.support.teams import Play, golden, parallel, plans, responds, submits
from tests.support.teams import task as step
from tests.support.tools import gives
from tests.support.virtual import in_virtual_time, virtual_sources

pytestmark = pytest.mark.anyio

HELLO = (User("Hello?"),)
NAMES = "abcde"


def depths(metrics: Metrics) -> dict[str, float]:
    """The length of every queue of runs."""
    body, _ = metrics.exposition("")
    return {
        family.name.removeprefix("aura_"): family.samples[0].value
        for family in text_string_to_metric_families(body.decode())
        if family.name.startswith(("aura_lanes", "aura_entries"))
    }


async def test_tool_calls_wait_for_others_of_their_completion(run: Run) -> None:
    gate, started = anyio.Event(), 0
    tools = tuple(gives(name, "x", gate=gate) for name in NAMES)
    asking = agent(asks(*NAMES), says("Done."), tools=tools, parallel_calls=2)
    async with opened(answer(asking, HELLO, run)) as events:
        async for event in events:
            started += isinstance(event, ToolStarted)
            if started == 2 and not gate.is_set():
                assert run.backlog.queued == 3
                gate.set()
    assert (started, run.backlog.queued) == (5, 0)


async def test_calls_that_nobody_waits_for_any_more_do_not_count(run: Run) -> None:
    tools = tuple(gives(name, "x", gate=anyio.Event()) for name in NAMES)
    asking = agent(asks(*NAMES), tools=tools, parallel_calls=2)
    async with opened(answer(asking, HELLO, run)) as events:
        while not isinstance(await anext(events), ToolStarted):
            pass
        assert run.backlog.queued == 3
    assert run.backlog.queued == 0


async def test_tasks_wait_for_others_of_their_plan(run: Run) -> None:
    steps = [step(name) for name in NAMES]
    work = {name: [submits("s", "r")] for name in NAMES}
    play = Play([plans("all", parallel(*steps)), responds("Done.")], work)
    depth = []
    async with opened(answer(golden(play, parallel=2), HELLO, run)) as events:
        async for event in events:
            play.seen(event)
            depth.append(run.backlog.queued)
    assert (max(depth), depth[-1]) == (3, 0)


def test_a_client_that_does_not_read_holds_up_tools() -> None:
    async def work() -> None:
        drain = Drain()
        tools = tuple(gives(name, "x", steps=99) for name in NAMES)
        asking = agent(asks(*NAMES), says("Done."), tools=tools, parallel_calls=3)
        async with opened_runs(sources=virtual_sources(), drain=drain) as runs:
            slow = Client(reading=anyio.Event())
            asked = task(partial(answer, asking, HELLO), buffer=20)
            live = await runs.start(asked)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, Answer(live, asked, runs, headers={}, longest_write=0), slow)
                await anyio.sleep(10)
                found = depths(runs.metrics)
                assert found == {"lanes_waiting": 2, "lanes_blocked": 3, "entries_unread": 20}
                assert slow.reading is not None
                slow.reading.set()
            await drain.settled()
            assert not any(depths(runs.metrics).values())

    in_virtual_time(work)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_runs_whose_files_are_not_on_the_disk_yet_are_counted(tmp_path: Path) -> None:
    async with directory(tmp_path) as log:
        assert log.unsynced == 0
        await finished(log, "run_1", "Hi.")
        assert log.unsynced == 1
        await eventually(lambda: log.unsynced == 0)
