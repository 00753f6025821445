"""Our Bedrock against a double of it that others wrote: aimock, over a real network."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from aura.adapters.models.bedrock import BedrockModel
from aura.adapters.models.http1_transport import open_http1
from aura.errors import CutOff, RateLimited, Unavailable
from aura.events import AnyEvent, ReasoningDelta, Stopped, TextDelta, ToolCalled, TurnUsage
from aura.pipeline.compose import opened
from aura.pipeline.ports import Assistant, Message, Prompt, ToolReply, ToolSpec, User
from tests.support.processes import Processes, Running

pytestmark = pytest.mark.anyio

TEXT = "Grüße, “quoted” and \\ backslash 🙂, a second piece and a third."
CALLS = [
    {"id": "tooluse_1", "name": "add", "arguments": {"a": 1, "b": "ä"}},
    {"id": "tooluse_2", "name": "add", "arguments": {}},
]
TOKENS = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}

REPLIES = {
    "text": {"content": TEXT, "reasoning": "Hm, well.", "usage": TOKENS},
    "long": {"content": TEXT, "finishReason": "length", "usage": TOKENS},
    "one": {"content": "One moment.", "toolCalls": CALLS[:1], "usage": TOKENS},
    "parallel": {"toolCalls": CALLS, "usage": TOKENS},
    "busy": {"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429},
    "down": {"error": {"message": "no", "type": "overloaded_error"}, "status": 503},
}
RESULT = {"match": {"toolCallId": "tooluse_2"}, "response": {"content": "3", "usage": TOKENS}}
CUT = {
    "match": {"userMessage": "cut"},
    "response": {"content": TEXT},
    "chunkSize": 5,
    "latency": 5,
    "truncateAfterChunks": 4,
}

TOOL = ToolSpec(name="add", description="Adds.", parameters=msgspec.Raw(b'{"type":"object"}'))


@pytest.fixture(scope="session")
def double(shared: Processes, node: str, tmp_path_factory: pytest.TempPathFactory) -> Running:
    fixtures: list[Any] = [RESULT, CUT]
    for word, response in REPLIES.items():
        match = {"userMessage": word, "hasToolResult": False}
        fixtures.append({"match": match, "response": response, "chunkSize": 7})
    replies = tmp_path_factory.mktemp("bedrock") / "replies.json"
    replies.write_text(json.dumps({"fixtures": fixtures}))
    return shared.aimock(node, replies)


@pytest.fixture
async def model(
    double: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BedrockModel]:
    credentials = tmp_path / "credentials"
    credentials.write_text("[work]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    async with open_http1() as transport:
        yield BedrockModel(
            model="eu.anthropic.claude-sonnet-4-5-v1:0",
            region="eu-central-1",
            profile="work",
            transport=transport,
            ids=lambda prefix: prefix,
            base_url=double.url,
        )


async def heard(model: BedrockModel, *messages: Message) -> list[AnyEvent]:
    prompt = Prompt(agent_id="main", system="Be brief.", messages=messages, tools=(TOOL,))
    async with opened(model.stream(prompt)) as events:
        return [event async for event in events]


def said(events: list[AnyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls(events: list[AnyEvent]) -> list[ToolCalled]:
    return [event for event in events if isinstance(event, ToolCalled)]


USAGE = TurnUsage(agent_id="main", prompt_tokens=40, completion_tokens=10)


async def test_text_and_reasoning(model: BedrockModel) -> None:
    events = await heard(model, User("text"))
    thoughts = [event.content for event in events if isinstance(event, ReasoningDelta)]
    assert "".join(thoughts) == "Hm, well."
    assert said(events) == TEXT
    assert events[-2:] == [USAGE, Stopped(agent_id="main", reason="stop")]


async def test_an_answer_that_reached_its_limit(model: BedrockModel) -> None:
    events = await heard(model, User("long"))
    assert events[-1] == Stopped(agent_id="main", reason="length")


async def test_one_call(model: BedrockModel) -> None:
    events = await heard(model, User("one"))
    (call,) = calls(events)
    assert said(events) == "One moment."
    assert (call.tool_id, call.tool_name) == ("tooluse_1", "add")
    assert json.loads(call.arguments) == {"a": 1, "b": "ä"}
    assert events[-1] == Stopped(agent_id="main", reason="tool_calls")


async def test_parallel_calls_and_their_results(model: BedrockModel, double: Running) -> None:
    asked = User("parallel")
    requested = calls(await heard(model, asked))
    assert [call.tool_id for call in requested] == ["tooluse_1", "tooluse_2"]
    assert [json.loads(call.arguments) for call in requested] == [{"a": 1, "b": "ä"}, {}]
    replies = [ToolReply(call.tool_id, call.tool_name, "done") for call in requested]
    events = await heard(model, asked, Assistant("", tuple(requested)), *replies)
    assert said(events) == "3"
    journal = httpx2.get(f"{double.url}/__aimock/journal").json()
    roles = [message["role"] for message in journal[-1]["body"]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool"]


async def test_too_many_requests(model: BedrockModel) -> None:
    with pytest.raises(RateLimited) as raised:
        await heard(model, User("busy"))
    assert (raised.value.retry_after, raised.value.detail) == (1, "slow down")


async def test_a_provider_that_is_down(model: BedrockModel) -> None:
    with pytest.raises(Unavailable) as raised:
        await heard(model, User("down"))
    assert raised.value.upstream_status == 503


async def test_an_answer_that_breaks_off(model: BedrockModel) -> None:
    with pytest.raises(CutOff):
        await heard(model, User("cut"))
