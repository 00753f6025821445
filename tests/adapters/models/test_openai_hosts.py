"""What differs between OpenAI itself, Azure and the servers of others, over a made-up network."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from aura.adapters.models.openai import OpenAIModel
from aura.events import AnyEvent
from aura.pipeline.ports import Prompt, User
from tests.adapters.models.chunks import counted, delta, frames, said, stopped
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

PROMPT = Prompt(agent_id="main", system="", messages=(User("Hi"),))
HI: list[AnyEvent] = [said("Hi"), stopped()]


class Answered:
    """An answer of two words and no more."""

    status = 200
    headers: Mapping[str, str] = {}

    async def batches(self) -> AsyncGenerator[bytes, None]:
        yield frames(delta(content="Hi"), delta("stop"), b"[DONE]")

    def close(self) -> None:
        pass


class Network:
    """A transport that reaches every host, and keeps what was sent."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        self.urls.append(url)
        self.bodies.append(msgspec.json.decode(body))
        return Answered()


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
