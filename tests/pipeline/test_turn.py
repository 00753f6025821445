from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from syrupy.assertion import SnapshotAssertion

from aura.errors import RateLimited, Unavailable
from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    RunCompleted,
    RunFailed,
    ServerStatus,
    Stopped,
    TextDelta,
    Thought,
    ToolCallDelta,
    ToolCalled,
    ToolCompleted,
    ToolProgressed,
    ToolRequested,
    ToolStarted,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import opened
from aura.pipeline.ports import Assistant, Outcome, Prompt, User
from aura.pipeline.run import Run, open_run
from tests.support.agents import agent, asks, breaks, says
from tests.support.sources import fixed_sources
from tests.support.tools import Item, ScriptedTool, ScriptedToolbox, fails, gives
from tests.support.transcript import several, transcript
from tests.support.virtual import in_virtual_time, virtual_sources

pytestmark = pytest.mark.anyio

HELLO = (User("Hello?"),)


def of_kind(happened: list[AnyEvent], kind: type) -> list[AnyEvent]:
    return [event for event in happened if isinstance(event, kind)]


async def test_a_plain_answer(events: SnapshotAssertion, run: Run) -> None:
    assert await transcript(answer(agent(says("Hi.")), HELLO, run)) == events


async def test_a_round_of_tools(events: SnapshotAssertion, run: Run) -> None:
    asking = agent(
        asks("look", text="Looking."), says("Done."), tools=(gives("look", "a.txt", steps=2),)
    )
    assert await transcript(answer(asking, HELLO, run)) == events


async def test_the_servers_behind_the_tools_are_reported(
    events: SnapshotAssertion, run: Run
) -> None:
    up = ServerStatus(
        server_name="logs", transport="http_streamable", status="connected", tools_count=3
    )
    down = ServerStatus(
        server_name="fs", transport="stdio", status="failed", tools_count=0, reason="gone"
    )
    asking = agent(says("Hi.", reasoning="Hm."), toolset=ScriptedToolbox(servers=(down, up)))
    assert await transcript(answer(asking, HELLO, run)) == events


async def test_a_failing_tool_is_reported_and_the_model_goes_on(
    events: SnapshotAssertion, run: Run
) -> None:
    asking = agent(asks("look"), says("It failed."), tools=(fails("look", "disk on fire"),))
    assert await transcript(answer(asking, HELLO, run)) == events


def in_time(asked: Agent, *, pace: float = 0.0) -> list[AnyEvent]:
    """A run on the virtual clock, read with that many seconds between two events."""

    async def happen() -> list[AnyEvent]:
        happened: list[AnyEvent] = []
        async with (
            open_run(sources=virtual_sources()) as run,
            opened(answer(asked, HELLO, run)) as events,
        ):
            async for event in events:
                happened.append(event)
                await anyio.sleep(pace)
        return happened

    with capture_logs():
        return in_virtual_time(happen)


def test_waiting_is_reported(events: SnapshotAssertion) -> None:
    failures = [Unavailable("Down."), RateLimited("Slow down.", retry_after=7)]

    class Flaky:
        name = "scripted/flaky"

        async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
            if failures:
                raise failures.pop(0)
            yield TextDelta(agent_id=prompt.agent_id, text="Hi.")
            yield Stopped(agent_id=prompt.agent_id, reason="stop")

    assert in_time(Agent(model=Flaky(), system="", toolset=ScriptedToolbox())) == events


def test_a_tool_that_takes_too_long_is_abandoned(events: SnapshotAssertion) -> None:
    tool = gives("look", "never", steps=1, gate=anyio.Event())
    asking = agent(asks("look"), says("It hangs."), tools=(tool,), per_call_timeout=60.0)
    assert in_time(asking) == events
    assert tool.abandoned == ["call_1"]


def test_of_two_tools_only_the_one_that_takes_too_long_is_abandoned() -> None:
    tools = gives("slow", "never", gate=anyio.Event()), gives("quick", "here")
    asking = agent(asks("slow", "quick"), says("."), tools=tools, per_call_timeout=60.0)
    ended = of_kind(in_time(asking), ToolCompleted)
    assert [(each.tool_name, each.success, each.duration_ms) for each in ended] == [
        ("quick", True, 0),
        ("slow", False, 60_000),
    ]


def test_a_model_that_takes_too_long_once_it_began_fails_the_run(
    events: SnapshotAssertion,
) -> None:
    slow = says("One two three", first_delay=10.0, delay=10.0)
    assert in_time(agent(slow, per_call_timeout=15.0)) == events


def test_a_tool_that_hangs_after_its_result_keeps_it() -> None:
    class Hanging(ScriptedTool):
        async def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Item]:
            async for item in super().call(call, arguments):
                yield item
            await anyio.sleep_forever()

    tool = Hanging("look", lambda _: Outcome("a.txt"))
    asking = agent(asks("look"), says("."), tools=(tool,), per_call_timeout=60.0)
    [ended] = of_kind(in_time(asking), ToolCompleted)
    assert (ended.result, ended.duration_ms) == ("a.txt", 60_000)


