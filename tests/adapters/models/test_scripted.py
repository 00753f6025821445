"""The scripted model, from Python and from TOML."""

from __future__ import annotations

import anyio
import msgspec
import pytest
import trio.testing

from aura.adapters.models.scripted import (
    Call,
    Fault,
    Reply,
    ReplyUsage,
    Scripted,
    When,
)
from aura.errors import (
    ContextOverflow,
    CutOff,
    ProviderError,
    RateLimited,
    Rejected,
    ScriptError,
    TimedOut,
    Unavailable,
)
from aura.events import (
    AnyEvent,
    ReasoningDelta,
    Stopped,
    TextDelta,
    ToolCalled,
    TurnUsage,
)
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Assistant, Message, Prompt, ToolReply, ToolSpec, User

pytestmark = pytest.mark.anyio

ADD = ToolSpec("add", "Adds", msgspec.Raw(b"{}"))
CALL = ToolCalled(agent_id="main", tool_id="call_1", tool_name="add", arguments="{}")


def prompt(*messages: Message, agent: str = "main", tools: tuple[ToolSpec, ...] = ()) -> Prompt:
    return Prompt(agent_id=agent, system="", messages=messages, tools=tools)


async def play(model: Scripted, asked: Prompt) -> list[AnyEvent]:
    async with opened(model.stream(asked)) as events:
        return [event async for event in events]


async def text(model: Scripted, *messages: Message, **options: object) -> str:
    events = await play(model, prompt(*messages, **options))  # type: ignore[arg-type]
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_whole_reply() -> None:
    reply = Reply(
        reasoning="hm",
        text="I add.",
        calls=(Call(name="add", arguments={"a": 1}), Call(name="add")),
        usage=ReplyUsage(prompt=10, completion=5, cached=3, reasoning=1),
    )
    assert await play(Scripted([reply]), prompt(User("1+1"))) == [
        ReasoningDelta(agent_id="main", content="hm"),
        TextDelta(agent_id="main", text="I add."),
        ToolCalled(agent_id="main", tool_id="call_1", tool_name="add", arguments='{"a":1}'),
        ToolCalled(agent_id="main", tool_id="call_2", tool_name="add", arguments="{}"),
        TurnUsage(
            agent_id="main",
            prompt_tokens=10,
            completion_tokens=5,
            cached_tokens=3,
            reasoning_tokens=1,
        ),
        Stopped(agent_id="main", reason="tool_calls"),
    ]


async def test_the_estimated_usage_is_four_characters_a_token() -> None:
    model = Scripted([Reply(text="123456789", reasoning="1234")])
    asked = prompt(User("12345678"), tools=(ADD,))
    assert TurnUsage(
        agent_id="main", prompt_tokens=3, completion_tokens=4, reasoning_tokens=1
    ) in await play(model, asked)


async def test_ordered_replies_follow_the_conversation() -> None:
    model = Scripted([Reply(calls=(Call(name="add"),)), Reply(text="two"), Reply(text="bye")])
    talk: list[Message] = [User("1+1"), Assistant("", (CALL,)), ToolReply("call_1", "add", "2")]
    assert await text(model, *talk) == "two"
    assert await text(model, *talk, Assistant("two"), User("thanks")) == "bye"
    with pytest.raises(ScriptError, match=r"no reply to the message 'x'.*model call 4 of"):
        await text(model, *talk, Assistant("two"), User("a"), Assistant("bye"), User("x"))


async def test_call_ids_are_unique_within_a_conversation_or_injected() -> None:
    reply = Reply(calls=(Call(name="add"),))
    asked = prompt(User("x"), Assistant("", (CALL,)), ToolReply("call_1", "add", "2"))
    (call, *_) = await play(Scripted([reply, reply]), asked)
    assert isinstance(call, ToolCalled)
    assert call.tool_id == "call_2"
    (call, *_) = await play(Scripted([reply, reply], ids=lambda prefix: prefix + "z"), asked)
    assert isinstance(call, ToolCalled)
    assert call.tool_id == "call_z"


@pytest.mark.parametrize(
    ("when", "messages", "matches"),
    [
        (When(message="(?i)HELLO"), (User("oh hello"),), True),
        (When(message="^hello"), (User("oh hello"),), False),
        (When(message="a"), (User("a"), Assistant("x"), User("b")), False),
        (When(message="a"), (User("a"), Assistant("", (CALL,)), ToolReply("1", "add", "")), False),
        (When(tool="a*"), (User("a"), ToolReply("1", "add", "2")), True),
        (When(tool="b*"), (User("a"), ToolReply("1", "add", "2")), False),
        (When(tool="add"), (User("add"),), False),
        (When(tool="add", message="b"), (User("a"), ToolReply("1", "add", "2")), False),
        (When(result="^2$"), (User("a"), ToolReply("1", "add", "2")), True),
        (When(result="^3$"), (User("a"), ToolReply("1", "add", "2")), False),
        (When(agent="main"), (User("a"),), True),
        (When(agent="w*"), (User("a"),), False),
        (When(offers="add"), (User("a"),), True),
        (When(offers="sub"), (User("a"),), False),
    ],
)
async def test_when(when: When, messages: tuple[Message, ...], matches: bool) -> None:
    model = Scripted([Reply(text="ordered")] * 3 + [Reply(text="matched", when=when)])
    assert await text(model, *messages, tools=(ADD,)) == ("matched" if matches else "ordered")


