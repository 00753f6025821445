"""Runs in files: what is remembered of them, what a slow or full disk does, which ones go."""

from __future__ import annotations

import errno
import gc
import os
import threading
import tracemalloc
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from aura.events import RunCompleted
from aura.runs.directory import UNSYNCED
from aura.runs.files import Reader, Writer
from aura.runs.lines import entry_line
from aura.runs.log import Missing
from aura.runs.room import OLDEST, Room
from tests.support.eventually import eventually
from tests.support.runs import FIRST, begun, directory, finished, head, numbered, read, says
from tests.support.sources import NEW_YEAR

pytestmark = pytest.mark.anyio

HELD = 500_000
"""Bytes that the log may hold: what it remembers of the files that go next takes half of them."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Disk:
    """Takes so many bytes, and no more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(descriptor, data[: self.room])
        self.room -= written
        return written


def copies(path: Path, run_id: str, count: int) -> None:
    """As many runs of the same owner as that one, with ids that are older."""
    data = (path / f"{run_id}.jsonl").read_bytes()
    for number in range(count):
        copy = f"a{number:0{len(run_id) - 1}}"
        (path / f"{copy}.jsonl").write_bytes(data.replace(run_id.encode(), copy.encode()))


async def test_nothing_is_remembered_of_files_that_nobody_asks_about(tmp_path: Path) -> None:
    async with directory(tmp_path) as log:
        await finished(log, "run_000001", "Hi.")
    copies(tmp_path, "run_000001", 6000)
    async with directory(tmp_path, most_bytes=10**9) as log:
        tracemalloc.start()
        try:
            assert len(await log.list("owner", limit=5)) == 5
            assert await log.list("owner", limit=5, session="another") == []
            await log.prune()
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < HELD


async def test_runs_are_listed_by_owner_and_session_from_their_files(tmp_path: Path) -> None:
    async with directory(tmp_path) as log:
        for number in range(9):
            owner, session = 'one "quoted"' if number % 2 else "two", f"cs_{number // 3}"
            story = await begun(log, f"run_{number}", owner=owner, session=session)
            await story.end()
    async with directory(tmp_path) as log:

        async def listed(owner: str, **given: str) -> list[str]:
            found = await log.list(owner, limit=3, **given)
            return [record.head.run_id for record in found]

        assert await listed("two") == ["run_8", "run_6", "run_4"]
        assert await listed("two", before="run_6") == ["run_4", "run_2", "run_0"]
        assert await listed('one "quoted"', session="cs_1") == ["run_5", "run_3"]
        assert await listed("cs_1") == []


async def test_runs_that_another_process_removes_are_missing_at_once(tmp_path: Path) -> None:
    async with directory(tmp_path) as theirs:
        await finished(theirs, "run_1", "Hi.")
    async with directory(tmp_path) as ours:
        assert (await ours.find("run_1")).over
        (tmp_path / "run_1.jsonl").unlink()
        assert await ours.list("owner", limit=9) == []
        with pytest.raises(Missing):
            await ours.find("run_1")


async def test_an_interrupted_run_is_readable_while_its_end_cannot_be_written(
    tmp_path: Path,
) -> None:
    disk = Disk(room=10_000)
    async with directory(tmp_path) as log:
        story = await begun(log, "run_1")
        await story.tell(says("Hi."))
    before = (tmp_path / "run_1.jsonl").read_bytes()
    disk.room = 0
    with capture_logs() as lines:
        async with directory(tmp_path, write=disk.write) as log:
            unwritten = await read(log, "run_1"), await log.find("run_1")
            (listed,) = await log.list("owner", limit=9)
            (end,) = await read(log, "run_1", after=unwritten[1].next - 2)
        assert (tmp_path / "run_1.jsonl").read_bytes() == before
    assert listed == unwritten[1]
    assert (listed.status, end.event) == ("interrupted", unwritten[0][-1].event)
    assert [line["event"] for line in lines] == ["run cannot be given its end"]
    async with directory(tmp_path) as log:
        assert (await read(log, "run_1"), await log.find("run_1")) == unwritten


async def test_what_ends_a_run_that_goes_on_elsewhere_is_not_made_up(tmp_path: Path) -> None:
    async with directory(tmp_path) as theirs:
        story = await begun(theirs, "run_1")
        async with directory(tmp_path, write=Disk(room=0).write) as ours:
            assert (await ours.find("run_1")).status == "running"
            async with ours.tail("run_1", -1) as tail:
                assert list(await tail.batch()) == story.entries
                await story.end()
                assert list(await tail.batch()) == story.entries[1:]