def test_a_model_that_hangs_after_its_last_word_has_no_reason_to_end() -> None:
    class Hanging:
        name = "scripted/hanging"

        async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
            yield Stopped(agent_id=prompt.agent_id, reason="length")
            await anyio.sleep_forever()

    toolset = ScriptedToolbox()
    happened = in_time(Agent(model=Hanging(), system="", toolset=toolset, per_call_timeout=60.0))
    assert [CompletionEnded(agent_id="main", index=0)] == of_kind(happened, CompletionEnded)


def test_a_reader_that_takes_its_time_uses_up_nobody_elses() -> None:
    tool = gives("look", "a.txt", steps=2)
    asking = agent(asks("look", text="Hm."), says("Done."), tools=(tool,), per_call_timeout=5.0)
    assert in_time(asking, pace=100.0)[-1] == RunCompleted(reason="stop")


async def test_two_tools_of_one_completion_run_at_the_same_time(run: Run) -> None:
    gate = anyio.Event()
    first, second = gives("first", "1", gate=gate), gives("second", "2", gate=gate)
    asking = agent(asks("first", "second"), says("Done."), tools=(first, second))
    started = 0
    happened: list[AnyEvent] = []
    async for event in answer(asking, HELLO, run):
        happened.append(event)
        started += isinstance(event, ToolStarted)
        if started == 2:
            gate.set()
    assert {"1", "2"} == {event.result for event in of_kind(happened, ToolCompleted)}


async def test_no_more_tools_run_at_a_time_than_allowed(run: Run) -> None:
    asking = agent(
        asks("a", "b", "c"), says("."), tools=tuple(gives(n, n) for n in "abc"), parallel_calls=1
    )
    happened = await transcript(answer(asking, HELLO, run))
    kinds = [type(e) for e in happened if isinstance(e, ToolRequested | ToolCompleted)]
    assert [ToolRequested, ToolCompleted] * 3 == kinds


async def test_results_reach_the_model_in_the_order_of_the_calls(run: Run) -> None:
    seen: list[Prompt] = []

    class Recorder:
        name = "scripted/recorder"

        async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
            seen.append(prompt)
            if len(seen) == 1:
                for name in ("slow", "quick"):
                    yield ToolCalled(agent_id="main", tool_id="same", tool_name=name, arguments="")
            yield Stopped(agent_id="main", reason="stop")

    tools = (gives("slow", "late", steps=9), gives("quick", "early"))
    asking = Agent(model=Recorder(), system="", toolset=ScriptedToolbox(tools))
    await transcript(answer(asking, HELLO, run))
    _, assistant, *replies = seen[1].messages
    assert [call.tool_id for call in assistant.calls] == ["same", "same_2"]
    assert [(r.tool_id, r.text) for r in replies] == [("same", "late"), ("same_2", "early")]


@pytest.mark.parametrize("depth", [0, 1, 3])
async def test_exactly_turn_depth_rounds_and_one_final_answer(depth: int, run: Run) -> None:
    asking = agent(
        *[asks("look")] * depth, says("Enough."), tools=(gives("look", "x"),), turn_depth=depth
    )
    happened = await transcript(answer(asking, HELLO, run))
    assert depth + 1 == len(of_kind(happened, CompletionStarted))
    assert depth == len(of_kind(happened, ToolCompleted))
    assert RunCompleted(reason="stop") == happened[-1]


async def test_a_model_that_only_ever_calls_tools_is_stopped(run: Run) -> None:
    asking = agent(*[asks("look")] * 3, tools=(gives("look", "x"),), turn_depth=2)
    happened = await transcript(answer(asking, HELLO, run))
    assert 2 == len(of_kind(happened, ToolCompleted)) == len(of_kind(happened, ToolCalled))
    assert RunCompleted(reason="stop") == happened[-1]


async def test_a_tool_that_does_not_exist_is_explained_to_the_model(run: Run) -> None:
    asking = agent(asks("dig"), says("."), tools=(gives("look", "x"),))
    [completed] = of_kind(await transcript(answer(asking, HELLO, run)), ToolCompleted)
    assert completed.error == "ToolCallError: there is no tool named 'dig'. Available: look."


DEEP = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize("arguments", ["[1", DEEP], ids=["broken", "deep"])
async def test_arguments_that_are_no_object_are_explained_to_the_model(
    arguments: str, run: Run
) -> None:
    class Sloppy:
        name = "scripted/sloppy"

        async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
            if len(prompt.messages) == 1:
                yield ToolCalled(
                    agent_id="main", tool_id="c", tool_name="look", arguments=arguments
                )
            yield Stopped(agent_id="main", reason="stop")

    asking = Agent(model=Sloppy(), system="", toolset=ScriptedToolbox((gives("look", "x"),)))
    happened = await transcript(answer(asking, HELLO, run))
    [requested], [completed] = of_kind(happened, ToolRequested), of_kind(happened, ToolCompleted)
    assert requested.arguments == "{}"
    assert completed.error.startswith("JsonError: the arguments of 'look' are not a JSON object")


