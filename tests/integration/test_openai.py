"""The OpenAI provider against a model double that others wrote, with reasoning as compatible
servers send it; an unforeseen request is an error of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.openai import OpenAIModel
from aura.adapters.models.transport import Transport
from aura.errors import (
    ContextOverflow,
    CutOff,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from aura.events import (
    AnyEvent,
    FinishReason,
    ReasoningDelta,
    RunCompleted,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCalled,
    ToolCompleted,
    TurnUsage,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Failure, settled
from aura.pipeline.ports import Assistant, Message, Outcome, Prompt, ToolReply, ToolSpec, User
from aura.pipeline.run import open_run
from tests.support.processes import Processes, Running
from tests.support.sources import fixed_sources
from tests.support.tools import ScriptedTool, ScriptedToolbox
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

WEATHER = ToolSpec("weather", "Tells the weather", msgspec.Raw(b'{"type":"object"}'))
CITIES = [{"city": "Köln"}, {"city": "Oslo"}]
CALLS = [
    {"id": f"call_{number}", "name": "weather", "arguments": city}
    for number, city in enumerate(CITIES, 1)
]
USAGE = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
LONG = "Grüße 👋 aus der Ferne. " * 20
LONG_ARGUMENTS = {"text": LONG, "list": ["\\", '"', {"ä": [1, None]}]}


def refused(question: str, status: int, code: str, message: str = "no") -> dict[str, object]:
    error = {"type": code, "code": code, "message": message}
    response = {"error": error, "status": status, "retryAfter": 7}
    return {"match": {"userMessage": question}, "response": response}


REPLIES = [
    {"match": {"userMessage": "greet"}, "response": {"content": LONG, "usage": USAGE}},
    {
        "match": {"userMessage": "smallest pieces"},
        "response": {"content": LONG, "reasoning": LONG},
        "chunkSize": 1,
    },
    {
        "match": {"userMessage": "one city", "hasToolResult": False},
        "response": {
            "content": "One moment.",
            "reasoning": "They want to know about one city.",
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
        "match": {"userMessage": "long story"},
        "response": {
            "toolCalls": [
                {"id": "call_long", "name": "weather", "arguments": LONG_ARGUMENTS},
                {"id": "call_short", "name": "weather", "arguments": {}},
            ]
        },
        "chunkSize": 1,
    },
    {
        "match": {"userMessage": "too long"},
        "response": {"content": "Half an ans", "finishReason": "length"},
    },
    {
        "match": {"userMessage": "not allowed"},
        "response": {"content": "I am", "finishReason": "content_filter"},
    },
    {"match": {"userMessage": "nothing"}, "response": {"content": ""}},
    refused("wrong key", 401, "invalid_api_key"),
    refused("too much", 400, "context_length_exceeded"),
    refused("in a hurry", 429, "rate_limit_exceeded", "slow down"),
    refused("no money", 429, "insufficient_quota"),
    refused("are busy", 503, "server_error"),
    refused("overloaded", 529, "overloaded_error"),
    {
        "match": {"userMessage": "malformed"},
        "response": {"content": "Hi"},
        "chaos": {"malformedRate": 1.0},
    },
    {
        "match": {"userMessage": "hang up"},
        "response": {"content": "Hi"},
        "chaos": {"disconnectRate": 1.0},
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
    replies: Path = tmp_path_factory.mktemp("openai") / "replies.json"
    replies.write_bytes(msgspec.json.encode({"fixtures": REPLIES}))
    return shared.aimock(node, replies)


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_http1() as opened_transport:
        yield opened_transport


@pytest.fixture
def model(transport: Transport, double: Running) -> OpenAIModel:
    return OpenAIModel(
        model="gpt-5.2",
        transport=transport,
        ids=str,
        api_key="not-a-key",
        base_url=f"{double.url}/v1",
        max_tokens=4000,
        reasoning_effort="none",
        additional_params={"seed": 7},
    )


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(
        agent_id="main", system="Be brief.", messages=messages, tools=(WEATHER,), **fields
    )


async def asked(model: OpenAIModel, question: str, **fields: Any) -> list[AnyEvent]:
    return await transcript(model.stream(prompt(User(question), **fields)))


def text(events: list[AnyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thought(events: list[AnyEvent]) -> str:
    return "".join(event.content for event in events if isinstance(event, ReasoningDelta))


def calls(events: list[AnyEvent]) -> tuple[ToolCalled, ...]:
    return tuple(event for event in events if isinstance(event, ToolCalled))


async def failure(model: OpenAIModel, question: str) -> tuple[list[AnyEvent], ProviderError]:
    *before, last = await transcript(settled(model.stream(prompt(User(question)))))
    assert isinstance(last, Failure)
    assert isinstance(last.error, ProviderError)
    return [event for event in before if not isinstance(event, Failure)], last.error


async def test_text(model: OpenAIModel) -> None:
    events = await asked(model, "Please greet me.")
    assert text(events) == LONG
    assert events[-2:] == [
        TurnUsage(agent_id="main", prompt_tokens=40, completion_tokens=10),
        Stopped(agent_id="main", reason="stop"),
    ]


async def test_text_and_reasoning_in_the_smallest_pieces(model: OpenAIModel) -> None:
    """The double cuts its emoji in two, too."""
    events = await asked(model, "In the smallest pieces, please.")
    assert (thought(events), text(events)) == (LONG, LONG)
    assert events[-1] == Stopped(agent_id="main", reason="stop")


async def test_a_tool_and_the_reasoning_before_it(model: OpenAIModel) -> None:
    question = User("The weather in one city?")
    events = await asked(model, question.text)
    assert thought(events) == "They want to know about one city."
    assert text(events) == "One moment."
    [call] = calls(events)
    assert (call.tool_id, call.tool_name) == ("call_1", "weather")
    assert msgspec.json.decode(call.arguments) == CITIES[0]
    assert events[-1] == Stopped(agent_id="main", reason="tool_calls")
    talk = prompt(
        question, Assistant(text(events), (call,)), ToolReply("call_1", "weather", "rain")
    )
    assert text(await transcript(model.stream(talk))) == "It rains in Köln."


async def test_an_agent_that_reasons_and_has_a_tool(model: OpenAIModel) -> None:
    tool = ScriptedTool("weather", lambda given: Outcome(f"rain in {given['city']}"))
    agent = Agent(model=model, system="Be brief.", toolset=ScriptedToolbox((tool,)), turn_depth=1)
    async with open_run(sources=fixed_sources()) as run:
        events = await transcript(answer(agent, [User("The weather in one city?")], run))
    [result] = [event.result for event in events if isinstance(event, ToolCompleted)]
    assert result == "rain in Köln"
    assert text(events) == "One moment.\n\nIt rains in Köln."
    assert events[-1] == RunCompleted(reason="stop")


async def test_two_tools_at_once(model: OpenAIModel) -> None:
    question = User("The weather in two cities?")
    events = await asked(model, question.text, live=frozenset({"weather"}))
    found = calls(events)
    assert [msgspec.json.decode(call.arguments) for call in found] == CITIES
    pieces = [event for event in events if isinstance(event, ToolCallDelta)]
    for index, call in enumerate(found):
        mine = "".join(piece.arguments for piece in pieces if piece.index == index)
        assert mine == call.arguments
    talk = prompt(
        question,
        Assistant("", found),
        ToolReply("call_1", "weather", "rain"),
        ToolReply("call_2", "weather", "snow"),
    )
    assert text(await transcript(model.stream(talk))) == "It snows in Oslo."


async def test_long_arguments_in_the_smallest_pieces(model: OpenAIModel) -> None:
    events = await asked(model, "Tell a long story.")
    long, short = calls(events)
    assert msgspec.json.decode(long.arguments) == LONG_ARGUMENTS
    assert (long.tool_id, short.tool_id, short.arguments) == ("call_long", "call_short", "{}")


@pytest.mark.parametrize(
    ("question", "said", "reason"),
    [
        ("This is too long.", "Half an ans", "length"),
        ("This is not allowed.", "I am", "content_filter"),
        ("Say nothing.", "", "stop"),
    ],
)
async def test_why_it_ended(
    model: OpenAIModel, question: str, said: str, reason: FinishReason
) -> None:
    events = await asked(model, question)
    assert text(events) == said
    assert events[-1] == Stopped(agent_id="main", reason=reason)


@pytest.mark.parametrize(
    ("question", "status", "kind", "retryable"),
    [
        ("A wrong key?", 401, Rejected, False),
        ("Is this too much?", 400, ContextOverflow, False),
        ("You are in a hurry.", 429, RateLimited, True),
        ("There is no money left.", 429, RateLimited, False),
        ("You are busy.", 503, Unavailable, True),
        ("You are overloaded.", 529, Unavailable, True),
    ],
)
async def test_a_refusal(
    model: OpenAIModel,
    question: str,
    status: int,
    kind: type[ProviderError],
    retryable: bool,
) -> None:
    before, error = await failure(model, question)
    assert not before
    assert isinstance(error, kind)
    assert (error.upstream_status, error.retryable) == (status, retryable)
    assert error.detail in {"no", "slow down"}
    assert error.retry_after == (7.0 if status == 429 else None)


async def test_an_unforeseen_request(model: OpenAIModel) -> None:
    """So that the tests above can fail."""
    _, error = await failure(model, "Something else.")
    assert isinstance(error, ProviderError)
    assert error.upstream_status is not None


async def test_an_answer_that_is_malformed(model: OpenAIModel) -> None:
    before, error = await failure(model, "Be malformed.")
    assert not before
    assert isinstance(error, Unavailable)
    assert "`base_url`" in str(error)


async def test_a_provider_that_hangs_up(model: OpenAIModel) -> None:
    before, error = await failure(model, "Now hang up.")
    assert not before
    assert isinstance(error, Unavailable)
    assert "without an answer" in str(error)


async def test_an_answer_that_breaks_off(model: OpenAIModel) -> None:
    before, error = await failure(model, "Now break off.")
    assert LONG.startswith(text(before))
    assert text(before)
    assert isinstance(error, CutOff)
