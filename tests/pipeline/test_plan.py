"""From steps to tasks, and everything that can be wrong with either."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.events import PlannedTask
from aura.pipeline.plan import Fault, Plan, Rules, from_steps, from_tasks
from aura.pipeline.waves import Wave
from tests.support.teams import chain, parallel, task

RULES = Rules(workers=("math", "Lookup"))


def dependencies(*steps: object) -> list[tuple[int, ...]]:
    plan = from_steps("G", list(steps), RULES)
    assert isinstance(plan, Plan)
    return [each.dependencies for each in plan.tasks]


def faults(steps: object, rules: Rules = RULES) -> list[tuple[str, str]]:
    found = from_steps("G", steps, rules)
    assert isinstance(found, tuple)
    return [(each.path, each.code) for each in found]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([task("A")], [()]),
        ([task("A"), task("B")], [(), (0,)]),
        ([parallel(task("A"), task("B")), task("C")], [(), (), (0, 1)]),
        ([parallel(task("A"), chain(task("B"), task("C"))), task("D")], [(), (), (1,), (0, 2)]),
        ([task("A"), parallel(task("B"), task("C"))], [(), (0,), (0,)]),
        ([chain(task("A"), task("B")), task("C")], [(), (0,), (1,)]),
        ([parallel(task("A"))], [()]),
        ([{"parallel": [task("A"), task("B")]}, {"chain": [task("C")]}], [(), (), (0, 1)]),
        ([{"task": "A", "worker": "math"}], [()]),
    ],
)
def test_steps(steps: list[object], expected: list[tuple[int, ...]]) -> None:
    assert dependencies(*steps) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], [("steps", "empty_steps")]),
        ("A", [("steps", "empty_steps")]),
        ([parallel()], [("steps[0].items", "empty_group")]),
        ([chain()], [("steps[0].steps", "empty_group")]),
        (
            [parallel(chain(parallel(task("A"))))],
            [("steps[0].items[0].steps[0].items", "nesting_too_deep")],
        ),
        ([{"type": "reuse"}, 5], [("steps[0]", "unknown_type"), ("steps[1]", "unknown_type")]),
        ([{"type": "task", "worker": "math"}], [("steps[0]", "missing_task")]),
        ([task(" ")], [("steps[0]", "blank_task")]),
        ([{"type": "task", "task": "A"}], [("steps[0]", "missing_worker")]),
        ([parallel(task("A", "nope"))], [("steps[0].items[0]", "unknown_worker")]),
        ([task("A")] * 33, [("steps", "too_many_tasks")]),
    ],
)
def test_faulty_steps(steps: object, expected: list[tuple[str, str]]) -> None:
    assert faults(steps) == expected


def test_a_fault_names_the_workers_there_are() -> None:
    [fault] = from_steps("G", [task("A", "nope")], RULES)  # type: ignore[misc]
    assert isinstance(fault, Fault)
    assert fault.message == "There is no worker 'nope'; the workers are 'math', 'Lookup'."


def test_names_of_workers_in_another_case() -> None:
    plan = from_steps("G", [task("A", "MATH"), task("B", "lookup")], RULES)
    assert isinstance(plan, Plan)
    assert [each.worker for each in plan.tasks] == ["math", "Lookup"]


def test_without_workers_no_task_needs_one() -> None:
    plan = from_steps("G", [{"type": "task", "task": "A"}], Rules())
    assert isinstance(plan, Plan)
    assert plan.tasks[0].worker is None


def planned(task_id: int, *needs: int, text: str = "A") -> PlannedTask:
    return PlannedTask(task_id=task_id, description=text, worker="math", dependencies=needs)


@pytest.mark.parametrize(
    ("tasks", "code", "words"),
    [
        ([], "empty_steps", "at least one"),
        ([planned(1), planned(1)], "duplicate_id", "1"),
        ([planned(1, 2)], "unknown_dependency", "2"),
        ([planned(1, 1)], "self_dependency", "itself"),
        ([planned(1, 3), planned(2, 1), planned(3, 2)], "cycle", "1 -> 3 -> 2 -> 1"),
        ([planned(1, text=" ")], "blank_task", "blank"),
    ],
)
def test_faulty_tasks(tasks: list[PlannedTask], code: str, words: str) -> None:
    [fault] = from_tasks("G", tasks, RULES)  # type: ignore[misc]
    assert isinstance(fault, Fault)
    assert fault.code == code
    assert words in fault.message


def test_tasks_are_numbered_by_their_places() -> None:
    plan = from_tasks("G", [planned(7, 9), planned(9)], RULES)
    assert isinstance(plan, Plan)
    assert [(each.task_id, each.dependencies) for each in plan.tasks] == [(0, (1,)), (1, ())]


@st.composite
def graphs(draw: st.DrawFn) -> list[PlannedTask]:
    """Tasks that need some of those before them, in any order."""
    count = draw(st.integers(1, 8))
    tasks = [
        planned(number, *draw(st.sets(st.integers(0, number - 1), max_size=3)))
        if number
        else planned(number)
        for number in range(count)
    ]
    return draw(st.permutations(tasks))


@given(graphs(), st.integers(0, 3))
def test_every_graph_can_be_worked_off(tasks: list[PlannedTask], most: int) -> None:
    plan = from_tasks("G", tasks, RULES)
    assert isinstance(plan, Plan)
    wave, started = Wave(plan, most), []
    while ready := wave.launched():
        assert [each.task_id for each in ready] == sorted(each.task_id for each in ready)
        for each in ready:
            assert set(each.dependencies) <= set(started)
            assert not most or len(ready) <= most
        for each in ready:
            wave.ended(each.task_id, success=True)
        started += [each.task_id for each in ready]
    assert sorted(started) == list(range(len(tasks)))


@given(graphs(), st.data())
def test_a_circle_is_named(tasks: list[PlannedTask], data: st.DataObject) -> None:
    first, last = tasks[0], data.draw(st.sampled_from(tasks))
    looped = [
        PlannedTask(
            task_id=each.task_id,
            description="A",
            worker="math",
            dependencies=(*each.dependencies, last.task_id)
            if each is first
            else ((*each.dependencies, first.task_id) if each is last else each.dependencies),
        )
        for each in tasks
    ]
    found = from_tasks("G", looped, RULES)
    assert isinstance(found, tuple)
    assert {each.code for each in found} <= {"cycle", "self_dependency"}
