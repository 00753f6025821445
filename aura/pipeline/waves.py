"""The tasks of a plan, each begun as soon as it can be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from aura.events import COORDINATOR, AnyEvent, PlannedTask, TaskCompleted, TaskStarted
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
    of them begins. Those that need a failed one are never begun.
    """
    lanes: Lanes[AnyEvent] = work.run.lanes()
    state = Wave(plan, work.team.policy.parallel)
    done: dict[int, TaskCompleted] = {}
    for event in announced(ready := state.launched(done), iteration, work):
        yield event
    for task in ready:
        lanes.add(worked(task, given(task, plan, done, work), iteration, work))
    async with opened(lanes.events()) as events:
        async for event in events:
            yield event
            if isinstance(event, TaskCompleted):
                done[event.task_id] = event
                for begun in announced(ready := state.launched(done), iteration, work):
                    yield begun
                for task in ready:
                    lanes.add(worked(task, given(task, plan, done, work), iteration, work))


class Wave:
    """Which tasks have been begun; `parallel` bounds those that run at a time, 0 for no bound."""

    def __init__(self, plan: Plan, parallel: int) -> None:
        self._plan = plan
        self._parallel = parallel
        self._started: set[int] = set()

    def launched(self, done: dict[int, TaskCompleted]) -> tuple[PlannedTask, ...]:
        """The tasks to begin now; never gives one twice."""
        succeeded = (number for number, end in done.items() if end.success)
        ready = self._plan.ready(self._started, succeeded)
        if self._parallel:
            ready = ready[: max(0, self._parallel - (len(self._started) - len(done)))]
        self._started.update(task.task_id for task in ready)
        return ready


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


def given(
    task: PlannedTask, plan: Plan, done: dict[int, TaskCompleted], work: Teamwork
) -> tuple[Given, ...]:
    """The results that a task builds on, in the order of their ids: those that it needs, and of
    those that these needed the ones that are short."""
    found: list[Given] = []
    for number in plan.needed_by(task):
        end, direct = done[number], number in task.dependencies
        if direct or len(end.result) <= work.shelf.thresholds.summary:
            text = work.shelf.result(end)
            found.append(Given(number, plan.tasks[number].description, text, direct))
    return tuple(found)
