"""Plans: from the steps that a coordinator writes to tasks that need each other. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from aura.errors import PlanRejected
from aura.events import PlannedTask

DEEPEST: Final = 2
"""How many groups may be open at a time; further ones would be harder to read than to rewrite."""

_TYPES: Final = ("task", "parallel", "chain")


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with a plan: where, what kind, and what to do about it."""

    path: str
    code: str
    message: str


class Plan(msgspec.Struct, frozen=True):
    """A goal and the tasks on the way to it; their ids are their places."""

    goal: str
    tasks: tuple[PlannedTask, ...]

    def behind(self, task: PlannedTask) -> Iterator[int]:
        """The tasks that those needed which this one needs, the nearest first, each once."""
        seen = set(task.dependencies)
        waiting = deque(task.dependencies)
        while waiting:
            for number in self.tasks[waiting.popleft()].dependencies:
                if number not in seen:
                    seen.add(number)
                    waiting.append(number)
                    yield number


class Rules(msgspec.Struct, frozen=True):
    """What a plan has to keep to: the names of the workers, and how many tasks it may have."""

    workers: tuple[str, ...] = ()
    most_tasks: int = 32

    def worker(self, name: str) -> str | None:
        """The worker that is meant: by its name, or else by one that differs only in case."""
        if name in self.workers:
            return name
        alike = [each for each in self.workers if each.casefold() == name.casefold()]
        return alike[0] if alike else None


def from_steps(goal: str, steps: object, rules: Rules) -> Plan | tuple[Fault, ...]:
    """The plan that these steps mean, or everything that is wrong with them.

    The list is worked through from the top; `{"type": "parallel", "items": [...]}` are steps that
    need nothing of each other, `{"type": "chain", "steps": [...]}` a list within them. A step needs
    whatever ended the step before it.
    """
    reader = _Reader(rules)
    if not isinstance(steps, list) or not steps:
        return (Fault("steps", "empty_steps", "A plan needs at least one step."),)
    reader.sequence(steps, "steps", (), depth=0)
    if len(reader.tasks) > rules.most_tasks:
        text = f"The plan has {len(reader.tasks)} tasks; at most {rules.most_tasks} are allowed."
        reader.faults.append(Fault("steps", "too_many_tasks", f"{text} Join some of them."))
    return tuple(reader.faults) or Plan(goal, tuple(reader.tasks))


def explicit(goal: str, tasks: Sequence[PlannedTask], rules: Rules) -> Plan:
    """The plan of these tasks, which say by their ids which others they need. Raises
    `PlanRejected`."""
    found = from_tasks(goal, tasks, rules)
    if isinstance(found, Plan):
        return found
    raise PlanRejected("\n".join(f"{each.path}: {each.message}" for each in found))


def from_tasks(goal: str, tasks: Sequence[PlannedTask], rules: Rules) -> Plan | tuple[Fault, ...]:
    """A plan with explicit dependencies, numbered by their places, or everything wrong with it."""
    faults = [*_task_faults(tasks, rules)]
    places = {task.task_id: place for place, task in enumerate(tasks)}
    if len(places) == len(tasks) and not faults and (cycle := _cycle(tasks)):
        names = " -> ".join(map(str, cycle))
        faults.append(Fault("tasks", "cycle", f"The tasks need each other in a circle: {names}."))
    if faults:
        return tuple(faults)
    return Plan(
        goal,
        tuple(
            msgspec.structs.replace(
                task,
                task_id=place,
                worker=rules.worker(task.worker) if task.worker else None,
                dependencies=tuple(sorted({places[each] for each in task.dependencies})),
            )
            for place, task in enumerate(tasks)
        ),
    )


