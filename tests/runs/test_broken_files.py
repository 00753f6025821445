"""Files that cannot be read, or not be closed: what becomes of their runs and of the others."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from aura.events import RunCompleted
from aura.runs.log import Missing, Trimmed
from tests.support.eventually import eventually
from tests.support.runs import begun, directory, finished, says
from tests.support.runs import read as all_of

pytestmark = pytest.mark.anyio
DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_run_whose_file_is_damaged_stays_away(tmp_path: Path) -> None:
    """The first and the last line can be read, those in between cannot."""
    async with directory(tmp_path) as log:
        await finished(log, "run_1", *"abc")
        await finished(log, "run_2", "d")
    file = tmp_path / "run_1.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"text":"b"', b'"text":{}'))
    with capture_logs() as lines:
        async with directory(tmp_path) as log:
            with pytest.raises(Trimmed):
                await all_of(log, "run_1")
            for _ in range(2):
                with pytest.raises(Missing):
                    await log.find("run_1")
                found = await log.list("owner", limit=9)
                assert [record.head.run_id for record in found] == ["run_2"]
    assert [line["event"] for line in lines] == ["run cannot be read"]
    assert file.exists()


async def test_a_file_that_cannot_be_closed_is_no_harm_to_other_runs(tmp_path: Path) -> None:
    """As on a file system that is not there any more."""
    with capture_logs() as lines:
        async with directory(tmp_path) as log:
            story = await begun(log, "run_1")
            lose(tmp_path / "run_1.jsonl")
            await story.tell(says("Hi."))
            await story.end()
            story = await begun(log, "run_2")
            await story.tell(RunCompleted())
            lose(tmp_path / "run_2.jsonl")
            await log.close("run_2")
            await eventually(lambda: log.unsynced == 0)
            await finished(log, "run_3", "Hi.")
            assert {record.status for record in await log.list("owner", limit=9)} == {"completed"}
            await begun(log, "run_4")
            lose(tmp_path / "run_4.jsonl")
    told = ["run is kept in memory only", "run may not outlast a power loss"]
    assert [line["event"] for line in lines] == told
    assert not descriptors(tmp_path)


def descriptors(folder: Path) -> dict[Path, int]:
    """The files in a folder that are open, by their descriptors."""
    found = {}
    for link in DESCRIPTORS.iterdir():
        with suppress(FileNotFoundError):  # that of the loop itself
            found[link.readlink()] = int(link.name)
    return {file: number for file, number in found.items() if file.parent == folder}


def lose(file: Path) -> None:
    os.close(descriptors(file.parent)[file])
