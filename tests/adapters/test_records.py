"""What runs of teams leave behind on disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fcntl import LOCK_SH, flock
from pathlib import Path

import anyio
import msgspec
import pytest
import structlog
from structlog.testing import capture_logs
from syrupy.assertion import SnapshotAssertion

from aura.adapters.models.scripted import Call
from aura.adapters.records.record import FileRecord, FileRecords
from aura.events import COORDINATOR, AnyEvent, RunFailed
from aura.pipeline.answered import answer
from aura.pipeline.compose import opened
from aura.pipeline.ports import User
from aura.pipeline.run import Sources, open_run
from aura.pipeline.team import Team
from tests.support.sources import fixed_sources
from tests.support.teams import (
    Play,
    adds,
    asks_back,
    calls,
    fails,
    golden,
    parallel,
    plans,
    played,
    requests,
    responds,
    says,
    submits,
    task,
)

pytestmark = pytest.mark.anyio

RUNS = [f"run_{number:032d}" for number in range(9)]
SUM = [adds(2, 3, _aura_reasoning="sum"), submits("2+3=5", "5")]


@asynccontextmanager
async def records(root: Path, *, most_runs: int = 20) -> AsyncIterator[FileRecords]:
    async with anyio.create_task_group() as tasks:
        kept = FileRecords(root, most_runs=most_runs, tasks=tasks)
        yield kept
        await kept.quiet()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def record(
    kept: FileRecords, run_id: str, session_id: str = "s1"
) -> AsyncIterator[FileRecord]:
    async with anyio.create_task_group() as tasks:
        log = structlog.get_logger()
        with kept.open(session_id=session_id, run_id=run_id, tasks=tasks, log=log) as one:
            yield one


async def ask(
    root: Path, play: Play, *, owner: str = "", session_id: str = "s1", **policy: object
) -> list[AnyEvent]:
    async with records(root) as kept:
        team = golden(play, records=kept, **policy)
        return await played(play, team, owner=owner, session_id=session_id, sources=ids(root))


def ids(root: Path) -> Sources:
    """Sources whose runs are numbered on, over all calls of a test."""
    before = len(list(root.glob("*/run_*")))
    fixed = fixed_sources()

    def numbered(prefix: str) -> str:
        return RUNS[before] if prefix == "run_" else fixed.ids(prefix)

    return replace(fixed, ids=numbered)


def files(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not path.is_dir() or path.is_symlink()
    )


def runs(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("s1/run_*"))


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def modes(root: Path) -> set[int]:
    """What others may do with any of it."""
    return {path.lstat().st_mode & 0o077 for path in root.rglob("*") if not path.is_symlink()}


def manifest(root: Path, run: int = 0) -> dict[str, object]:
    [path] = root.glob(f"*/{RUNS[run]}/manifest.json")
    decoded: dict[str, object] = msgspec.json.decode(path.read_bytes())
    return decoded


def addition(*after: object) -> Play:
    return Play([plans("G", task("Add")), *after], {"Add": SUM})  # type: ignore[list-item]


async def test_a_single_task(tmp_path: Path, events: SnapshotAssertion) -> None:
    await ask(tmp_path, addition(responds("5", summary="Sum is 5")))
    assert files(tmp_path) == events
    assert manifest(tmp_path) == events
    run = tmp_path / "s1" / RUNS[0]
    for name in ("plan.json", "task-0.attempt-1.result.json", "task-0.attempt-1.tool-calls.jsonl"):
        assert (run / "iteration-1" / name).read_text() == events
    assert (tmp_path / "s1" / "latest").resolve() == run


async def test_all_that_a_run_was_asked_and_said(tmp_path: Path, events: SnapshotAssertion) -> None:
    play = addition(responds("5"))
    await ask(tmp_path, play, journal=True)
    run = tmp_path / "s1" / RUNS[0]
    assert (run / "iteration-1" / "routing-2.json").read_text() == events
    journal = (run / "prompt-journal.md").read_text()
    assert journal.count("### Prompt") == 3
    assert all(prompt.messages[-1].text in journal for prompt in (play.asked[0], play.asked[1]))


async def test_another_plan(tmp_path: Path, events: SnapshotAssertion) -> None:
    again = plans("G2", task("Look up k", "lookup"))
    workers = {"Add": [adds(1, 1), fails("boom 500")], "Look up k": [submits("k", "v")]}
    await ask(tmp_path, Play([plans("G", task("Add")), again, responds("v")], workers))
    assert manifest(tmp_path) == events
    plan = tmp_path / "s1" / RUNS[0] / "iteration-1" / "plan.json"
    assert plan.read_text() == events


@pytest.mark.parametrize(
    ("play", "status", "mode"),
    [
        (Play([responds("R" * 300)]), "success", "direct_answer"),
        (Play([asks_back("Which one?")]), "success", "clarification"),
        (Play([fails("boom")]), "error", None),
        (Play([plans("G", task("A"))], {"A": [fails("no", status=401)]}), "failed", "routed"),
        (
            Play(
                [plans("G", parallel(task("A"), task("B"))), responds("half")],
                {"A": SUM, "B": [fails("boom")]},
            ),
            "partial_success",
            "orchestrated",
        ),
    ],
    ids=["direct", "clarification", "error", "failed", "partial"],
)
async def test_how_runs_end(tmp_path: Path, play: Play, status: str, mode: str | None) -> None:
    await ask(tmp_path, Play(play.coordinator, play.workers))
    found = manifest(tmp_path)
    assert (found["status"], found.get("routing_mode")) == (status, mode)


async def test_a_run_that_is_left(tmp_path: Path) -> None:
    slow = {"A": [calls(Call(name="slow"))], "B": SUM}
    play = Play([plans("G", parallel(task("A", "lookup"), task("B")))], slow)
    async with records(tmp_path) as kept:
        await left_at(play, golden(play, records=kept), "TaskCompleted", tmp_path)
    found = manifest(tmp_path)
    assert found["status"] == "cancelled"
    assert [each["status"] for each in found["task_summaries"]] == ["running", "complete"]  # type: ignore[index,attr-defined]


async def test_a_run_that_takes_too_long(tmp_path: Path) -> None:
    play = Play([plans("G", task("A", "lookup"))], {"A": [calls(Call(name="slow"))]})
    late = RunFailed(code="request_timeout", message="Late.", status=504, retryable=True)
    async with records(tmp_path) as kept:
        await left_at(play, golden(play, records=kept), "WorkerToolStarted", tmp_path, late)
    assert manifest(tmp_path)["status"] == "timeout"


async def left_at(
    play: Play, team: Team, kind: str, root: Path, fate: RunFailed | None = None
) -> None:
    async with (
        open_run(session_id="s1", sources=ids(root)) as run,
        opened(answer(team, (User("Q"),), run)) as happened,
    ):
        async for event in happened:
            play.seen(event)
            if type(event).__name__ == kind:
                run.fate.extend([fate] if fate else [])
                return


async def test_a_run_that_goes_on_says_so(tmp_path: Path) -> None:
    play = Play([plans("G", task("A"))], {"A": [calls(Call(name="slow"))]})
    async with records(tmp_path) as kept:
        team = golden(play, records=kept)
        async with (
            open_run(session_id="s1", sources=ids(tmp_path)) as run,
            opened(answer(team, (User("Q"),), run)) as happened,
        ):
            async for event in happened:
                if type(event).__name__ == "TaskStarted":
                    await kept.quiet()
                    assert manifest(tmp_path)["status"] == "running"
                    break


async def test_long_results_and_outputs(tmp_path: Path) -> None:
    long = [calls(Call(name="long", arguments={"size": 600})), submits("s", "x" * 6000)]
    reads = calls(
        Call(name="read_artifact", arguments={"filename": "task-0-lookup-iter-1-result.txt"})
    )
    play = Play([plans("G", task("A", "lookup")), reads, responds("done")], {"A": long})
    await ask(tmp_path, play)
    artifacts = tmp_path / "s1" / RUNS[0] / "artifacts"
    assert {path.name: path.stat().st_size for path in artifacts.iterdir()} == {
        "task-0-lookup-iter-1-result.txt": 6000,
        "task-0-lookup-iter-1-long-0-output.txt": 600,
    }
    told = requests(play, "lookup")[1][1]
    assert told.endswith("[Tool output saved to artifact: task-0-lookup-iter-1-long-0-output.txt]")
    assert "x" * 6000 in requests(play, COORDINATOR)[2][1]
    assert manifest(tmp_path)["artifact_paths"] == [
        "task-0-lookup-iter-1-result.txt",
        "task-0-lookup-iter-1-long-0-output.txt",
    ]


async def test_the_next_request_of_a_session(tmp_path: Path, events: SnapshotAssertion) -> None:
    await ask(tmp_path, addition(responds("5", summary="Sum is 5")))
    play = Play([calls(Call(name="list_prior_runs")), *addition(responds("again")).coordinator])
    play.workers = {"Add": SUM}
    await ask(tmp_path, play)
    system = play.asked[0].system
    assert system[system.index("## Earlier") :] == events
    assert requests(play, COORDINATOR)[1][1] == events
    assert all("Sum is 5" not in str(prompt) for prompt in play.asked_of("math"))


@pytest.mark.parametrize(
    ("other", "told"),
    [({}, True), ({"owner": "somebody"}, False), ({"session_id": "s2"}, False)],
    ids=["same", "other caller", "other session"],
)
async def test_who_is_told_of_a_session(tmp_path: Path, other: dict[str, str], told: bool) -> None:
    await ask(tmp_path, addition(responds("5", summary="Sum is 5")))
    play = Play([responds("Hi")])
    await ask(tmp_path, play, **other)
    assert ("Sum is 5" in play.asked[0].system) is told


async def test_no_history_if_none_is_wanted(tmp_path: Path) -> None:
    await ask(tmp_path, addition(responds("5", summary="Sum is 5")))
    play = Play([responds("Hi")])
    await ask(tmp_path, play, history_turns=0)
    assert "Sum is 5" not in play.asked[0].system


async def test_an_artifact_of_an_earlier_run(tmp_path: Path) -> None:
    long = Play([plans("G", task("A")), responds("done")], {"A": [submits("s", "y" * 5000)]})
    await ask(tmp_path, long)
    name = {"filename": "task-0-math-iter-1-result.txt"}
    earlier = Call(name="read_artifact", arguments={**name, "run_id": RUNS[0]})
    unknown = Call(name="read_artifact", arguments={**name, "run_id": "run_x"})
    outside = Call(name="read_artifact", arguments={"filename": "../manifest.json"})
    play = Play([calls(earlier, unknown, outside), responds("read")])
    await ask(tmp_path, play)
    first, second, third = [message.text for message in play.asked[1].messages[-3:]]
    assert "y" * 5000 in first
    assert '"found":false' in second
    assert "not the name of an artifact" in third


async def test_the_oldest_runs_give_way(tmp_path: Path) -> None:
    async with records(tmp_path, most_runs=3) as kept:
        for run_id in RUNS[:5]:
            async with record(kept, run_id) as one:
                one.keep("manifest.json", b"{}")
                await one.settled(5)
    assert runs(tmp_path) == RUNS[2:5]


async def test_a_run_that_goes_on_does_not_give_way(tmp_path: Path) -> None:
    async with records(tmp_path, most_runs=1) as kept, record(kept, RUNS[0]) as first:
        await first.settled(5)
        async with record(kept, RUNS[1]) as second:
            await second.settled(5)
        assert runs(tmp_path) == RUNS[:2]


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    await ask(tmp_path / "kept", addition(responds("5")))
    assert modes(tmp_path / "kept") == {0}


@pytest.mark.parametrize("session_id", ["scratchpad", "a/../b", "..", "ä" * 50])
async def test_a_session_with_an_odd_name(tmp_path: Path, session_id: str) -> None:
    await ask(tmp_path, Play([responds("Hi")]), session_id=session_id)
    assert not names(tmp_path) & {"scratchpad", ".."}
    assert manifest(tmp_path)["session_id"] == session_id


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    async with records(tmp_path / "kept") as kept, record(kept, RUNS[0]) as one:
        one.keep("artifacts/a.txt", b"a")
        await one.settled(5)
        link = tmp_path / "kept" / "s1" / RUNS[0] / "artifacts" / "b.txt"
        link.symlink_to(tmp_path / "secret")
        assert await one.read("artifacts/a.txt") == b"a"
        with pytest.raises(OSError, match="symbolic"):
            await one.read("artifacts/b.txt")
        assert await one.read("artifacts/../manifest.json") is None
        assert await one.read("artifacts/a.txt", "../other") is None


async def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with capture_logs() as logs:
        happened = await ask(tmp_path / "kept", addition(responds("5")))
    assert type(happened[-1]).__name__ == "RunCompleted"
    [said] = [each for each in logs if "record" in each["event"]]
    assert said["error"] == "File exists"


async def test_a_directory_that_somebody_else_locked(tmp_path: Path) -> None:
    async with records(tmp_path, most_runs=1) as kept:
        async with record(kept, RUNS[0]) as one:
            await one.settled(5)
        descriptor = os.open(tmp_path / "s1" / RUNS[0], os.O_RDONLY)
        flock(descriptor, LOCK_SH)
        async with record(kept, RUNS[1]) as two:
            await two.settled(5)
        os.close(descriptor)
    assert (tmp_path / "s1" / RUNS[0]).is_dir()


async def test_text_is_no_decision_in_the_record(tmp_path: Path) -> None:
    await ask(tmp_path, Play([says("hm"), responds("Hi")]))
    path = tmp_path / "s1" / RUNS[0] / "iteration-1" / "routing-1.json"
    roles = [each["role"] for each in msgspec.json.decode(path.read_bytes())["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "tool"]
