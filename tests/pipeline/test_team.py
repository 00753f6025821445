"""The golden scenarios of a team: what happens, in which order, and what the models are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from aura.adapters.models.scripted import Call, Reply
from aura.errors import PlanRejected
from aura.events import (
    COORDINATOR,
    AnyEvent,
    DirectAnswer,
    IterationCompleted,
    PlanCreated,
    PlannedTask,
    RunFailed,
    TaskCompleted,
    TextDelta,
    Usage,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.pipeline.nudges import Nudges
from aura.pipeline.ports import Assistant, User
from tests.support.teams import (
    Play,
    adds,
    asks_back,
    calls,
    chain,
    fails,
    gets,
    golden,
    parallel,
    plans,
    played,
    requests,
    responds,
    says,
    shown,
    submission,
    submits,
    task,
)
from tests.support.virtual import in_virtual_time, virtual_sources

pytestmark = pytest.mark.anyio

ADDITION = "Add 2 and 3"
SUM = [adds(2, 3, _aura_reasoning="sum"), submits("2+3=5", "5")]
TWO = {"A": [adds(1, 1), submits("a", "2")], "B": [gets("k"), submits("b", "value:k", "medium")]}


def addition(*after: object) -> Play:
    """One addition, planned and done, and what the coordinator makes of it."""
    plan = plans(ADDITION, task(ADDITION), why="needs a tool", summary="One addition")
    return Play([plan, *after], {ADDITION: SUM})  # type: ignore[list-item]


def of(kind: type[AnyEvent], events: list[AnyEvent]) -> list[AnyEvent]:
    return [event for event in events if isinstance(event, kind)]


def text(events: list[AnyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_direct_answer(events: SnapshotAssertion) -> None:
    play = Play([responds("0123456789" * 12, "simple fact")])
    happened = await played(play, golden(play))
    assert happened == events
    assert play.asked[0].system == events


async def test_a_clarification(events: SnapshotAssertion) -> None:
    play = Play([asks_back("Which environment?", options=["prod", "staging"])])
    assert await played(play, golden(play)) == events


async def test_a_single_task(events: SnapshotAssertion) -> None:
    play = addition(responds("2 + 3 = 5.", summary="Sum is 5"))
    assert await played(play, golden(play)) == events
    assert requests(play, COORDINATOR) == events
    assert requests(play, "math") == events
    assert play.asked_of("math")[0].system == events
    assert play.called == [("add", {"a": 2, "b": 3})]


@pytest.mark.parametrize("first", ["A", "B"])
async def test_two_parallel_tasks(first: str, events: SnapshotAssertion) -> None:
    plan = plans("G", parallel(task("A"), task("B", "lookup")))
    play = Play([plan, responds("done")], TWO, held={"AB".replace(first, ""): first})
    assert shown(await played(play, golden(play))) == events


async def test_a_task_that_needs_two_others(events: SnapshotAssertion) -> None:
    plan = plans("G", parallel(task("A"), task("B", "lookup")), task("C"))
    third = [calls(Call(name="mul", arguments={"a": 2, "b": 3})), submits("c", "6")]
    play = Play([plan, responds("done")], {**TWO, "C": third}, held={"B": "A"})
    assert shown(await played(play, golden(play))) == events
    assert requests(play, "math")[2] == events


async def test_a_failed_task_and_what_needs_it(events: SnapshotAssertion) -> None:
    plan = plans("G", parallel(task("A"), task("B", "lookup")), task("C"))
    answer = responds("Only A is known.")
    play = Play([plan, answer], {**TWO, "B": [fails("boom 500")]}, held={"B": "A"})
    assert shown(await played(play, golden(play))) == events
    assert requests(play, COORDINATOR)[1] == events


async def test_another_plan_after_a_failure(events: SnapshotAssertion) -> None:
    again = plans("G2", task("Look up k", "lookup"), why="retry differently", summary="p2")
    looked_up = [gets("k"), submits("k", "value:k")]
    play = Play(
        [plans("G", task("Add")), again, responds("value:k")],
        {"Add": [fails("boom 500")], "Look up k": looked_up},
    )
    assert await played(play, golden(play)) == events
    assert requests(play, COORDINATOR) == events


async def test_no_plans_left(events: SnapshotAssertion) -> None:
    play = addition(plans("more", task("More")))
    assert await played(play, golden(play, max_cycles=1)) == events


async def test_an_answer_although_no_plans_are_left(events: SnapshotAssertion) -> None:
    play = addition(plans("more", task("More")), responds("5, that is all."))
    happened = await played(play, golden(play, max_cycles=1, answers_on_exhaustion=True))
    assert shown(happened)[-7:] == events
    assert requests(play, COORDINATOR)[2] == events


async def test_text_is_no_decision(events: SnapshotAssertion) -> None:
    play = Play(
        [says("Let me think"), says("Still thinking"), *addition(responds("5")).coordinator],
        {ADDITION: SUM},
    )
    plain = addition(responds("5"))
    happened = await played(play, golden(play))
    kinds = [type(event) for event in shown(await played(plain, golden(plain)))]
    assert [type(event) for event in shown(happened)] == kinds
    messages = play.asked[2].messages
    assert [message.text for message in messages if isinstance(message, Assistant)] == [
        "Let me think",
        "Still thinking",
    ]
    assert requests(play, COORDINATOR)[1:3] == events
    [usage] = of(Usage, happened)
    assert isinstance(usage, Usage)
    assert (usage.prompt_tokens, usage.completion_tokens) == (500, 50)


async def test_a_plan_in_place_of_the_one_that_never_came(events: SnapshotAssertion) -> None:
    play = Play([says("no")] * 3 + [responds("5")], {"Q": SUM})
    assert await played(play, golden(play)) == events


async def test_no_decision_about_results(events: SnapshotAssertion) -> None:
    play = addition(says("no"), says("no"), says("no"))
    happened = await played(play, golden(play))
    assert shown(happened)[-4:] == events


async def test_a_worker_that_does_not_hand_in(events: SnapshotAssertion) -> None:
    play = Play(
        [plans("G", task("A")), responds("5 (unverified)")],
        {"A": [says("it is 5"), says("really 5")]},
    )
    assert await played(play, golden(play)) == events
    assert play.asked_of("math")[1].messages == events


async def test_a_worker_that_hands_in_late() -> None:
    play = Play([plans("G", task("A")), responds("5")], {"A": [says("it is 5"), submits("s", "5")]})
    [done] = of(TaskCompleted, await played(play, golden(play)))
    assert isinstance(done, TaskCompleted)
    assert (done.success, done.result, done.attempts) == (True, "5", 2)


async def test_a_loop_of_calls(events: SnapshotAssertion) -> None:
    asked = [
        calls(Call(name="add", arguments=dict([("a", 2), ("b", 3)][:: 1 if turn % 2 else -1])))
        for turn in range(6)
    ]
    play = Play(
        [plans("G", task("A")), responds("could not finish")],
        {"A": [*asked, submits("gave up", "stuck at 5", "low")]},
    )
    happened = await played(play, golden(play))
    assert of(WorkerToolCompleted, happened) == events
    assert of(TaskCompleted, happened) == events
    assert len(play.called) == 5


async def test_a_loop_is_not_broken_by_other_calls() -> None:
    turns = [adds(2, 3), adds(1, 1), adds(2, 3), adds(1, 2), adds(2, 3), submits("s", "5")]
    play = Play([plans("G", task("A")), responds("5")], {"A": turns})
    ended = of(WorkerToolCompleted, await played(play, golden(play)))
    advised = [each.tool_call_id for each in ended if "GUIDANCE" in each.result]  # type: ignore[union-attr]
    assert advised == ["task0_add_4"]


async def test_all_tasks_fail_because_of_the_provider(events: SnapshotAssertion) -> None:
    play = Play([plans("G", chain(task("A"), task("B")))], {"A": [fails("bad key", status=401)]})
    assert await played(play, golden(play)) == events


async def test_an_answer_that_is_not_allowed() -> None:
    play = Play([responds("no need for tools", "easy"), responds("5")], {"Q": SUM})
    happened = await played(play, golden(play, direct_answers=False))
    [plan], [answer] = of(PlanCreated, happened), of(DirectAnswer, happened)
    assert isinstance(plan, PlanCreated)
    assert isinstance(answer, DirectAnswer)
    assert "allow_direct_answers" in plan.routing_rationale
    assert (plan.goal, plan.tasks, answer.response, text(happened)) == ("Q", ("Q",), "5", "5")


async def test_a_question_that_is_not_allowed() -> None:
    play = Play([asks_back("Which one?"), responds("5")], {"Q": SUM})
    [plan] = of(PlanCreated, await played(play, golden(play, clarification=False)))
    assert isinstance(plan, PlanCreated)
    assert "Which one?" in plan.routing_rationale


async def test_the_coordinator_fails_after_the_tasks(events: SnapshotAssertion) -> None:
    play = addition(fails("boom 500"))
    assert shown(await played(play, golden(play)))[-4:] == events


async def test_the_coordinator_cannot_be_asked() -> None:
    play = Play([fails("boom 500")])
    happened = await played(play, golden(play))
    assert [event.message for event in happened if isinstance(event, RunFailed)] == ["boom 500"]


@pytest.mark.parametrize(
    "steps",
    [(task("A", "nope"),), (), (parallel(),), (parallel(chain(parallel(task("A")))),)],
    ids=["unknown worker", "no steps", "empty group", "too deep"],
)
async def test_a_plan_that_is_none(steps: tuple[object, ...], events: SnapshotAssertion) -> None:
    play = Play([plans("G", *steps), *addition(responds("5")).coordinator], {ADDITION: SUM})
    happened = await played(play, golden(play))
    assert [type(event).__name__ for event in shown(happened)][2] == "PlanCreated"
    assert requests(play, COORDINATOR)[1] == events


async def test_the_first_submission_counts() -> None:
    both = calls(submission("s", "first"), submission("s", "second"), Call(name="add"))
    play = Play([plans("G", task("A")), responds("done")], {"A": [both]})
    [done] = of(TaskCompleted, await played(play, golden(play)))
    assert isinstance(done, TaskCompleted)
    assert done.result == "first"
    assert play.called == []


async def test_an_honest_failure() -> None:
    play = Play(
        [plans("G", task("A")), responds("no")],
        {"A": [adds(1, 1), submits("s", "no access", "high", status="failed")]},
    )
    [done] = of(TaskCompleted, await played(play, golden(play)))
    assert isinstance(done, TaskCompleted)
    assert (done.success, done.result, done.partial) == (False, "no access", "add: 2")


async def test_a_tool_that_fails() -> None:
    play = Play(
        [plans("G", task("A", "lookup")), responds("no")],
        {"A": [calls(Call(name="refuses")), submits("s", "it refused", "low")]},
    )
    ended = of(WorkerToolCompleted, await played(play, golden(play)))
    assert [each.success for each in ended] == [False, True]  # type: ignore[union-attr]


async def test_a_worker_that_has_no_rounds_left(events: SnapshotAssertion) -> None:
    turns = [adds(1, number) for number in range(8)]
    play = Play([plans("G", task("A")), responds("no")], {"A": [*turns, says("I give up")]})
    happened = await played(play, golden(play))
    assert of(TaskCompleted, happened) == events
    assert requests(play, "math")[8][0] == ["submit_result"]


async def test_a_worker_hands_in_after_its_last_round() -> None:
    turns = [adds(1, number) for number in range(8)]
    play = Play([plans("G", task("A")), responds("no")], {"A": [*turns, submits("s", "8")]})
    [done] = of(TaskCompleted, await played(play, golden(play)))
    assert isinstance(done, TaskCompleted)
    assert (done.success, done.result) == (True, "8")


async def test_reasoning_is_told_twice(events: SnapshotAssertion) -> None:
    thinking = calls(submission("s", "5"), reasoning="hm")
    play = Play([plans("G", task("A")), responds("5")], {"A": [thinking]})
    happened = await played(play, golden(play))
    place = [type(event).__name__ for event in happened].index("WorkerReasoning")
    assert happened[place : place + 2] == events


async def test_the_coordinator_reads_a_long_result() -> None:
    long = [submits("s", "x" * 6000)]
    reads = calls(
        Call(name="read_artifact", arguments={"filename": "task-0-math-iter-1-result.txt"})
    )
    play = Play([plans("G", task("A"), task("B")), reads, responds("long")], {"A": long, "B": long})
    happened = await played(play, golden(play))
    [started] = [
        event
        for event in happened
        if isinstance(event, WorkerToolStarted) and event.worker_id == "main"
    ]
    assert started.task_id is None
    assert "x" * 6000 in requests(play, COORDINATOR)[2][1]
    assert "x" * 2001 not in requests(play, "math")[1][1]
    assert "task-0-math-iter-1-result.txt" in requests(play, "math")[1][1]


async def test_what_was_said_before_is_for_the_coordinator_only() -> None:
    play = addition(responds("5"))
    said = (User("Hello"), Assistant("Hi"), User("Q"))
    await played(play, golden(play), *said)
    assert [message.text for message in play.asked[0].messages[:2]] == ["Hello", "Hi"]
    assert all("Hello" not in str(prompt) for prompt in play.asked_of("math"))


async def test_the_coordinator_remembers_its_calls(events: SnapshotAssertion) -> None:
    play = addition(responds("5"))
    await played(play, golden(play))
    assert play.asked_of(COORDINATOR)[1].messages[1:3] == events


async def test_an_answer_that_is_not_shown_while_it_is_written() -> None:
    play = addition(responds("2 + 3 = 5."))
    happened = shown(await played(play, golden(play, streams_answer=False)))
    kinds = [type(event) for event in happened[-5:-2]]
    assert kinds == [DirectAnswer, IterationCompleted, TextDelta]


async def test_a_worker_that_takes_too_long() -> None:
    play = Play(
        [plans("G", task("B", "lookup")), responds("no")], {"B": [calls(Call(name="slow"))]}
    )
    team = golden(play)
    hurried = tuple(replace(each, seconds=0.01) for each in team.workers)
    happened = await played(play, replace(team, workers=hurried))
    kinds = [type(event).__name__ for event in happened]
    assert kinds.index("WorkerToolCompleted") < kinds.index("TaskCompleted")
    [done] = of(TaskCompleted, happened)
    assert isinstance(done, TaskCompleted)
    assert done.failure_category == "agent_timeout"


async def test_a_plan_of_the_caller(events: SnapshotAssertion) -> None:
    play = Play([responds("done")], TWO, held={"B": "A"})
    team = golden(play)
    tasks = [
        PlannedTask(task_id=7, description="B", worker="lookup", dependencies=(4,)),
        PlannedTask(task_id=4, description="A", worker="MATH"),
    ]
    happened = await played(play, team, plan=team.plan("G", *tasks))
    [created] = of(PlanCreated, happened)
    assert isinstance(created, PlanCreated)
    assert created.graph == events
    assert [prompt.agent_id for prompt in play.asked] == ["math"] * 2 + ["lookup"] * 2 + [
        COORDINATOR
    ]
    assert play.asked[-1].messages[0].text == "Q"


def test_a_plan_of_the_caller_that_is_none() -> None:
    team = golden(Play([]))
    with pytest.raises(PlanRejected, match=r"no worker 'nope'.*\n.*itself"):
        team.plan(
            "G",
            PlannedTask(task_id=0, description="A", worker="nope"),
            PlannedTask(task_id=1, description="A", worker="math", dependencies=(1,)),
        )


@pytest.mark.parametrize("detail", ["none", "summary", "full"])
async def test_what_the_coordinator_knows_of_tools(detail: str, events: SnapshotAssertion) -> None:
    looks = calls(
        Call(name="list_tools"),
        Call(name="inspect_tool_params", arguments={"tool_name": "ad"}),
        Call(name="inspect_tool_params", arguments={"tool_name": "add"}),
    )
    play = Play([*([looks] if detail == "none" else []), responds("ok")])
    happened = await played(play, golden(play, tools_in_planning=detail))
    offered, message = requests(play, COORDINATOR)[0]
    assert offered == events
    assert message[message.index("## Workers") : message.index("Your choices")] == events
    assert [message.text for message in play.asked[-1].messages[2:]] == events
    assert not of(WorkerToolStarted, happened)


async def test_everything_that_tasks_gave_when_no_plans_are_left(
    events: SnapshotAssertion,
) -> None:
    play = Play(
        [plans("G", task("A")), plans("G2", task("B", "lookup")), plans("G3", task("C"))],
        {"A": SUM, "B": [calls(Call(name="refuses")), fails("boom 500")]},
    )
    assert text(await played(play, golden(play, max_cycles=2))) == events


@pytest.mark.parametrize(("allowed", "told"), [(True, True), (False, False)])
async def test_what_to_do_without_a_fitting_tool(allowed: bool, told: bool) -> None:
    play = Play([responds("Hi")])
    await played(play, golden(play, escape_hatch=allowed))
    assert ("no tool can do a part" in play.asked[0].system) is told


async def test_a_worker_is_told_that_its_turns_run_out() -> None:
    play = Play(
        [plans("G", task("A")), responds("5")],
        {"A": [adds(1, 1), adds(1, 2), submits("s", "5")]},
    )
    team = golden(play)
    math, lookup = team.workers
    nudged = Nudges(last_turn=True, remaining=2, submits=True)
    agent = replace(math.agent, turn_depth=2, nudges=nudged)
    await played(play, replace(team, workers=(replace(math, agent=agent), lookup)))
    told = [message for _, message in requests(play, "math")[1:]]
    assert "[TURN LIMIT WARNING] 2 replies are left" in told[0]
    assert "[TURN LIMIT — FINAL TURN]" in told[1]
    assert "submit_result" in told[1]
    assert requests(play, "math")[2][0] == ["submit_result"]


def test_an_overloaded_provider_is_asked_again_and_no_plan_is_made_up() -> None:
    busy = fails("Overloaded.", kind="unavailable")

    async def ask(*replies: Reply) -> tuple[list[AnyEvent], Play]:
        play = Play(replies)
        return await played(play, golden(play), sources=virtual_sources()), play

    happened, play = in_virtual_time(ask, *[busy] * 20)
    assert not of(PlanCreated, happened)
    [failed] = of(RunFailed, happened)
    assert isinstance(failed, RunFailed)
    assert failed.code == "provider_unavailable"
    happened, play = in_virtual_time(ask, busy, responds("Hi"))
    assert text(happened) == "Hi"
    assert play.asked[0].messages == play.asked[1].messages


async def test_a_conversation_that_is_too_long() -> None:
    play = Play([fails("Too long.", kind="context_overflow")])
    [failed] = of(RunFailed, await played(play, golden(play)))
    assert isinstance(failed, RunFailed)
    assert (failed.code, len(play.asked)) == ("context_length_exceeded", 1)