@pytest.mark.parametrize("fits", [0, 1, 2])
def test_a_write_that_fails_takes_back_no_line_that_may_have_been_read(
    fits: int, tmp_path: Path
) -> None:
    """Of three lines that are appended at once so many fit, and half of the next one."""
    entries = numbered([FIRST, says("a"), says("b")])
    lines = [entry_line(entry) for entry in entries]
    disk = Disk(room=10_000)
    writer = Writer(tmp_path / "run_1.jsonl", head("run_1"), write=disk.write)
    reader = Reader(tmp_path / "run_1.jsonl")
    disk.room = len(b"".join(lines[:fits])) + len(lines[fits]) // 2
    with pytest.raises(OSError, match="space"):
        writer.append(b"".join(lines))
    assert (tmp_path / "run_1.jsonl").read_bytes().endswith(b"\n")
    assert reader.read() == entries[:fits]
    for each in (reader, writer):
        each.close()


async def test_closing_a_run_waits_for_no_disk(tmp_path: Path) -> None:
    works = threading.Event()
    runs = UNSYNCED + 9

    def sync(descriptor: int) -> None:
        works.wait()

    with capture_logs() as lines:
        async with directory(tmp_path, sync=sync) as log:
            with anyio.move_on_after(10) as patience:
                for number in range(runs):
                    await finished(log, f"run_{number}", "Hi.")
            try:
                assert not patience.cancelled_caught
                assert log.unsynced == UNSYNCED
            finally:
                works.set()
            await eventually(lambda: log.unsynced == 0)
            assert len(await log.list("owner", limit=runs)) == runs
    assert [line["event"] for line in lines] == ["runs may not outlast a power loss"]


def add(path: Path, number: int) -> None:
    file = path / f"run_{number:05}"
    file.write_bytes(b"x" * 10)
    os.utime(file, (NEW_YEAR + number, NEW_YEAR + number))


def room(path: Path, *, most_bytes: int = 0, lifetime: float = 0.0, stays: str = "") -> Room:
    def remove(name: str) -> bool:
        if name == stays:
            return False
        (path / name).unlink(missing_ok=True)
        return True

    return Room(
        path,
        counts=lambda name: True,
        remove=remove,
        most_bytes=most_bytes,
        lifetime=lifetime,
        now=lambda: NEW_YEAR + 5000,
    )


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize("bounds", [{"most_bytes": 70}, {"lifetime": 5000 - OLDEST - 93 + 0.5}])
def test_the_oldest_files_go_even_when_there_are_very_many(
    bounds: dict[str, float], tmp_path: Path
) -> None:
    for number in range(OLDEST + 100):
        add(tmp_path, number)
    room(tmp_path, **bounds).make(0, thorough=True)  # type: ignore[arg-type]
    assert names(tmp_path) == [f"run_{OLDEST + 93 + number:05}" for number in range(7)]


def test_files_that_came_after_a_look_at_the_directory_go_as_well(tmp_path: Path) -> None:
    kept = room(tmp_path, most_bytes=30)
    for number in range(100):
        add(tmp_path, number)
        kept.add(10)
        kept.make(0, thorough=False)
        assert len(names(tmp_path)) == min(number + 1, 3)
    assert names(tmp_path) == ["run_00097", "run_00098", "run_00099"]


def test_a_file_that_cannot_be_removed_is_no_harm_to_the_others(tmp_path: Path) -> None:
    for number in range(9):
        add(tmp_path, number)
    kept = room(tmp_path, most_bytes=30, stays="run_00001")
    kept.make(0, thorough=True)
    assert names(tmp_path) == ["run_00001", "run_00007", "run_00008"]
    room(tmp_path, most_bytes=1, stays="run_00001").make(0, thorough=True)
    assert names(tmp_path) == ["run_00001"]


def test_what_this_process_writes_takes_room_from_the_others(tmp_path: Path) -> None:
    for number in range(9):
        add(tmp_path, number)
    room(tmp_path, most_bytes=50).make(30, thorough=True)
    assert names(tmp_path) == ["run_00007", "run_00008"]


async def test_a_run_that_goes_on_is_never_removed(tmp_path: Path) -> None:
    async with directory(tmp_path) as theirs:
        story = await begun(theirs, "run_1")
        os.utime(tmp_path / "run_1.jsonl", (0, 0))
        async with directory(tmp_path, lifetime=10.0, most_bytes=1) as ours:
            await ours.prune()
            await theirs.prune()
            assert (await ours.find("run_1")).status == "running"
            await story.tell(RunCompleted())
            await theirs.close("run_1")
            await eventually(lambda: theirs.unsynced == 0)
            os.utime(tmp_path / "run_1.jsonl", (0, 0))
            await ours.prune()
            assert names(tmp_path) == []
