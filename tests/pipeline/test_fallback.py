"""Models that write their calls as text, in single agents and in teams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest

from aura.adapters.models.scripted import Reply
from aura.errors import CutOff
from aura.events import (
    AnyEvent,
    CompletionDelayed,
    RunCompleted,
    Stopped,
    TextDelta,
    ToolCalled,
    ToolCompleted,
    TurnUsage,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Failure, settled
from aura.pipeline.delegation import ClientTools
from aura.pipeline.fallback import spelled_out
from aura.pipeline.ports import NO_TOOL, Assistant, Options, Prompt, ToolReply, ToolSpec, User
from aura.pipeline.run import Run
from aura.pipeline.team import Team
from tests.support.agents import agent, asks, recorded, says
from tests.support.teams import (
    Play,
    adds,
    golden,
    plans,
    played,
    responds,
    shown,
    submits,
    task,
)
from tests.support.tools import gives
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

HELLO = (User("Hello?"),)
LOOK = '{"name": "look", "arguments": {}}'
SPEC = ToolSpec("look", "Looks", msgspec.Raw(b'{"type":"object"}'))


def printing(*replies: Reply, **options: object) -> Agent:
    given = {"tools": (gives("look", "a.txt"),), "fallback_tool_parsing": True, **options}
    return agent(*replies, **given)  # type: ignore[arg-type]


def text(events: list[AnyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_written_call_is_made_and_answered(run: Run) -> None:
    asked, prompts = recorded(printing(says(f"Let me look.\n{LOOK}"), says("There is a.txt.")))
    happened = await transcript(answer(asked, HELLO, run))
    assert text(happened).split("\n") == ["Let me look.", "", "", "There is a.txt."]
    [call] = [event for event in happened if isinstance(event, ToolCalled)]
    [done] = [event for event in happened if isinstance(event, ToolCompleted)]
    assert (call.tool_name, done.tool_id, done.result) == ("look", call.tool_id, "a.txt")
    assert happened[-1] == RunCompleted(reason="stop")
    assert prompts[1].messages[1:] == (
        Assistant("Let me look.\n", (call,)),
        ToolReply(call.tool_id, "look", "a.txt"),
    )


async def test_without_the_option_it_is_text(run: Run) -> None:
    happened = await transcript(answer(agent(says(LOOK), tools=(gives("look", "x"),)), HELLO, run))
    assert text(happened) == LOOK


@pytest.mark.parametrize("name", ["dig", "look_up"])
async def test_tools_that_the_agent_does_not_have_are_not_called(name: str, run: Run) -> None:
    written = LOOK.replace("look", name)
    happened = await transcript(answer(printing(says(written)), HELLO, run))
    assert text(happened) == written


async def test_in_the_last_round_nothing_is_called(run: Run) -> None:
    happened = await transcript(
        answer(printing(says(LOOK), says(f"Enough. {LOOK}"), turn_depth=1), HELLO, run)
    )
    assert text(happened) == f"Enough. {LOOK}"
    assert len([event for event in happened if isinstance(event, ToolCompleted)]) == 1


async def test_a_model_that_can_call_is_taken_at_its_word(run: Run) -> None:
    reply = asks("look", text=f"I call it, not by {LOOK[:-1]}")
    happened = await transcript(answer(printing(reply, says("Done.")), HELLO, run))
    assert text(happened).split("\n\n") == [f"I call it, not by {LOOK[:-1]}", "Done."]
    assert len([event for event in happened if isinstance(event, ToolCompleted)]) == 1


async def test_tools_of_the_client_can_be_called_so(run: Run) -> None:
    written = LOOK.replace("look", "shell")
    kept: list[object] = []
    client = ClientTools((msgspec.structs.replace(SPEC, name="shell"),), kept.append)
    happened = await transcript(answer(printing(says(written)), HELLO, run, client=client))
    [call] = [event for event in happened if isinstance(event, ToolCalled)]
    assert (call.tool_name, call.delegated) == ("shell", True)
    assert happened[-1] == RunCompleted(reason="tool_calls")


PROMPT = Prompt(agent_id="main", system="", messages=HELLO, tools=(SPEC,), live=frozenset())
USAGE = TurnUsage(agent_id="main", prompt_tokens=1, completion_tokens=1)


def said(words: str) -> TextDelta:
    return TextDelta(agent_id="main", text=words)


async def heard(*events: AnyEvent, prompt: Prompt = PROMPT) -> list[AnyEvent]:
    async def answered() -> AsyncIterator[AnyEvent]:
        for event in events:
            yield event

    names = iter(f"call_{number}" for number in range(9))
    return await transcript(spelled_out(answered(), prompt, lambda _: next(names)))


def stopped(reason: str) -> Stopped:
    return Stopped(agent_id="main", reason=reason)  # type: ignore[arg-type]


CALLED = ToolCalled(agent_id="main", tool_id="call_0", tool_name="look", arguments="{}")


async def test_the_rest_comes_before_what_was_billed() -> None:
    waits = CompletionDelayed(agent_id="main", index=0, reason="busy", attempt=1)
    assert await heard(waits, said("a {"), said('"na'), USAGE, stopped("stop")) == [
        waits,
        said("a "),
        said('{"na'),
        USAGE,
        stopped("stop"),
    ]


@pytest.mark.parametrize(
    ("reason", "then"), [("stop", "tool_calls"), ("length", "length"), ("tool_calls", "tool_calls")]
)
async def test_why_an_answer_with_a_written_call_ended(reason: str, then: str) -> None:
    assert await heard(said(LOOK), stopped(reason)) == [CALLED, stopped(then)]


async def test_a_call_that_was_cut_off_is_not_made() -> None:
    assert await heard(said(LOOK[:-1]), stopped("length")) == [said(LOOK[:-1]), stopped("length")]


async def test_pieces_of_live_calls_are_heard_first() -> None:
    live = msgspec.structs.replace(PROMPT, live=frozenset({"look"}))
    piece, call, _ = await heard(said(LOOK), stopped("stop"), prompt=live)
    assert (piece.arguments, call) == ("{}", CALLED)  # type: ignore[union-attr]


async def test_without_tools_nothing_is_looked_for() -> None:
    barred = msgspec.structs.replace(PROMPT, options=Options(tool_choice=NO_TOOL))
    assert await heard(said(LOOK), stopped("stop"), prompt=barred) == [said(LOOK), stopped("stop")]


async def test_what_was_withheld_comes_before_an_error() -> None:
    async def answered() -> AsyncIterator[AnyEvent]:
        yield said('{"name"')
        raise CutOff("gone")

    *events, failed = await transcript(settled(spelled_out(answered(), PROMPT, str)))
    assert events == [said('{"name"')]
    assert isinstance(failed, Failure)
    assert isinstance(failed.error, CutOff)


def written(reply: Reply) -> Reply:
    """The same turn by a model that only knows text."""
    calls = [
        msgspec.json.encode({"name": call.name, "arguments": call.arguments}).decode()
        for call in reply.calls
    ]
    return msgspec.structs.replace(reply, text="\n".join([reply.text, *calls]), calls=())


def reading(team: Team) -> Team:
    """The team, in which all read calls out of texts."""
    workers = [
        replace(each, agent=replace(each.agent, fallback_tool_parsing=True))
        for each in team.workers
    ]
    coordinator = replace(team.coordinator, fallback_tool_parsing=True)
    return replace(team, coordinator=coordinator, workers=tuple(workers))


async def test_a_team_of_models_that_only_write() -> None:
    turns = [plans("Add", task("Add 2 and 3")), responds("It is 5.")]
    sums = [adds(2, 3), submits("2+3=5", "5")]
    native = Play(turns, {"Add 2 and 3": sums})
    play = Play(
        [written(each) for each in turns], {"Add 2 and 3": [written(each) for each in sums]}
    )
    happened = await played(play, reading(golden(play)))
    assert play.called == [("add", {"a": 2, "b": 3})]
    assert text(happened).strip() == "It is 5."
    kinds = [type(event) for event in shown(await played(native, golden(native)))]
    assert [type(event) for event in shown(happened)] == kinds
