"""One plan of a team: carried out, looked at, and what follows from it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from aura.errors import AuraError, ProviderError, Rejected, Unavailable
from aura.events import (
    COORDINATOR,
    AnyEvent,
    IterationCompleted,
    PlanCreated,
    ReplanStarted,
    Synthesizing,
    TextDelta,
)
from aura.pipeline.asking import Asking
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.course import Course, Iteration
from aura.pipeline.desk import Planned
from aura.pipeline.route import Routed
from aura.pipeline.teamwork import Teamwork
from aura.pipeline.waves import executed

REPLANS_SPENT = "Replan budget exhausted"
TIME_SPENT = "Time budget exhausted"


class Choice:
    """What a routing call came to, once it was heard: a decision, or the error that there is none;
    whether text of an answer was shown, and how long it took, in milliseconds."""

    def __init__(self) -> None:
        self.routed: Routed | None = None
        self.error: Exception | None = None
        self.shown = False
        self.milliseconds = 0

    async def heard(
        self, call: AsyncGenerator[AnyEvent | Routed, None], work: Teamwork
    ) -> AsyncGenerator[AnyEvent, None]:
        """The events of the call, but for its end."""
        clock = work.run.sources.clock
        begun = clock()
        async with opened(settled(call)) as items:
            async for item in items:
                match item:
                    case Routed():
                        self.routed = item
                    case Failure():
                        self.error = item.error
                    case _:
                        self.shown = self.shown or isinstance(item, TextDelta)
                        yield item
        self.milliseconds = round((clock() - begun) * 1000)


class Cycle:
    """An iteration. `planning_ms` is what the decision for its plan took."""

    def __init__(self, planned: Planned, planning_ms: int, course: Course, work: Teamwork) -> None:
        self._plan = planned.plan
        self._planning_ms = planning_ms
        self._execution_ms = 0
        self._course = course
        self._work = work
        self.number = len(course.iterations) + 1
        self.created = created(planned, self.number, work)
        self.choice = Choice()
        course.add(self.created)
        self._iteration = course.latest

    async def happens(self, asking: Asking) -> AsyncGenerator[AnyEvent, None]:
        """The tasks, and the call that decides what follows. Raises `ProviderError` when no task
        could be done for reasons that lie with providers."""
        clock = self._work.run.sources.clock
        begun = clock()
        async with opened(executed(self._plan, self.number, self._work)) as events:
            async for event in events:
                self._course.add(event)
                yield event
        if (record := self._work.shelf.record) is not None:
            await record.settled(self._work.team.policy.drain)
        self._execution_ms = round((clock() - begun) * 1000)
        if self._iteration.is_hopeless:
            raise hopeless(self._iteration)
        yield Synthesizing(agent_id=COORDINATOR, iteration=self.number)
        async with opened(self.choice.heard(asking.next(self._course), self._work)) as events:
            async for event in events:
                yield event

    def completed(self, *, will_replan: bool = False) -> IterationCompleted:
        """The end of the iteration, whatever follows."""
        return IterationCompleted(
            agent_id=COORDINATOR,
            iteration=self.number,
            will_replan=will_replan,
            planning_ms=self._planning_ms,
            execution_ms=self._execution_ms,
            task_compute_ms=self._iteration.compute_ms,
            tool_ms=self._iteration.tool_ms,
            reasoning="" if will_replan else self.refusal,
        )

    @property
    def refusal(self) -> str:
        """Why the run ends although there is no answer; empty when it goes on, or there is one."""
        error, work = self.choice.error, self._work
        if error is not None:
            return str(error) if isinstance(error, AuraError) else "The server failed."
        if self.choice.routed is None or not isinstance(self.choice.routed.decision, Planned):
            return ""
        if self.number >= work.team.policy.max_cycles:
            return REPLANS_SPENT
        run, call = work.run, work.team.coordinator.per_call_timeout
        if run.limit and call and run.sources.clock() - run.begun + call > run.limit:
            return TIME_SPENT
        return ""

    def following(self) -> Cycle | None:
        """The next plan, if there is one that may be carried out."""
        routed = self.choice.routed
        if routed is None or not isinstance(routed.decision, Planned) or self.refusal:
            return None
        return Cycle(routed.decision, self.choice.milliseconds, self._course, self._work)

    def replanned(self, following: Cycle) -> Iterator[AnyEvent]:
        """The passage to the next plan."""
        yield following.created
        yield self.completed(will_replan=True)
        yield ReplanStarted(
            agent_id=COORDINATOR,
            iteration=following.number,
            trigger="post_execute_create_plan",
        )


def created(planned: Planned, iteration: int, work: Teamwork) -> PlanCreated:
    """A plan that will be carried out."""
    tasks = planned.plan.tasks
    return PlanCreated(
        agent_id=COORDINATOR,
        iteration=iteration,
        goal=planned.plan.goal,
        tasks=tuple(task.description for task in tasks),
        routing_mode="routed" if len(tasks) == 1 else "orchestrated",
        routing_rationale=planned.routing_rationale,
        planning_response=planned.planning_summary,
        graph=tasks,
        run_id=work.run.id,
    )


def hopeless(iteration: Iteration) -> ProviderError:
    """Why no task was done, when providers are the reason of all that failed."""
    ends = iteration.ended.values()
    tasks = " ".join(f"[{end.failure_category}] {end.result}" for end in ends)
    busy = any(end.failure_category == "provider_overloaded" for end in ends)
    return (Unavailable if busy else Rejected)(f"None of the tasks could be done. {tasks}")
