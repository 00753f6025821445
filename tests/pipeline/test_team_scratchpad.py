"""Workers whose tools give more than fits into a conversation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aura.adapters.models.scripted import Call
from aura.events import (
    AnyEvent,
    ScratchpadStored,
    ScratchpadUsage,
    TaskCompleted,
    WorkerToolStarted,
)
from aura.pipeline.team import Team
from tests.support.scratchpads import scratchpads
from tests.support.teams import (
    Play,
    calls,
    golden,
    plans,
    played,
    requests,
    responds,
    submits,
    task,
)
from tests.support.tools import ScriptedToolbox

pytestmark = pytest.mark.anyio

LONG = calls(Call(name="long", arguments={"size": 20_000}))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests load the vocabulary on the event loop."""


def exploring(play: Play, root: Path) -> Team:
    """The golden team; `lookup` has a scratchpad for results of 100 tokens and more."""
    team = golden(play)
    math, lookup = team.workers
    toolbox = ScriptedToolbox(play.tools("long", "get"), large={"long": 100})
    pads = scratchpads(root)
    agent = replace(lookup.agent, scratchpads=pads, toolset=toolbox)
    return replace(team, workers=(math, replace(lookup, agent=agent)))


def of(kind: type[AnyEvent], events: list[AnyEvent]) -> list[AnyEvent]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_large_result_of_a_worker(tmp_path: Path) -> None:
    heads = calls(Call(name="head", arguments={"file": "unknown", "lines": 1}))
    play = Play(
        [plans("G", task("A", "lookup")), responds("done")],
        {"A": [LONG, heads, submits("s", "long")]},
    )
    happened = await played(play, exploring(play, tmp_path))
    [stored] = of(ScratchpadStored, happened)
    assert isinstance(stored, ScratchpadStored)
    assert stored.file.startswith("task_0-lookup-long-0-")
    kinds = [type(event) for event in happened]
    assert kinds.index(ScratchpadStored) < kinds.index(ScratchpadUsage) < kinds.index(TaskCompleted)
    [usage] = of(ScratchpadUsage, happened)
    assert isinstance(usage, ScratchpadUsage)
    assert usage.agent_id == "lookup"
    started = [e.tool_name for e in happened if isinstance(e, WorkerToolStarted)]
    assert started == ["long", "submit_result"]
    assert "[scratchpad: the output of long was saved" in requests(play, "lookup")[1][1]
    assert "scratchpad" in play.asked_of("lookup")[0].system
    assert (
        "scratchpad"
        not in play.asked_of("math" if play.asked_of("math") else "coordinator")[0].system
    )


async def test_a_large_artifact_is_explored_too(tmp_path: Path) -> None:
    name = "task-0-math-iter-1-result.txt"
    reads = calls(Call(name="read_artifact", arguments={"filename": name}))
    play = Play(
        [plans("G", task("A"), task("B", "lookup")), responds("done")],
        {
            "A": [submits("s", "word " * 40_000)],
            "B": [reads, submits("s", "read")],
        },
    )
    await played(play, exploring(play, tmp_path))
    told = requests(play, "lookup")[1][1]
    assert f"[scratchpad: the output of {name} was saved" in told
    assert len(told) < 10_000


async def test_an_artifact_that_fits_is_shown(tmp_path: Path) -> None:
    name = "task-0-math-iter-1-result.txt"
    reads = calls(Call(name="read_artifact", arguments={"filename": name}))
    play = Play(
        [plans("G", task("A"), task("B", "lookup")), responds("done")],
        {"A": [submits("s", "word " * 1000)], "B": [reads, submits("s", "read")]},
    )
    await played(play, exploring(play, tmp_path))
    assert "word " * 1000 in requests(play, "lookup")[1][1]


async def test_two_tasks_of_a_worker_have_a_budget_each(tmp_path: Path) -> None:
    play = Play(
        [plans("G", task("A", "lookup"), task("B", "lookup")), responds("done")],
        {"A": [LONG, submits("s", "a")], "B": [LONG, submits("s", "b")]},
    )
    usages = of(ScratchpadUsage, await played(play, exploring(play, tmp_path)))
    assert len(usages) == 2
    assert usages[0] == usages[1]