async def test_the_first_reply_that_matches_is_given() -> None:
    model = Scripted([Reply(text=each, when=When(message=each[0])) for each in ("ab", "bc", "b")])
    assert await text(model, User("b")) == "bc"


async def test_placeholders() -> None:
    when = When(message=r"(\d+) plus (?P<b>\S+)( please)?")
    arguments = {
        "a": "${1:json}",
        "deep": [{"b": "${b}"}, "${b:json}", 7],
        "said": "${message}!",
        "polite": "${3}",
    }
    model = Scripted([Reply(when=when, calls=(Call(name="add", arguments=arguments),))])
    (call, *_) = await play(model, prompt(User("2 plus true")))
    assert isinstance(call, ToolCalled)
    assert msgspec.json.decode(call.arguments) == {
        "a": 2,
        "deep": [{"b": "true"}, True, 7],
        "said": "2 plus true!",
        "polite": "",
    }


async def test_placeholders_for_results() -> None:
    said = "${agent}: ${result} / ${result.add} / ${results} / ${result.none} / $${1} / ${1}${0}"
    model = Scripted([Reply(when=When(tool="*", result="(.)$"), text=said)])
    talk = (
        ToolReply("0", "add", "old"),
        User("x"),
        ToolReply("1", "add", "5"),
        ToolReply("2", "sub", "67"),
    )
    assert await text(model, *talk) == "main: 67 / 5 / 5\n67 /  / ${1} / 77"


async def test_a_value_that_is_no_json() -> None:
    call = Call(name="add", arguments={"a": "${message:json}"})
    with pytest.raises(ScriptError, match="'x y', which is no JSON value"):
        await play(Scripted([Reply(calls=(call,))]), prompt(User("x y")))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=429, retry_after=2.0), RateLimited),
        (Fault(status=500), Unavailable),
        (Fault(status=504), TimedOut),
        (Fault(status=401), Rejected),
        (Fault(), Unavailable),
        (Fault(status=400, kind="context_overflow"), ContextOverflow),
        (Fault(kind="cut_off"), CutOff),
    ],
)
async def test_faults(fault: Fault, kind: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as raised:
        await play(Scripted([Reply(error=fault)]), prompt(User("x")))
    assert kind is type(raised.value)
    assert raised.value.upstream_status == fault.status
    assert raised.value.retry_after == fault.retry_after


async def test_a_fault_comes_after_what_is_said() -> None:
    model = Scripted([Reply(text="half", error=Fault(message="gone"))])
    async with opened(model.stream(prompt(User("x")))) as events:
        assert await anext(events) == TextDelta(agent_id="main", text="half")
        with pytest.raises(Unavailable, match=r"^gone$"):
            await anext(events)


@pytest.mark.parametrize(("after", "heard"), [(0, ""), (1, "a "), (9, "a b c")])
async def test_a_stream_that_is_cut(after: int, heard: str) -> None:
    model = Scripted([Reply(text="a b c", delay=1e-9, cut_after=after)])
    async with opened(settled(model.stream(prompt(User("x"))))) as events:
        *said, failure = [event async for event in events]
    assert heard == "".join(event.text for event in said if isinstance(event, TextDelta))
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, CutOff)


async def test_a_finish_reason_of_its_own() -> None:
    events = await play(Scripted([Reply(text="a", finish="length")]), prompt(User("x")))
    assert events[-1] == Stopped(agent_id="main", reason="length")


def test_delays_are_before_each_word() -> None:
    async def main() -> list[tuple[float, str]]:
        model = Scripted([Reply(text=" a  b\nc", first_delay=10.0, delay=1.0)])
        began = anyio.current_time()
        async with opened(model.stream(prompt(User("x")))) as events:
            return [
                (round(anyio.current_time() - began, 6), event.text)
                async for event in events
                if isinstance(event, TextDelta)
            ]

    clock = trio.testing.MockClock(autojump_threshold=0)
    assert trio.run(main, clock=clock) == [(11.0, " "), (12.0, "a  "), (13.0, "b\n"), (14.0, "c")]


def test_mistakes_in_python_are_found_too() -> None:
    with pytest.raises(ScriptError, match=r"^reply 1: unknown placeholder"):
        Scripted([Reply(text="${nobody}")])
