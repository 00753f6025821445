"""The Anthropic provider against a model double that others wrote, which checks what it is sent:
an unforeseen request, or thoughts that do not come back, is an error of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aura.adapters.models.anthropic import AnthropicModel
from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.transport import Transport
from aura.errors import CutOff, ProviderError, RateLimited, Unavailable
from aura.events import (
    AnyEvent,
    ReasoningDelta,
    RunCompleted,
    Stopped,
    TextDelta,
    Thought,
    ToolCallDelta,
    ToolCalled,
    ToolCompleted,
    TurnUsage,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Failure, settled
from aura.pipeline.ports import (
    Assistant,
    Message,
    Outcome,
    Prompt,
    ToolReply,
    ToolSpec,
    User,
)
from aura.pipeline.run import open_run
from tests.support.processes import Processes, Running
from tests.support.sources import fixed_sources
from tests.support.tools import ScriptedTool, ScriptedToolbox
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

WEATHER = ToolSpec("weather", "Tells the weather", msgspec.Raw(b'{"type":"object"}'))
CITIES = [{"city": "Köln"}, {"city": "Oslo"}]
CALLS = [
    {"id": f"toolu_{number}", "name": "weather", "arguments": city}
    for number, city in enumerate(CITIES, 1)
]
USAGE = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
LONG = "Grüße 👋 aus der Ferne. " * 20

REPLIES = [
    {"match": {"userMessage": "greet"}, "response": {"content": LONG, "usage": USAGE}},
    {
        "match": {"userMessage": "one city", "hasToolResult": False},
        "response": {
            "content": "One moment.",
            "reasoning": "They want to know about one city.",
            "reasoningSignature": "c2lnbmVk",
            "redactedThinking": ["aGlkZGVu"],
            "toolCalls": CALLS[:1],
            "usage": USAGE,
        },
    },
    {
        "match": {"userMessage": "one city", "toolResultContains": "rain"},
        "response": {"content": "It rains in Köln."},
    },
    {
        "match": {"userMessage": "two cities", "hasToolResult": False},
        "response": {"toolCalls": CALLS},
    },
    {
        "match": {"userMessage": "two cities", "toolResultContains": "snow"},
        "response": {"content": "It snows in Oslo."},
    },
    {
        "match": {"userMessage": "too long"},
        "response": {"content": "Half an ans", "finishReason": "length"},
    },
    {
        "match": {"userMessage": "hurry"},
        "response": {
            "error": {"type": "rate_limit_error", "message": "slow down"},
            "status": 429,
            "retryAfter": 7,
        },
    },
    {
        "match": {"userMessage": "busy"},
        "response": {"error": {"type": "api_error", "message": "busy"}, "status": 503},
    },
    {
        "match": {"userMessage": "break off"},
        "response": {"content": LONG},
        "latency": 30,
        "truncateAfterChunks": 6,
    },
]


@pytest.fixture(scope="session")
def double(shared: Processes, node: str, tmp_path_factory: pytest.TempPathFactory) -> Running:
    replies: Path = tmp_path_factory.mktemp("anthropic") / "replies.json"
    replies.write_bytes(msgspec.json.encode({"fixtures": REPLIES}))
    return shared.aimock(node, replies)


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_http1() as opened_transport:
        yield opened_transport


@pytest.fixture
def model(transport: Transport, double: Running) -> AnthropicModel:
    return AnthropicModel(
        model="claude-sonnet-4-0",
        transport=transport,
        ids=str,
        api_key="not-a-key",
        base_url=double.url,
        additional_params={"thinking": {"type": "enabled", "budget_tokens": 2000}},
    )


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(
        agent_id="main", system="Be brief.", messages=messages, tools=(WEATHER,), **fields
    )


def text(events: list[AnyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls(events: list[AnyEvent]) -> tuple[ToolCalled, ...]:
    return tuple(event for event in events if isinstance(event, ToolCalled))


def said(events: list[AnyEvent]) -> Assistant:
    thoughts = tuple(event for event in events if isinstance(event, Thought))
    return Assistant(text(events), calls(events), thoughts)


async def failure(model: AnthropicModel, question: str) -> tuple[list[AnyEvent], ProviderError]:
    *before, last = await transcript(settled(model.stream(prompt(User(question)))))
    assert isinstance(last, Failure)
    assert isinstance(last.error, ProviderError)
    return [event for event in before if not isinstance(event, Failure)], last.error


async def test_text(model: AnthropicModel) -> None:
    events = await transcript(model.stream(prompt(User("Please greet me."))))
    assert text(events) == LONG
    assert events[-2:] == [
        TurnUsage(agent_id="main", prompt_tokens=40, completion_tokens=10),
        Stopped(agent_id="main", reason="stop"),
    ]


async def test_a_tool_and_the_thoughts_before_it(model: AnthropicModel) -> None:
    """The double refuses the second request unless the thoughts come first in it."""
    question = User("The weather in one city?")
    events = await transcript(model.stream(prompt(question)))
    thought = "".join(event.content for event in events if isinstance(event, ReasoningDelta))
    assert thought == "They want to know about one city."
    answer = said(events)
    assert [msgspec.json.decode(each.block)["type"] for each in answer.thoughts] == [
        "redacted_thinking",
        "thinking",
    ]
    assert answer.text == "One moment."
    [call] = answer.calls
    assert (call.tool_id, call.tool_name) == ("toolu_1", "weather")
    assert msgspec.json.decode(call.arguments) == CITIES[0]
    assert events[-1] == Stopped(agent_id="main", reason="tool_calls")
    talk = prompt(question, answer, ToolReply("toolu_1", "weather", "rain"))
    events = await transcript(model.stream(talk))
    assert text(events) == "It rains in Köln."


async def test_an_agent_that_thinks_and_has_a_tool(model: AnthropicModel) -> None:
    tool = ScriptedTool("weather", lambda given: Outcome(f"rain in {given['city']}"))
    agent = Agent(model=model, system="Be brief.", toolset=ScriptedToolbox((tool,)), turn_depth=1)
    async with open_run(sources=fixed_sources()) as run:
        events = await transcript(answer(agent, [User("The weather in one city?")], run))
    [result] = [event.result for event in events if isinstance(event, ToolCompleted)]
    assert result == "rain in Köln"
    assert text(events) == "One moment.\n\nIt rains in Köln."
    assert events[-1] == RunCompleted(reason="stop")


async def test_a_history_without_its_thoughts_is_refused(model: AnthropicModel) -> None:
    """So the test above can fail."""
    call = ToolCalled(agent_id="main", tool_id="toolu_1", tool_name="weather", arguments="{}")
    talk = prompt(
        User("The weather in one city?"),
        Assistant("One moment.", (call,)),
        ToolReply("toolu_1", "weather", "rain"),
    )
    with pytest.raises(ProviderError) as raised:
        await transcript(model.stream(talk))
    assert raised.value.upstream_status == 400
    assert "thinking" in raised.value.detail


async def test_two_tools_at_once(transport: Transport, double: Running) -> None:
    model = AnthropicModel(
        model="claude-haiku-4-5", transport=transport, ids=str, base_url=double.url
    )
    question = User("The weather in two cities?")
    events = await transcript(model.stream(prompt(question, live=frozenset({"weather"}))))
    asked = calls(events)
    assert [msgspec.json.decode(call.arguments) for call in asked] == CITIES
    pieces = [event for event in events if isinstance(event, ToolCallDelta)]
    for index, call in enumerate(asked):
        mine = "".join(piece.arguments for piece in pieces if piece.index == index)
        assert mine == call.arguments
    talk = prompt(
        question,
        said(events),
        ToolReply("toolu_1", "weather", "rain"),
        ToolReply("toolu_2", "weather", "snow"),
    )
    assert text(await transcript(model.stream(talk))) == "It snows in Oslo."


async def test_an_answer_that_got_too_long(model: AnthropicModel) -> None:
    events = await transcript(model.stream(prompt(User("This is too long."))))
    assert text(events) == "Half an ans"
    assert events[-1] == Stopped(agent_id="main", reason="length")


async def test_a_rate_limit(model: AnthropicModel) -> None:
    before, error = await failure(model, "In a hurry?")
    assert not before
    assert isinstance(error, RateLimited)
    assert (error.retry_after, error.detail) == (7.0, "slow down")


async def test_a_provider_that_is_busy(model: AnthropicModel) -> None:
    before, error = await failure(model, "Are you busy?")
    assert not before
    assert isinstance(error, Unavailable)
    assert error.upstream_status == 503


async def test_an_answer_that_breaks_off(model: AnthropicModel) -> None:
    before, error = await failure(model, "Now break off.")
    assert LONG.startswith(text(before))
    assert text(before)
    assert isinstance(error, CutOff)
