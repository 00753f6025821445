"""What every run log has to do, and what each of them does about its bounds."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import structlog
from structlog.testing import capture_logs

from aura.errors import ConfigError
from aura.events import CompletionStarted, RunCompleted, TextDelta, ToolCompleted
from aura.runs.directory import DirectoryLog, open_directory
from aura.runs.entry import Entry
from aura.runs.log import Missing, RunLog, Trimmed
from aura.runs.memory import MemoryLog
from tests.support.runs import head, numbered, says
from tests.support.sources import NEW_YEAR

pytestmark = pytest.mark.anyio

ENTRIES = numbered(
    [
        CompletionStarted(agent_id="main", index=0),
        says("One."),
        ToolCompleted(
            agent_id="main", tool_id="c", tool_name="t", duration_ms=1, success=True, result="x"
        ),
        says("Two."),
        RunCompleted(reason="stop"),
    ]
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def memory(**bounds: float) -> MemoryLog:
    given = {"most_bytes": 10**6, "lifetime": 0.0, **bounds}
    return MemoryLog(clock=lambda: NEW_YEAR, **given)  # type: ignore[arg-type]


@asynccontextmanager
async def directory(
    path: Path, *, recent: MemoryLog | None = None, now: float = NEW_YEAR, **bounds: float
) -> AsyncIterator[DirectoryLog]:
    given = {"most_bytes": 0, "lifetime": 0.0, **bounds}
    with capture_logs() as lines:
        async with open_directory(
            path,
            memory=recent or memory(),
            now=lambda: now,
            log=structlog.get_logger(),
            **given,  # type: ignore[arg-type]
        ) as log:
            yield log
    assert not [line for line in lines if line["log_level"] in ("warning", "error")]


@asynccontextmanager
async def either(kind: str, path: Path) -> AsyncIterator[RunLog]:
    if kind == "memory":
        yield memory()
    else:
        async with directory(path / "runs") as log:
            yield log


each = pytest.mark.parametrize("kind", ["memory", "directory"])


def names_in(path: Path) -> list[str]:
    return sorted(file.stem for file in path.iterdir())


async def kept(log: RunLog, run_id: str, entries: list[Entry]) -> None:
    await log.begin(head(run_id))
    for entry in entries:
        await log.append(run_id, (entry,))
    if isinstance(entries[-1].event, RunCompleted):
        await log.close(run_id)


def tear(file: Path) -> None:
    """As when a process dies in the middle of a line."""
    with file.open("ab") as torn:
        torn.write(b'{"seq":4,"at":0.')


async def read(log: RunLog, run_id: str, after: int = -1) -> list[Entry]:
    found: list[Entry] = []
    async with log.tail(run_id, after) as tail:
        while not found or not isinstance(found[-1].event, RunCompleted):
            found += await tail.batch()
    return found


@each
async def test_a_run_is_read_from_behind_any_frame(kind: str, tmp_path: Path) -> None:
    async with either(kind, tmp_path) as log:
        await kept(log, "run_1", ENTRIES)
        for after in range(-1, ENTRIES[-1].last):
            behind = [entry for entry in ENTRIES if max(entry.last, entry.seq) > after]
            assert await read(log, "run_1", after) == behind


@each
async def test_readers_are_told_of_what_is_new(kind: str, tmp_path: Path) -> None:
    async with either(kind, tmp_path) as log, anyio.create_task_group() as tasks:
        await kept(log, "run_1", ENTRIES[:2])
        found: list[list[Entry]] = []

        async def reader(after: int) -> None:
            found.append(await read(log, "run_1", after))

        for after in (-1, 0):
            tasks.start_soon(reader, after)
        await anyio.wait_all_tasks_blocked()
        async with log.tail("run_1", 0) as tail:
            tail.wake()
            assert list(await tail.batch()) == []
        for entry in ENTRIES[2:]:
            await log.append("run_1", (entry,))
            await anyio.wait_all_tasks_blocked()
        await log.close("run_1")
    assert sorted(map(len, found)) == [len(ENTRIES) - 2, len(ENTRIES)]


@each
async def test_runs_are_found_and_listed_by_owner(kind: str, tmp_path: Path) -> None:
    async with either(kind, tmp_path) as log:
        for number in (1, 2, 3):
            await kept(log, f"run_{number}", ENTRIES if number < 3 else ENTRIES[:2])
        record = await log.find("run_1")
        assert (record.status, record.reason, record.next) == ("completed", "stop", 8)
        assert (await log.find("run_3")).status == "running"
        owner = head("run_1").owner
        listed = [each.head.run_id for each in await log.list(owner, limit=2)]
        assert listed == ["run_3", "run_2"]
        listed = [each.head.run_id for each in await log.list(owner, limit=9, before="run_2")]
        assert listed == ["run_1"]
        assert await log.list("somebody else", limit=9) == []
        with pytest.raises(Missing):
            await log.find("run_4")


async def test_memory_forgets_finished_runs_first_and_then_beginnings() -> None:
    log = memory(most_bytes=5000)
    await kept(log, "run_1", ENTRIES)
    await log.begin(head("run_2"))
    texts = numbered([says("x" * 100) for _ in range(50)])
    for entry in texts:
        await log.append("run_2", (entry,))
        assert log.size <= 5000
    with pytest.raises(Missing) as missing:
        await log.find("run_1")
    assert missing.value.expired
    begins = (await log.find("run_2")).begins
    assert begins > 0
    with pytest.raises(Trimmed):
        async with log.tail("run_2", begins - 2):
            pass
    async with log.tail("run_2", begins - 1) as tail:
        assert list(await tail.batch()) == texts[begins:]


async def test_memory_forgets_what_is_too_old() -> None:
    now = 0.0
    log = MemoryLog(most_bytes=10**6, lifetime=10.0, clock=lambda: now)
    await kept(log, "run_1", ENTRIES)
    await kept(log, "run_2", ENTRIES[:2])
    now = 9.9
    assert await read(log, "run_1") == ENTRIES
    now = 10.0
    with pytest.raises(Missing):
        await log.find("run_1")
    assert (await log.find("run_2")).status == "running"


async def test_a_reader_who_is_too_far_behind_is_told() -> None:
    log = memory(most_bytes=2000)
    await log.begin(head("run_1"))
    async with log.tail("run_1", -1) as tail:
        for entry in numbered([says("x" * 100) for _ in range(50)]):
            await log.append("run_1", (entry,))
        with pytest.raises(Trimmed):
            await tail.batch()


async def test_files_are_for_nobody_else(tmp_path: Path) -> None:
    async with directory(tmp_path / "deep" / "runs") as log:
        await kept(log, "run_1", ENTRIES)
        [name] = names_in(tmp_path / "deep" / "runs")
        file = tmp_path / "deep" / "runs" / f"{name}.jsonl"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_run_that_was_not_over_is_found_interrupted(tmp_path: Path) -> None:
    async with directory(tmp_path) as log:
        await kept(log, "run_1", ENTRIES[:4])
    file = tmp_path / "run_1.jsonl"
    tear(file)
    async with directory(tmp_path) as log:
        assert (await log.find("run_1")).status == "interrupted"
        found = await read(log, "run_1")
    assert found[:4] == ENTRIES[:4]
    assert [entry.seq for entry in found[1:]] == [e.last + 1 for e in found[:-1]]
    assert file.read_bytes().count(b"\n") == len(found) + 1


async def test_what_memory_has_trimmed_is_read_from_the_file(tmp_path: Path) -> None:
    texts = numbered([says(f"{number} " * 20) for number in range(60)] + [RunCompleted()])
    async with directory(tmp_path, recent=memory(most_bytes=3000)) as log:
        await log.begin(head("run_1"))
        for entry in texts[:-1]:
            await log.append("run_1", (entry,))
        async with log.tail("run_1", -1) as tail:
            found: list[Entry] = []
            while len(found) < len(texts) - 1:
                found += await tail.batch()
            await log.append("run_1", texts[-1:])
            found += await tail.batch()
        await log.close("run_1")
        assert found == texts
        for after in (-1, 0, 17, 55):
            assert await read(log, "run_1", after) == [e for e in texts if e.last > after]


async def test_a_file_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    async with directory(tmp_path) as mine:
        await kept(mine, "run_1", ENTRIES[:2])
        async with directory(tmp_path) as theirs:
            assert (await theirs.find("run_1")).status == "running"
        await mine.append("run_1", ENTRIES[2:])
        await mine.close("run_1")
        assert await read(mine, "run_1") == ENTRIES


@pytest.mark.parametrize(
    ("bounds", "now", "left"),
    [
        ({"lifetime": 100.0}, NEW_YEAR + 99, 3),
        ({"lifetime": 100.0}, NEW_YEAR + 103, 0),
        ({"most_bytes": 1000}, NEW_YEAR, 1),
    ],
)
async def test_files_are_removed_for_age_and_for_room(
    bounds: dict[str, float], now: float, left: int, tmp_path: Path
) -> None:
    async with directory(tmp_path) as log:
        for number in (1, 2, 3):
            await kept(log, f"run_{number}", ENTRIES)
    for number in (1, 2, 3):
        over = NEW_YEAR + number
        os.utime(tmp_path / f"run_{number}.jsonl", (over, over))
    async with directory(tmp_path, now=now, **bounds) as log:
        await log.prune()
        assert names_in(tmp_path) == ["run_1", "run_2", "run_3"][3 - left :]
        for number in (1, 2, 3)[: 3 - left]:
            with pytest.raises(Missing) as missing:
                await log.find(f"run_{number}")
            assert missing.value.expired


async def test_a_place_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--run-log"):
        async with directory(tmp_path / "file"):
            pass


def test_the_longest_text_counts_for_what_it_takes() -> None:
    texts = numbered([TextDelta(agent_id="main", text="x" * 1000)])
    log = memory()

    async def work() -> None:
        await kept(log, "run_1", texts)

    anyio.run(work)
    assert 1000 < log.size < 2000
