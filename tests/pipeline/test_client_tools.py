"""Tools that the client runs: where the turn stops, and how it goes on."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from syrupy.assertion import SnapshotAssertion

from aura.adapters.models.scripted import Call, Reply
from aura.events import RunCompleted, RunFailed, ToolCalled, ToolCompleted, ToolDelegated
from aura.pipeline.answered import answer
from aura.pipeline.delegation import ClientTools, Handover, resumed
from aura.pipeline.ports import Assistant, Message, ToolReply, ToolSpec, User
from aura.pipeline.run import Run
from tests.support.agents import agent, asks, recorded, says
from tests.support.tools import ScriptedToolbox, gives
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

HELLO = (User("Hello?"),)
SHELL = ToolSpec("shell", "Run a command.", msgspec.Raw(b'{"type":"object"}'))


def brought(*specs: ToolSpec) -> tuple[ClientTools, list[Handover]]:
    handed: list[Handover] = []
    return ClientTools(specs, handed.append), handed


async def test_a_round_that_needs_the_client_is_the_last_one(
    events: SnapshotAssertion, run: Run
) -> None:
    asking = agent(
        asks("look"), asks("look", "shell"), tools=(gives("look", "a.txt"),), parallel_calls=1
    )
    client, _ = brought(SHELL)
    assert await transcript(answer(asking, HELLO, run, client=client)) == events


async def test_the_model_is_offered_both_kinds_and_neither_in_the_last_round(run: Run) -> None:
    asking, prompts = recorded(
        agent(asks("look"), says("."), tools=(gives("look", "x"),), turn_depth=1)
    )
    client, handed = brought(SHELL)
    await transcript(answer(asking, HELLO, run, client=client))
    assert [[tool.name for tool in each.tools] for each in prompts] == [["look", "shell"]] * 2
    assert [len(each.callable_tools) for each in prompts] == [2, 0]
    assert handed == []


async def test_what_the_client_does_not_see_is_handed_over_and_put_back(run: Run) -> None:
    first, prompts = recorded(
        agent(
            asks("look"),
            asks("look", "shell", "look", text="Now you."),
            says("Done."),
            tools=(gives("look", "a.txt"),),
        )
    )
    client, [*handed] = brought(SHELL)
    client = ClientTools((SHELL,), handed.append)
    happened = await transcript(answer(first, HELLO, run, client=client))
    [call] = [e for e in happened if isinstance(e, ToolCalled) and e.delegated]
    assert RunCompleted(reason="tool_calls") == happened[-1]
    [kept] = handed
    assert kept.tool_ids == (call.tool_id,)

    from_client = (
        *HELLO,
        Assistant("Now you.", (call,)),
        ToolReply(call.tool_id, "shell", "root"),
    )
    whole = resumed(from_client, {call.tool_id: kept}.get)
    await transcript(answer(first, whole, run, client=client))
    question, *told = prompts[-1].messages
    assert question == HELLO[0]
    assert [_short(message) for message in told] == [
        ["look"],
        ("look", "a.txt"),
        ["look", "shell", "look"],
        ("look", "a.txt"),
        ("shell", "root"),
        ("look", "a.txt"),
    ]


def _short(message: Message) -> list[str] | tuple[str, str]:
    match message:
        case Assistant(calls=calls):
            return [call.tool_name for call in calls]
        case ToolReply():
            return message.tool_name, message.text
    raise AssertionError(message)


async def test_the_arguments_of_a_client_are_passed_on_as_the_model_wrote_them(run: Run) -> None:
    reply = Reply(calls=(Call(name="shell", arguments={"cmd": "ls  -l", "n": [1, None]}),))
    client, _ = brought(SHELL)
    happened = await transcript(answer(agent(reply), HELLO, run, client=client))
    [call] = [e for e in happened if isinstance(e, ToolCalled)]
    assert call.arguments == '{"cmd":"ls  -l","n":[1,null]}'
    assert [e for e in happened if isinstance(e, ToolCompleted)] == []


async def test_a_name_that_both_have_is_refused_before_the_model_is_asked(run: Run) -> None:
    asking, prompts = recorded(agent(says("."), tools=(gives("shell", "x"),)))
    client, _ = brought(SHELL)
    happened = await transcript(answer(asking, HELLO, run, client=client))
    [failed] = [e for e in happened if isinstance(e, RunFailed)]
    assert (failed.code, failed.status) == ("tool_name_collision", 400)
    assert "'shell'" in failed.message
    assert RunCompleted() == happened[-1]
    assert prompts == []


async def test_a_tool_that_turns_up_later_under_a_clients_name_is_not_offered(run: Run) -> None:
    box = Growing((gives("look", "x"),))
    asking, prompts = recorded(agent(asks("look"), asks("shell"), toolset=box))
    client, _ = brought(SHELL)
    happened = await transcript(answer(asking, HELLO, run, client=client))
    assert [spec.name for spec in prompts[1].tools] == ["look", "shell"]
    assert [e.tool_name for e in happened if isinstance(e, ToolDelegated)] == ["shell"]


class Growing(ScriptedToolbox):
    """A toolbox with a shell of its own from the second look on."""

    def tools(self) -> tuple[object, ...]:
        before = self.scripted
        object.__setattr__(self, "scripted", (*before[:1], gives("shell", "ours")))
        return before


async def test_nothing_is_odd_about_a_stream_that_leaves_calls_to_the_client(run: Run) -> None:
    client, _ = brought(SHELL)
    with capture_logs() as logs:
        await transcript(answer(agent(asks("shell")), HELLO, run, client=client))
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


def test_a_turn_that_was_not_kept_is_what_the_client_says() -> None:
    call = ToolCalled(agent_id="main", tool_id="c", tool_name="shell", arguments="{}")
    told = (*HELLO, Assistant("", (call,)), ToolReply("c", "shell", "root"), User("And now?"))
    assert resumed(told, lambda _: None) == told


def test_what_the_client_says_about_calls_of_ours_does_not_count() -> None:
    ours, theirs = (
        ToolCalled(agent_id="main", tool_id=name, tool_name=name, arguments="{}", delegated=mine)
        for name, mine in (("look", False), ("shell", True))
    )
    asked = Assistant("", (ours, theirs))
    kept = Handover((), asked, (ToolReply("look", "look", "true"),))
    told = (
        asked,
        ToolReply("shell", "shell", "root"),
        ToolReply("look", "look", "forged"),
    )
    assert resumed(told, {"shell": kept}.get) == (
        asked,
        ToolReply("look", "look", "true"),
        ToolReply("shell", "shell", "root"),
    )


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.randoms())
def test_results_are_in_the_order_of_the_calls_whoever_ran_them(
    delegated: list[bool], random: st.randoms
) -> None:
    calls = tuple(
        ToolCalled(
            agent_id="main", tool_id=f"c{at}", tool_name="t", arguments="{}", delegated=by_client
        )
        for at, by_client in enumerate(delegated)
    )
    replies = [ToolReply(call.tool_id, "t", call.tool_id) for call in calls]
    ours = tuple(r for r, call in zip(replies, calls, strict=True) if not call.delegated)
    theirs = [r for r, call in zip(replies, calls, strict=True) if call.delegated]
    random.shuffle(theirs)
    asked = Assistant("", calls)
    kept = Handover((), asked, ours)
    found = dict.fromkeys(kept.tool_ids, kept)
    shown = Assistant("", tuple(call for call in calls if call.delegated))
    told = (*HELLO, shown, *theirs) if theirs else (*HELLO, asked, *replies)
    assert resumed(told, found.get) == (*HELLO, asked, *replies)
