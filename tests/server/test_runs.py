"""Runs as the server keeps them: deadlines, clients that come and go, and ends in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import anyio
import pytest
from litestar.response.base import ASGIResponse
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from aura.events import (
    AnyEvent,
    RunCompleted,
    RunFailed,
    TextDelta,
    ToolCompleted,
    ToolRequested,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.ports import User
from aura.pipeline.run import Run
from aura.runs.deadlines import Limits
from aura.runs.entry import Entry
from aura.runs.live import LiveRun
from aura.server.drain import Drain
from aura.server.modes import Mode
from aura.server.runs import Runs, Task
from aura.server.stream import Answer, Replay
from tests.support.agents import agent, asks, says
from tests.support.asgi import Client, call
from tests.support.serving import opened_runs, task
from tests.support.tools import ScriptedTool, gives
from tests.support.virtual import in_virtual_time, virtual_sources
from tests.support.wire import frames, text

CANCELLED = RunFailed(code="run_cancelled", message="Enough.", status=499, retryable=False)
SILENT = {"first_chunk_timeout": 0}


def asking(*answers: Agent, **changes: object) -> Task:
    [asked] = answers
    return task(partial(answer, asked, (User("Hello?"),)), **changes)


@dataclass(frozen=True, slots=True)
class Stage:
    """A run that was started, and what it takes to watch it."""

    runs: Runs
    live: LiveRun
    task: Task
    drain: Drain
    begun: float

    def answer(self, *, longest_write: float = 60.0) -> Answer:
        return Answer(self.live, self.task, self.runs, headers={}, longest_write=longest_write)

    def replay(self, after: int = -1) -> Replay:
        return Replay(self.live.head, self.task.mode, self.runs, after=after, longest_write=60.0)

    async def over(self) -> float:
        """Wait until the run is; gives how many seconds it took."""
        await self.drain.settled()
        return anyio.current_time() - self.begun

    async def events(self) -> list[AnyEvent]:
        return [entry.event for entry in await entries(self.runs, self.live.head.run_id)]


async def entries(runs: Runs, run_id: str) -> list[Entry]:
    found: list[Entry] = []
    async with runs.log.tail(run_id, -1) as tail:
        while not found or not isinstance(found[-1].event, RunCompleted):
            found += await tail.batch()
    return found


def staged(asked: Task, play: Callable[[Stage], Awaitable[None]]) -> None:
    """Start a run in virtual time and let `play` happen."""

    async def work() -> None:
        drain = Drain()
        async with opened_runs(sources=virtual_sources(), drain=drain) as runs:
            live = await runs.start(asked)
            await play(Stage(runs, live, asked, drain, anyio.current_time()))

    in_virtual_time(work)


def waits() -> ScriptedTool:
    return gives("look", "never", gate=anyio.Event())


def counted(runs: Runs) -> dict[str, float]:
    """Answers that were cut and runs that failed, by code."""
    body, _ = runs.metrics.exposition("")
    return {
        f"{sample.name} {sample.labels['code']}": sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if "code" in sample.labels and sample.name.endswith("_total")
    }


def codes(client: Client) -> list[str]:
    found = [frame.data for frame in frames(client.body) if frame.data != "[DONE]"]
    return [data["error"]["code"] for data in found if "error" in data]


@pytest.mark.parametrize("stream", [True, False])
def test_a_deadline_ends_everything_that_is_open(stream: bool) -> None:
    tool = waits()

    async def play(stage: Stage) -> None:
        client = await call(stage.answer(), Client())
        assert await stage.over() == pytest.approx(60, abs=0.1)
        assert b'"request_timeout"' in client.body
        assert client.status == (200 if stream else 504)
        *_, completed, failed, usage, end = await stage.events()
        assert isinstance(completed, ToolCompleted)
        assert not completed.success
        assert completed.duration_ms == 60_000
        assert (type(failed), type(end)) == (RunFailed, RunCompleted)
        assert usage.total_tokens == 15  # type: ignore[union-attr]

    asked = agent(asks("look"), says("."), tools=(tool,))
    staged(asking(asked, stream=stream, limits=Limits(total=60.0)), play)
    assert tool.abandoned == ["call_1"]


def test_a_deadline_does_not_wait_for_a_client_that_does_not_read() -> None:
    async def play(stage: Stage) -> None:
        client = Client(reading=anyio.Event())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, stage.answer(longest_write=0.0), client)
            assert await stage.over() == pytest.approx(20, abs=0.1)
            assert client.messages == []
            assert client.reading is not None
            client.reading.set()
        assert codes(client) == ["request_timeout"]

    asked = agent(says("Never.", first_delay=1e6), **SILENT)
    staged(asking(asked, limits=Limits(total=20.0)), play)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param([(0, "a"), (1e6, "b")], 30, id="silence"),
        pytest.param([(1000, "a"), (1e6, "b")], 1030, id="not before the first word"),
        pytest.param([*((20, "x") for _ in range(10)), (1e6, "b")], 230, id="activity"),
        pytest.param([(0, "a"), (0, "call"), (100, "done"), (1e6, "b")], 130, id="tool"),
    ],
)
def test_silence_is_measured_from_the_last_thing_that_happened(
    source: list[tuple[float, str]], expected: float
) -> None:
    async def events(run: Run) -> AsyncIterator[AnyEvent]:
        del run
        for wait, what in source:
            await anyio.sleep(wait)
            names = {"agent_id": "main", "tool_id": "c", "tool_name": "t"}
            if what == "call":
                yield ToolRequested(**names, arguments="{}")
            elif what == "done":
                yield ToolCompleted(**names, duration_ms=1, success=True, result="")
            else:
                yield TextDelta(agent_id="main", text=what)

    async def play(stage: Stage) -> None:
        client = await call(stage.answer(), Client())
        assert await stage.over() == pytest.approx(expected, abs=0.1)
        assert codes(client) == ["inactivity_timeout"]

    staged(task(events, limits=Limits(silence=30.0)), play)


def test_no_limit_means_none() -> None:
    async def play(stage: Stage) -> None:
        client = await call(stage.answer(), Client())
        assert text(client.body) == "At last."

    staged(asking(agent(says("At last.", first_delay=20_000.0), **SILENT)), play)


def test_a_run_does_not_get_further_ahead_of_its_client_than_it_may() -> None:
    given = 0

    async def events(run: Run) -> AsyncIterator[AnyEvent]:
        nonlocal given
        del run
        while given < 1000:
            given += 1
            await anyio.lowlevel.checkpoint()
            yield TextDelta(agent_id="main", text="x")
        yield RunCompleted()

    async def play(stage: Stage) -> None:
        client = Client(reading=anyio.Event())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, stage.answer(), client)
            await anyio.sleep(50)
            assert given <= 10 + 1
            assert stage.live.ahead == 10
            assert client.reading is not None
            client.reading.set()
        assert len(text(client.body)) == 1000

    staged(task(events, buffer=10), play)


def test_a_client_that_does_not_read_is_cut_and_counts_as_gone() -> None:
    async def play(stage: Stage) -> None:
        client = Client(reading=anyio.Event())
        await call(stage.answer(longest_write=40.0), client)
        assert 40 <= await stage.over() <= 60
        assert client.messages == []
        *_, failed, _end = await stage.events()
        assert failed.code == "client_stalled"  # type: ignore[union-attr]
        record = await stage.runs.log.find(stage.live.head.run_id)
        assert record.status == "cancelled"
        assert counted(stage.runs) == {
            "aura_streams_cut_total client_stalled": 1,
            "aura_run_errors_total client_stalled": 1,
        }

    with capture_logs() as lines:
        staged(asking(agent(says("word " * 2000, delay=1.0))), play)
    named = [(line["event"], line["code"]) for line in lines if "code" in line]
    assert named == [
        ("client does not read, giving up", "client_stalled"),
        ("answered", "client_stalled"),
    ]


def test_a_run_that_was_left_unread_lingers_and_names_who_left_last() -> None:
    async def play(stage: Stage) -> None:
        unread = Client(reading=anyio.Event())
        await call(stage.answer(longest_write=40.0), unread)
        await leaves(stage, Client(), after=5.0, response=stage.replay())
        await stage.over()
        *_, failed, _end = await stage.events()
        assert failed.code == "client_disconnected"  # type: ignore[union-attr]
        assert counted(stage.runs) == {
            "aura_streams_cut_total client_stalled": 1,
            "aura_streams_cut_total client_disconnected": 1,
            "aura_run_errors_total client_disconnected": 1,
        }

    staged(asking(agent(says("word " * 2000, delay=1.0)), linger=100.0), play)


def test_a_run_that_lingers_in_vain_was_left_unread() -> None:
    async def play(stage: Stage) -> None:
        await call(stage.answer(longest_write=40.0), Client(reading=anyio.Event()))
        assert 140 <= await stage.over() <= 160
        *_, failed, _end = await stage.events()
        assert failed.code == "client_stalled"  # type: ignore[union-attr]

    staged(asking(agent(says("word " * 2000, delay=1.0)), linger=100.0), play)


def test_a_replay_that_is_not_read_does_not_end_a_run_that_others_watch() -> None:
    async def play(stage: Stage) -> None:
        unread, reader = Client(reading=anyio.Event()), Client()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, stage.answer(), reader)
            await anyio.sleep(1)
            await call(stage.replay(), unread)
        assert text(reader.body) == "word " * 200
        assert counted(stage.runs) == {"aura_streams_cut_total client_stalled": 1}

    staged(asking(agent(says("word " * 200, delay=1.0))), play)


async def leaves(
    stage: Stage, client: Client, after: float, *, response: ASGIResponse | None = None
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, response or stage.answer(), client)
        await anyio.sleep(after)
        client.leave()


@pytest.mark.parametrize(
    ("linger", "expected"),
    [
        pytest.param(0.0, 5.0, id="cancel"),
        pytest.param(7.0, 12.0, id="grace"),
        pytest.param(None, 1000.0, id="detach"),
    ],
)
def test_what_becomes_of_a_run_whose_client_left(linger: float | None, expected: float) -> None:
    async def play(stage: Stage) -> None:
        await leaves(stage, Client(), after=5.0)
        assert await stage.over() == pytest.approx(expected, abs=0.1)
        record = await stage.runs.log.find(stage.live.head.run_id)
        assert record.status == ("completed" if linger is None else "cancelled")

    staged(asking(agent(says("Done.", first_delay=1000.0), **SILENT), linger=linger), play)


def test_one_who_comes_back_in_time_gets_the_rest() -> None:
    async def play(stage: Stage) -> None:
        client = Client()
        await leaves(stage, client, after=10.0)
        await anyio.sleep(6.0)
        got = frames(client.body)
        seq = int(str(got[-1].id).rpartition(":")[2])
        again = await call(stage.replay(seq), Client())
        assert await stage.over() == pytest.approx(30, abs=0.5)
        whole = await call(stage.replay(), Client())
        assert client.body + again.body == whole.body
        assert text(whole.body) == "Good evening to all."

    said = says("Good evening to all.", delay=7.5)
    staged(asking(agent(said, **SILENT), linger=7.0, mode=Mode()), play)


def test_a_watcher_keeps_a_run_alive_that_its_client_left() -> None:
    async def play(stage: Stage) -> None:
        watcher = Client()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, stage.replay(), watcher)
            await leaves(stage, Client(), after=5.0)
        assert text(watcher.body) == "Done."

    staged(asking(agent(says("Done.", first_delay=100.0), **SILENT)), play)


def test_a_cancelled_run_says_so_before_it_cleans_up() -> None:
    cleaned: list[float] = []

    async def events(run: Run) -> AsyncIterator[AnyEvent]:
        del run
        yield ToolRequested(agent_id="main", tool_id="c", tool_name="t", arguments="{}")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.move_on_after(5, shield=True):
                await anyio.sleep(3)
            cleaned.append(anyio.current_time())

    async def play(stage: Stage) -> None:
        client, moments = Client(), []
        client.got = lambda _: moments.append(anyio.current_time() - stage.begun)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, stage.answer(), client)
            await anyio.sleep(10)
            await stage.live.cancel(CANCELLED)
            await stage.live.cancel(CANCELLED)
        assert (moments[-1], codes(client)) == (pytest.approx(10, abs=0.1), ["run_cancelled"])
        await stage.over()
        assert cleaned == [pytest.approx(13, abs=0.1)]
        assert [type(event) for event in await stage.events()] == [
            ToolRequested,
            ToolCompleted,
            RunFailed,
            RunCompleted,
        ]

    staged(task(events), play)


def test_a_run_that_is_over_stays_as_it_is() -> None:
    async def play(stage: Stage) -> None:
        client = await call(stage.answer(), Client())
        await stage.live.cancel(CANCELLED)
        assert codes(client) == []
        record = await stage.runs.log.find(stage.live.head.run_id)
        assert (record.status, record.reason) == ("completed", "stop")

    staged(asking(agent(says("Hi."))), play)