@pytest.mark.parametrize(
    ("status", "code"), [(401, "provider_rejected"), (408, "provider_timeout")]
)
async def test_a_failure_of_the_provider_ends_the_run(status: int, code: str, run: Run) -> None:
    *_, failed, completed = await transcript(answer(agent(breaks(status)), HELLO, run))
    assert code == failed.code
    assert RunCompleted() == completed


async def test_what_was_gathered_is_accounted_for_when_a_later_call_fails(
    events: SnapshotAssertion, run: Run
) -> None:
    asking = agent(asks("look"), breaks(400, message="Too strange."), tools=(gives("look", "x"),))
    assert await transcript(answer(asking, HELLO, run)) == events


async def test_a_cut_off_stream_keeps_its_text_and_fails(run: Run) -> None:
    happened = await transcript(answer(agent(says("One two", delay=1e-9, cut_after=1)), HELLO, run))
    assert [event.text for event in of_kind(happened, TextDelta)] == ["One "]
    assert [event.code for event in of_kind(happened, RunFailed)] == ["provider_stream_cut"]


async def test_a_script_without_a_reply_says_so(run: Run) -> None:
    [failed] = of_kind(await transcript(answer(agent(), HELLO, run)), RunFailed)
    assert failed.code == "script_exhausted"


async def test_leaving_while_a_tool_runs_abandons_it(run: Run) -> None:
    tool = gives("look", "never", gate=anyio.Event())
    asking = agent(asks("look"), says("."), tools=(tool,))
    async for event in (stream := answer(asking, HELLO, run)):
        if isinstance(event, ToolStarted):
            break
    await stream.aclose()
    assert tool.abandoned == ["call_1"]


@settings(max_examples=50, deadline=None)
@given(
    names=st.lists(st.sampled_from(["ok", "bad", "none"]), max_size=12), parallel=st.integers(1, 9)
)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_every_call_gets_its_events_once_and_in_causal_order(
    names: list[str], parallel: int, backend: str
) -> None:
    async def happen() -> list[AnyEvent]:
        tools = (gives("ok", "fine", steps=2), fails("bad", "broken"))
        asking = agent(asks(*names), says("."), tools=tools, parallel_calls=parallel)
        async with open_run(sources=fixed_sources()) as run:
            return await transcript(answer(asking, HELLO, run))

    orders: dict[str, list[str]] = defaultdict(list)
    for event in anyio.run(happen, backend=backend):
        if isinstance(event, ToolRequested | ToolStarted | ToolProgressed | ToolCompleted):
            orders[event.tool_id].append(type(event).__name__)
    expected = {
        "ok": ["ToolRequested", "ToolStarted", "ToolProgressed", "ToolProgressed", "ToolCompleted"],
        "bad": ["ToolRequested", "ToolStarted", "ToolCompleted"],
        "none": ["ToolRequested", "ToolCompleted"],
    }
    assert [expected[name] for name in names] == [
        orders[key] for key in sorted(orders, key=lambda k: int(k[5:]))
    ]


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 25))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_leaving_after_any_event_leaves_nothing_running(count: int, backend: str) -> None:
    tools = (gives("a", "1", steps=2), gives("b", "2", steps=2))
    asking = agent(asks("a", "b"), asks("b"), says("Done."), tools=tools)

    async def leave() -> None:
        async with open_run(sources=fixed_sources()) as run:
            before = len(anyio.get_running_tasks())
            await several(answer(asking, HELLO, run), count)
            await wait_all_tasks_blocked()
            assert before == len(anyio.get_running_tasks())

    anyio.run(leave, backend=backend)


class Signing:
    """A model whose first answer has to go back to it as it was."""

    name = "signing/test"
    most_tools = None

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        self.prompts.append(prompt)
        if len(self.prompts) == 1:
            yield Thought(agent_id="main", provider="signing", block='{"signature":"s"}')
            piece = ToolCallDelta(agent_id="main", tool_name="look", index=0, arguments="{}")
            yield piece
            yield ToolCalled(agent_id="main", tool_id="a", tool_name="look", arguments="{}")
        yield Stopped(agent_id="main", reason="stop")


async def test_what_a_provider_wants_back(run: Run, events: SnapshotAssertion) -> None:
    model = Signing()
    asked = Agent(model=model, system="", toolset=ScriptedToolbox((gives("look", "x"),)))
    assert await transcript(answer(asked, [User("Look")], run)) == events
    [_, said, _] = model.prompts[1].messages
    assert isinstance(said, Assistant)
    assert [thought.block for thought in said.thoughts] == ['{"signature":"s"}']
