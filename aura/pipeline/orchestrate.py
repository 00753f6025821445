"""A team answers: plan, execute, continue; until there is an answer or no plan is left to try."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence

from aura.errors import AuraError
from aura.events import (
    COORDINATOR,
    AnyEvent,
    ClarificationNeeded,
    DirectAnswer,
    IterationCompleted,
    PlannedTask,
    TextDelta,
)
from aura.pipeline.asking import Asking
from aura.pipeline.compose import opened
from aura.pipeline.course import Course
from aura.pipeline.cycle import REPLANS_SPENT, TIME_SPENT, Choice, Cycle
from aura.pipeline.desk import Clarify, Direct, Planned
from aura.pipeline.plan import Plan
from aura.pipeline.ports import Message, Tool
from aura.pipeline.prompts.results import raw
from aura.pipeline.route import Routed, Undecided
from aura.pipeline.teamwork import Teamwork


async def orchestrated(
    messages: Sequence[Message],
    tools: tuple[Tool, ...],
    work: Teamwork,
    plan: Plan | None = None,
) -> AsyncGenerator[AnyEvent, None]:
    """Everything that a team does to answer; `tools` are those of the coordinator beside the ones
    that decide. With a `plan` it is not asked for one.

    Raises `ProviderError` when the coordinator cannot be asked about the request, or no task could
    be done for reasons that lie with providers. Once a task was done, what came of all of them is
    the answer if there is no other.
    """
    asking, course = Asking(messages, tools, work), Course(work.team.policy, work.shelf)
    choice = Choice()
    async with opened(choice.heard(asking.first(plan), work)) as events:
        async for event in events:
            yield event
    routing = initial(choice, asking.query.text, work)
    if not isinstance(routing.decision, Planned):
        for event in answered(routing, 0, work, None):
            yield event
        return
    cycle = Cycle(routing.decision, choice.milliseconds, course, work)
    yield cycle.created
    while True:
        async with opened(cycle.happens(asking)) as events:
            async for event in events:
                yield event
        following = cycle.following()
        if following is None:
            break
        for event in cycle.replanned(following):
            yield event
        cycle = following
    async with opened(ended(asking, course, cycle, work)) as events:
        async for event in events:
            yield event


def initial(choice: Choice, query: str, work: Teamwork) -> Routed:
    """The decision about the request, or the plan that takes its place: when there is none, or
    one that the team may not take. Raises the error of a call that could not be made."""
    policy = work.team.policy
    if isinstance(choice.error, Undecided):
        work.run.log.warning("coordinator did not decide", error=str(choice.error))
        return _single(query, f"Fallback: {choice.error}.")
    if choice.error is not None:
        raise choice.error
    if choice.routed is None:
        raise AuraError("the coordinator's turn ended without a decision")
    match choice.routed.decision:
        case Direct(response=refused, routing_rationale=why) if not policy.direct_answers:
            flag = "allow_direct_answers"
        case Clarify(question=refused, routing_rationale=why) if not policy.clarification:
            flag = "allow_clarification"
        case _:
            return choice.routed
    return _single(query, f"Overridden, because {flag} is false: {why} [{refused[:100]}]")


def _single(query: str, rationale: str) -> Routed:
    """The request itself as a task for whoever can do it."""
    plan = Plan(query, (PlannedTask(task_id=0, description=query),))
    return Routed(Planned(plan, rationale))


def answered(
    routing: Routed, iteration: int, work: Teamwork, completed: IterationCompleted | None
) -> Iterator[AnyEvent]:
    """The end of a run with an answer or a question, and what of its text was not shown yet."""
    text = ""
    match routing.decision:
        case Direct() as direct:
            text = direct.response
            yield DirectAnswer(
                agent_id=COORDINATOR,
                iteration=iteration,
                response=text,
                routing_rationale=direct.routing_rationale,
                run_id=work.run.id,
                summary=direct.response_summary or "",
            )
        case Clarify() as clarify:
            text = clarify.question
            yield ClarificationNeeded(
                agent_id=COORDINATOR,
                iteration=iteration,
                question=text,
                routing_rationale=clarify.routing_rationale,
                options=clarify.options,
                run_id=work.run.id,
            )
    if completed is not None:
        yield completed
    if rest := text.removeprefix(routing.shown):
        yield TextDelta(agent_id=COORDINATOR, text=rest)


async def ended(
    asking: Asking, course: Course, cycle: Cycle, work: Teamwork
) -> AsyncGenerator[AnyEvent, None]:
    """The end of a run after its last iteration: the answer, or the question. When there is
    neither, an answer that the coordinator may still give, or else everything that the tasks gave.
    """
    routing, reason, shown = cycle.choice.routed, cycle.refusal, cycle.choice.shown
    if reason in (REPLANS_SPENT, TIME_SPENT) and work.team.policy.answers_on_exhaustion:
        choice = Choice()
        async with opened(choice.heard(asking.last(course), work)) as events:
            async for event in events:
                yield event
        routing, shown = choice.routed, choice.shown
    elif reason:
        routing = None
    if isinstance(cycle.choice.error, Exception) and not isinstance(cycle.choice.error, AuraError):
        work.run.log.error("coordinator failed", exc_info=cycle.choice.error)
    if routing is not None:
        for event in answered(routing, cycle.number, work, cycle.completed()):
            yield event
        return
    yield cycle.completed()
    text = raw(reason, course.results())
    yield TextDelta(agent_id=COORDINATOR, text=f"\n\n{text}" if shown else text)
