"""What holds for any plan, any order of completion and any bound on what runs at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.adapters.models.scripted import Reply
from aura.events import (
    COORDINATOR,
    AnyEvent,
    DirectAnswer,
    PlanCreated,
    TaskBlocked,
    TaskCompleted,
    TaskStarted,
    TextDelta,
    TurnUsage,
    Usage,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.pipeline.ports import Prompt
from tests.support.teams import (
    Play,
    adds,
    chain,
    fails,
    golden,
    parallel,
    plans,
    played,
    responds,
    submits,
    task,
    task_of,
)
from tests.support.virtual import in_virtual_time, virtual_sources


@st.composite
def steps(draw: st.DrawFn) -> list[object]:
    """The steps of a plan; their tasks have names of their own."""
    names = iter(range(100))

    def a_task() -> object:
        return task(f"T{next(names)}", draw(st.sampled_from(["math", "lookup"])))

    def group(depth: int) -> object:
        kind = draw(st.sampled_from(["task", "parallel", "chain"] if depth < 2 else ["task"]))
        if kind == "task":
            return a_task()
        items = [group(depth + 1) for _ in range(draw(st.integers(1, 3)))]
        return parallel(*items) if kind == "parallel" else chain(*items)

    return [group(0) for _ in range(draw(st.integers(1, 4)))]


def texts(found: object) -> list[str]:
    match found:
        case {"task": str(text)}:
            return [text]
        case {"items": list(items)} | {"steps": list(items)}:
            return [text for each in items for text in texts(each)]
        case list():
            return [text for each in found for text in texts(each)]
    return []


@dataclass
class Delayed(Play):
    """A play in which the turns of a task take their time."""

    delays: Mapping[str, float] = field(default_factory=dict)

    async def turn(self, prompt: Prompt) -> Reply:
        reply = await super().turn(prompt)
        await anyio.sleep(self.delays.get(task_of(prompt), 0.0))
        return reply


def performed(
    plan: list[object], failing: set[str], delays: dict[str, float], most: int
) -> list[AnyEvent]:
    workers = {
        text: [fails("boom")] if text in failing else [adds(1, 1), submits("s", f"of {text}")]
        for text in texts(plan)
    }

    async def work() -> list[AnyEvent]:
        play = Delayed([plans("G", *plan), responds("done")], workers, delays=delays)
        return await played(play, golden(play, parallel=most), sources=virtual_sources())

    return in_virtual_time(work)


@settings(max_examples=60, deadline=None)
@given(steps(), st.data())
def test_any_plan_ends(plan: list[object], data: st.DataObject) -> None:
    names = texts(plan)
    failing = data.draw(st.sets(st.sampled_from(names), max_size=2))
    delays = {name: data.draw(st.sampled_from([0.0, 0.1, 1.0])) for name in names}
    most = data.draw(st.sampled_from([0, 1, 2, 8]))
    events = performed(plan, failing, delays, most)
    [created] = [event for event in events if isinstance(event, PlanCreated)]
    needs = {each.task_id: set(each.dependencies) for each in created.graph}
    succeeded: set[int] = set()
    running: set[int] = set()
    ended: set[int] = set()
    for event in events:
        match event:
            case TaskStarted():
                assert needs[event.task_id] <= succeeded
                assert event.task_id not in running | ended
                running.add(event.task_id)
                assert not most or len(running) <= most
            case TaskCompleted():
                running.remove(event.task_id)
                ended.add(event.task_id)
                assert event.success is (event.result == f"of {names[event.task_id]}")
                if event.success:
                    succeeded.add(event.task_id)
            case WorkerToolStarted() | WorkerToolCompleted():
                assert event.task_id in running
    assert not running
    assert {number for number in needs if needs[number] <= succeeded} == ended
    blocked = [event.task_id for event in events if isinstance(event, TaskBlocked)]
    assert sorted(blocked) == sorted(set(needs) - ended)


@settings(max_examples=40, deadline=None)
@given(steps(), st.data())
def test_what_was_billed_is_what_was_reported(plan: list[object], data: st.DataObject) -> None:
    failing = data.draw(st.sets(st.sampled_from(texts(plan)), max_size=2))
    events = performed(plan, failing, {}, 8)
    turns = [event for event in events if isinstance(event, TurnUsage)]
    [usage] = [event for event in events if isinstance(event, Usage)]
    assert usage.prompt_tokens == sum(turn.prompt_tokens for turn in turns)
    assert usage.completion_tokens == sum(turn.completion_tokens for turn in turns)
    assert usage.total_tokens == sum(share.total_tokens for share in usage.by_agent)
    ends = [event for event in events if isinstance(event, TaskCompleted)]
    workers = [turn for turn in turns if turn.agent_id != COORDINATOR]
    shares = [share for end in ends for share in end.turns]
    assert sum(turn.prompt_tokens for turn in workers) == sum(s.prompt_tokens for s in shares)
    called = {event.tool_call_id for event in events if isinstance(event, WorkerToolStarted)}
    assert sorted(name for share in shares for name in share.tool_call_ids) == sorted(called)


@settings(max_examples=30, deadline=None)
@given(steps(), st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), min_size=24, max_size=24))
def test_any_order_of_completion_gives_the_same(plan: list[object], delays: list[float]) -> None:
    names = texts(plan)
    usual = performed(plan, set(), {}, 0)
    other = performed(plan, set(), dict(zip(names, delays, strict=False)), 0)

    def told(events: list[AnyEvent]) -> list[str]:
        return sorted(
            repr(_timeless(event))
            for event in events
            if isinstance(event, TaskStarted | TaskCompleted | WorkerToolCompleted | DirectAnswer)
        )

    assert told(usual) == told(other)
    assert _answer(usual) == _answer(other)


def _timeless(event: AnyEvent) -> AnyEvent:
    if isinstance(event, TaskCompleted | WorkerToolCompleted):
        return msgspec.structs.replace(event, duration_ms=0)
    return event


def _answer(events: list[AnyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
