"""What differs between OpenAI itself, Azure and the servers of others, over a made-up network."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from aura.adapters.models.openai import OpenAIModel
from aura.events import AnyEvent, Thought
from aura.pipeline.ports import Assistant, Options, Prompt, ToolReply, User
from tests.adapters.models.chunks import (
    called,
    counted,
    delta,
    fragment,
    frames,
    said,
    stopped,
    thought,
)
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

PROMPT = Prompt(agent_id="main", system="", messages=(User("Hi"),))
HI: list[AnyEvent] = [said("Hi"), stopped()]


class Answered:
    """A whole answer."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, chunks: Sequence[object]) -> None:
        self._chunks = chunks

    async def batches(self) -> AsyncGenerator[bytes, None]:
        yield frames(*self._chunks, b"[DONE]")

    def close(self) -> None:
        pass


class Network:
    """A transport that reaches every host, and keeps what was sent."""

    def __init__(self, *chunks: object) -> None:
        self._chunks = chunks or (delta(content="Hi"), delta("stop"))
        self.urls: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        self.urls.append(url)
        self.bodies.append(msgspec.json.decode(body))
        return Answered(self._chunks)


def model(network: Network, url: str | None = None, **options: Any) -> OpenAIModel:
    return OpenAIModel(
        model="gpt-5.2", transport=network, ids=counted(), api_key="k", base_url=url, **options
    )


async def test_what_is_left_out_is_said_once() -> None:
    network = Network()
    with capture_logs() as logs:
        asked = model(network, temperature=0.2, reasoning_effort="low")
        assert [await transcript(asked.stream(PROMPT)) for _ in range(2)] == [HI, HI]
        await transcript(model(network, temperature=0.2).stream(PROMPT))
    assert [(line["log_level"], line["model"], line["parameters"]) for line in logs] == [
        ("warning", "openai/gpt-5.2", ["temperature"])
    ]
    assert [body.get("temperature") for body in network.bodies] == [None, None, 0.2]
    assert [body.get("reasoning_effort") for body in network.bodies] == ["low", "low", None]


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        (None, "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://acme.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://acme.services.ai.azure.com/openai/v1/", "max_completion_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
        ("http://127.0.0.1:8000/v1", "max_tokens"),
    ],
)
async def test_the_limit_has_the_name_that_the_server_knows(url: str | None, limit: str) -> None:
    network = Network()
    assert await transcript(model(network, url, max_tokens=9).stream(PROMPT)) == HI
    [body] = network.bodies
    assert {limit: 9} == {name: body[name] for name in body if name.startswith("max_")}
    base = (url or "https://api.openai.com/v1").rstrip("/")
    assert network.urls == [f"{base}/chat/completions"]


async def test_mistral_is_sent_nothing_that_it_does_not_know() -> None:
    """It counts tokens unasked, and has a name of its own for the seed."""
    network = Network()
    asks = msgspec.structs.replace(PROMPT, options=Options(seed=7))
    asked = model(network, "https://api.mistral.ai/v1", max_tokens=9)
    assert await transcript(asked.stream(asks)) == HI
    messages = [{"role": "user", "content": "Hi"}]
    sent = {"model": "gpt-5.2", "messages": messages, "stream": True}
    assert network.bodies == [{**sent, "max_tokens": 9, "random_seed": 7}]


@pytest.mark.parametrize(
    ("url", "returned"),
    [
        ("https://api.deepseek.com", [{"reasoning_content": "Hm."}, {"reasoning_content": ""}]),
        ("https://api.moonshot.ai/v1", [{"reasoning_content": "Hm."}, {"reasoning_content": ""}]),
        ("http://127.0.0.1:8000/v1", [{}, {}]),
    ],
)
async def test_thoughts_before_a_call_go_back_where_they_are_wanted(
    url: str, returned: list[dict[str, str]]
) -> None:
    thinks = [delta(reasoning_content=piece) for piece in ("H", "m.")]
    network = Network(*thinks, fragment(0, "{}", "f", "c"), delta("tool_calls"))
    asked = model(network, url)
    call = called("c", "f", "{}")
    events = await transcript(asked.stream(PROMPT))
    thoughts = tuple(event for event in events if isinstance(event, Thought))
    rest = [event for event in events if event not in thoughts]
    assert rest == [thought("Hm."), call, stopped("tool_calls")]
    reply = ToolReply("c", "f", "1")
    foreign = Thought(agent_id="main", provider="anthropic", block="{}")
    talk = (
        *PROMPT.messages,
        Assistant("", (call,), thoughts),
        reply,
        Assistant("", (call,), (foreign,)),
        reply,
        Assistant("Bye", (), thoughts),
    )
    await transcript(asked.stream(msgspec.structs.replace(PROMPT, messages=talk)))
    said_by_us = [each for each in network.bodies[1]["messages"] if each["role"] == "assistant"]
    sent = [
        {name: each[name] for name in each if name == "reasoning_content"} for each in said_by_us
    ]
    assert sent == [*returned, {}]


async def test_thoughts_without_a_call_are_not_kept() -> None:
    network = Network(delta(reasoning_content="Hm."), delta("stop", content="Hi"))
    events = await transcript(model(network, "https://api.deepseek.com").stream(PROMPT))
    assert events == [thought("Hm."), said("Hi"), stopped()]
