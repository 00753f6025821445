"""Runs that go on in other processes: one look at a time for everybody who reads them."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import anyio
import anyio.lowlevel
import msgspec
import pytest

from aura.events import RunCompleted
from aura.runs.entry import Entry
from aura.runs.log import Record
from aura.runs.watching import LONGEST, SHORTEST, Watches
from tests.support.eventually import eventually
from tests.support.runs import CHILD, Child, begun, directory, head, read
from tests.support.virtual import in_virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Elsewhere:
    """A run of another process, and the moments at which it was looked at."""

    def __init__(self) -> None:
        self.record = Record(head=head("run_1"))
        self.looks: list[float] = []

    async def find(self, run_id: str) -> Record:
        await anyio.lowlevel.checkpoint()
        self.looks.append(anyio.current_time())
        return self.record

    def grows(self, *, over: bool = False) -> None:
        self.record = msgspec.structs.replace(self.record, next=self.record.next + 1, over=over)


def test_looks_become_rare_while_nothing_comes_however_many_read() -> None:
    async def work() -> None:
        run, told = Elsewhere(), 0

        def tell() -> None:
            nonlocal told
            told += 1

        async with anyio.create_task_group() as tasks:
            watches = Watches(tasks, run.find)
            with ExitStack() as readers:
                for _ in range(10):
                    readers.enter_context(watches.on("run_1", tell))
                await anyio.sleep(10)
                pauses = [b - a for a, b in zip(run.looks, run.looks[1:], strict=False)]
                assert pauses[:4] == pytest.approx([SHORTEST, 0.1, 0.2, 0.4])
                assert pauses[4:] == pytest.approx([LONGEST] * len(pauses[4:]))
                assert told == 10
                run.grows()
                count = len(run.looks)
                await anyio.sleep(2 * LONGEST)
                assert told == 20
                saw, again, *_ = run.looks[count:]
                assert again - saw == pytest.approx(SHORTEST)
                assert len(watches) == 1
            assert len(watches) == 0
            looks = len(run.looks)
            await anyio.sleep(10)
            assert len(run.looks) == looks

    in_virtual_time(work)


def test_a_run_that_is_over_is_not_looked_at_any_more() -> None:
    async def work() -> None:
        run = Elsewhere()
        async with anyio.create_task_group() as tasks:
            with Watches(tasks, run.find).on("run_1", lambda: None) as watch:
                await anyio.sleep(3)
                run.grows(over=True)
                await anyio.sleep(LONGEST)
                assert watch.over
                looks = len(run.looks)
                await anyio.sleep(10)
                assert len(run.looks) == looks

    in_virtual_time(work)


async def test_every_reader_of_a_run_of_another_process_gets_all_of_it(tmp_path: Path) -> None:
    found: list[list[Entry]] = []
    async with directory(tmp_path) as log, anyio.create_task_group() as tasks:
        with Child(tmp_path) as child:

            async def reader(after: int) -> None:
                found.append(await read(log, CHILD, after))

            for _ in range(5):
                tasks.start_soon(reader, -1)
            await eventually(lambda: log.watched == 1)
            for _ in range(3):
                child.done("append 7")
                await anyio.lowlevel.checkpoint()
            child.done("end")
            await eventually(lambda: len(found) == 5)
            assert log.watched == 0
    assert found == [found[0]] * 5
    assert isinstance(found[0][-1].event, RunCompleted)
    assert len(found[0]) == 1 + 3 * 7 + 1


async def test_readers_hear_of_a_process_that_was_killed(tmp_path: Path) -> None:
    found: list[Entry] = []
    async with directory(tmp_path) as log, anyio.create_task_group() as tasks:
        with Child(tmp_path) as child:

            async def reader() -> None:
                found.extend(await read(log, CHILD))

            child.done("append 3")
            tasks.start_soon(reader)
            await eventually(lambda: log.watched == 1)
            child.kill()
            await eventually(lambda: bool(found))
        assert (await log.find(CHILD)).status == "interrupted"
    assert [entry.seq for entry in found[:5]] == [0, 1, 2, 3, 4]


async def test_readers_who_leave_are_not_looked_for(tmp_path: Path) -> None:
    async with directory(tmp_path) as theirs, directory(tmp_path) as ours:
        await begun(theirs, "run_1")
        async with ours.tail("run_1", -1) as tail, anyio.create_task_group() as tasks:
            await tail.batch()
            tasks.start_soon(tail.batch)
            await eventually(lambda: ours.watched == 1)
            tail.wake()
        assert ours.watched == 0


async def test_a_log_ends_while_somebody_still_reads_what_others_write(tmp_path: Path) -> None:
    with anyio.fail_after(10):
        async with directory(tmp_path) as theirs, AsyncExitStack() as reader:
            await begun(theirs, "run_1")
            async with directory(tmp_path) as ours:
                tail = await reader.enter_async_context(ours.tail("run_1", -1))
                await tail.batch()
                tail.wake()
                await tail.batch()
                assert ours.watched == 1