class _Reader:
    """Numbers the tasks of a tree of steps in the order in which they are written."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.tasks: list[PlannedTask] = []
        self.faults: list[Fault] = []

    def sequence(
        self, steps: Sequence[object], path: str, needs: tuple[int, ...], *, depth: int
    ) -> tuple[int, ...]:
        """Steps one after the other; gives the tasks that end the last one."""
        for place, step in enumerate(steps):
            needs = self._step(step, f"{path}[{place}]", needs, depth)
        return needs

    def _step(self, step: object, path: str, needs: tuple[int, ...], depth: int) -> tuple[int, ...]:
        fields = _tagged(step)
        match fields.get("type"):
            case "task":
                return self._task(fields, path, needs)
            case "parallel":
                items = self._group(fields.get("items"), f"{path}.items", depth)
                ends = [
                    self._step(item, f"{path}.items[{place}]", needs, depth + 1)
                    for place, item in enumerate(items)
                ]
                return tuple(dict.fromkeys(end for each in ends for end in each)) or needs
            case "chain":
                items = self._group(fields.get("steps"), f"{path}.steps", depth)
                return self.sequence(items, f"{path}.steps", needs, depth=depth + 1)
        self._fault(path, "unknown_type", f"`type` must be one of {', '.join(_TYPES)}.")
        return needs

    def _group(self, items: object, path: str, depth: int) -> Sequence[object]:
        if not isinstance(items, list) or not items:
            self._fault(path, "empty_group", "A group needs at least one step.")
        elif depth >= DEEPEST:
            text = "Groups may be nested two deep only; write this as steps of the list."
            self._fault(path, "nesting_too_deep", text)
        else:
            return items
        return ()

    def _task(
        self, fields: Mapping[str, object], path: str, needs: tuple[int, ...]
    ) -> tuple[int, ...]:
        number = len(self.tasks)
        task = PlannedTask(
            task_id=number,
            description=self._description(fields, path),
            worker=self._worker(fields.get("worker"), path),
            dependencies=needs,
        )
        self.tasks.append(task)
        return (number,)

    def _description(self, fields: Mapping[str, object], path: str) -> str:
        text = fields.get("task")
        if not isinstance(text, str):
            self._fault(path, "missing_task", "`task` must say what is to be done.")
        elif not text.strip():
            self._fault(path, "blank_task", "`task` must not be blank.")
        else:
            return text
        return ""

    def _worker(self, name: object, path: str) -> str | None:
        self.faults += _worker_faults(name, path, self._rules)
        return self._rules.worker(name) if isinstance(name, str) else None

    def _fault(self, path: str, code: str, message: str) -> None:
        self.faults.append(Fault(path, code, message))


def _tagged(step: object) -> Mapping[str, object]:
    """The step with its type, also when that only shows by the name of its list; empty for what is
    no step."""
    if not isinstance(step, dict):
        return {}
    if "type" not in step:
        if "parallel" in step:
            return {"type": "parallel", "items": step["parallel"]}
        if "chain" in step:
            return {"type": "chain", "steps": step["chain"]}
        if "task" in step:
            return {**step, "type": "task"}
    return step


def _worker_faults(name: object, path: str, rules: Rules) -> Iterator[Fault]:
    valid = ", ".join(map(repr, rules.workers))
    if isinstance(name, str) and name.strip() and rules.workers:
        if rules.worker(name) is None:
            text = f"There is no worker {name!r}; the workers are {valid}."
            yield Fault(path, "unknown_worker", text)
    elif rules.workers:
        text = f"`worker` must name who does the task: one of {valid}."
        yield Fault(path, "missing_worker", text)


def _task_faults(tasks: Sequence[PlannedTask], rules: Rules) -> Iterator[Fault]:
    if not tasks:
        yield Fault("tasks", "empty_steps", "A plan needs at least one task.")
    if len(tasks) > rules.most_tasks:
        text = f"The plan has {len(tasks)} tasks; at most {rules.most_tasks} are allowed."
        yield Fault("tasks", "too_many_tasks", text)
    known = [task.task_id for task in tasks]
    for place, task in enumerate(tasks):
        path = f"tasks[{place}]"
        if task.task_id in known[:place]:
            yield Fault(path, "duplicate_id", f"Another task has the id {task.task_id}.")
        if not task.description.strip():
            yield Fault(path, "blank_task", "The description must not be blank.")
        yield from _worker_faults(task.worker, path, rules)
        for needed in task.dependencies:
            if needed == task.task_id:
                yield Fault(path, "self_dependency", "A task cannot need itself.")
            elif needed not in known:
                yield Fault(path, "unknown_dependency", f"There is no task with the id {needed}.")


def _cycle(tasks: Sequence[PlannedTask]) -> list[int]:
    """The ids along a circle of dependencies, the first one again at the end; empty without one."""
    needs = {task.task_id: task.dependencies for task in tasks}
    done: set[int] = set()
    for start in needs:
        trail: list[int] = []
        branches = [iter((start,))]
        while branches:
            number = next(branches[-1], None)
            if number is None:
                branches.pop()
                if trail:
                    done.add(trail.pop())
            elif number in trail:
                return [*trail[trail.index(number) :], number]
            elif number not in done:
                trail.append(number)
                branches.append(iter(needs[number]))
    return []
