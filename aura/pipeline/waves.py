"""The tasks of a plan, each begun as soon as it can be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from heapq import heappop, heappush

from aura.events import COORDINATOR, AnyEvent, PlannedTask, TaskBlocked, TaskCompleted, TaskStarted
from aura.pipeline.compose import opened
from aura.pipeline.lanes import Lanes
from aura.pipeline.plan import Plan
from aura.pipeline.prompts.worker import Given
from aura.pipeline.teamwork import Teamwork
from aura.pipeline.worked import worked


async def executed(plan: Plan, iteration: int, work: Teamwork) -> AsyncGenerator[AnyEvent, None]:
    """Begin each task once every task that it needs has succeeded, at most so many at a time as
    the team may; until nothing runs and nothing can begin.

    Tasks that become ready together are announced together, in the order of their ids, before any
    of them begins. Those that need a failed one are never begun; that is told once it is known.
    """
    lanes: Lanes[AnyEvent] = work.run.lanes()
    wave = Wave(plan, work.team.policy.parallel)
    done: dict[int, TaskCompleted] = {}
    for event in announced(ready := wave.launched(), iteration, work):
        yield event
    for task in ready:
        lanes.add(worked(task, (), iteration, work))
    with work.run.backlog.queue(wave):
        async with opened(lanes.events()) as events:
            async for event in events:
                yield event
                if isinstance(event, TaskCompleted):
                    done[event.task_id] = event
                    for blocked in wave.ended(event.task_id, success=event.success):
                        yield never_begun(blocked, event)
                    for begun in announced(ready := wave.launched(), iteration, work):
                        yield begun
                    for task in ready:
                        lanes.add(worked(task, given(task, plan, done, work), iteration, work))


class Wave:
    """Which tasks can be begun; `parallel` bounds those that run at a time, 0 for no bound.

    Each task is looked at once for every other one that it needs, so that a plan of any size takes
    time in proportion to it.
    """

    def __init__(self, plan: Plan, parallel: int) -> None:
        self._plan = plan
        self._free = parallel or len(plan.tasks)
        self._missing = {task.task_id: len(task.dependencies) for task in plan.tasks}
        self._blocked: set[int] = set()
        self._waiting: dict[int, list[int]] = {}
        for task in plan.tasks:
            for needed in task.dependencies:
                self._waiting.setdefault(needed, []).append(task.task_id)
        self._ready = [number for number, missing in self._missing.items() if not missing]

    def __len__(self) -> int:
        """How many tasks could begin if more could run."""
        return len(self._ready)

    def ended(self, task_id: int, *, success: bool) -> tuple[PlannedTask, ...]:
        """A task is over. Gives the tasks that will never begin because of it, by their ids."""
        self._free += 1
        if not success:
            return self._blocked_by(task_id)
        for number in self._waiting.get(task_id, ()):
            self._missing[number] -= 1
            if not self._missing[number]:
                heappush(self._ready, number)
        return ()

    def _blocked_by(self, task_id: int) -> tuple[PlannedTask, ...]:
        found: list[int] = []
        causes = [task_id]
        while causes:
            for number in self._waiting.pop(causes.pop(), ()):
                if number not in self._blocked:
                    self._blocked.add(number)
                    found.append(number)
                    causes.append(number)
        return tuple(self._plan.tasks[number] for number in sorted(found))

    def launched(self) -> tuple[PlannedTask, ...]:
        """The tasks to begin now, in the order of their ids; never gives one twice."""
        count = min(self._free, len(self._ready))
        self._free -= count
        return tuple(self._plan.tasks[heappop(self._ready)] for _ in range(count))


def announced(tasks: tuple[PlannedTask, ...], iteration: int, work: Teamwork) -> Iterator[AnyEvent]:
    """The beginning of tasks, then who is at work for the first time."""
    for task in tasks:
        yield TaskStarted(
            agent_id=COORDINATOR,
            iteration=iteration,
            description=task.description,
            task_id=task.task_id,
            orchestrator_id=work.orchestrator_id,
            worker_id=work.name(work.team.worker(task.worker)),
        )
    for task in tasks:
        if (introduction := work.introduction(work.team.worker(task.worker))) is not None:
            yield introduction


def never_begun(task: PlannedTask, failed: TaskCompleted) -> TaskBlocked:
    """The only thing that happens to a task that needs a failed one."""
    return TaskBlocked(
        agent_id=COORDINATOR,
        iteration=failed.iteration,
        task_id=task.task_id,
        description=task.description,
        blocked_by=failed.task_id,
    )


def given(
    task: PlannedTask, plan: Plan, done: dict[int, TaskCompleted], work: Teamwork
) -> tuple[Given, ...]:
    """The results that a task builds on, in the order of their ids: those that it needs, and of
    those that these needed the nearest ones, as long as all of them together are short."""
    room = work.shelf.thresholds.summary
    chosen: dict[int, bool] = dict.fromkeys(task.dependencies, True)
    for number in plan.behind(task):
        room -= len(done[number].result)
        if room < 0:
            break
        chosen[number] = False
    return tuple(
        Given(number, plan.tasks[number].description, work.shelf.result(done[number]), direct)
        for number, direct in sorted(chosen.items())
    )
