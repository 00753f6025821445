"""Gemini, Ollama and OpenRouter against a real server, over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from aura.adapters.models.gemini import GeminiModel
from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.httpx2_transport import open_httpx2
from aura.adapters.models.ollama import OllamaModel
from aura.adapters.models.openrouter import OpenRouterModel
from aura.adapters.models.transport import Transport
from aura.errors import CutOff, ProviderError, RateLimited, Rejected, Unavailable
from aura.events import AnyEvent, Thought
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Assistant, Message, Prompt, ToolReply, User
from tests.adapters.models.chunks import called, counted, delta, frames, said, stopped, usage
from tests.adapters.models.server import END, Answer, Connection, chunk, serving

pytestmark = pytest.mark.anyio

KEY = "key-of-ours"
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n"

MODELS: dict[str, Any] = {
    "gemini": GeminiModel,
    "ollama": OllamaModel,
    "openrouter": OpenRouterModel,
}
PATHS = {
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "ollama": "/api/chat",
    "openrouter": "/chat/completions",
}
KEYS = {
    "gemini": f"x-goog-api-key: {KEY}",
    "ollama": f"authorization: bearer {KEY}",
    "openrouter": f"authorization: bearer {KEY}",
}
COUNTS = {"promptTokenCount": 10, "candidatesTokenCount": 5}
FIRST: dict[str, bytes] = {
    "gemini": frames({"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}),
    "ollama": b'{"message":{"content":"Hi"},"done":false}\n',
    "openrouter": b": OPENROUTER PROCESSING\n\n" + frames(delta(content="Hi")),
}
LAST: dict[str, bytes] = {
    "gemini": frames({"candidates": [{"finishReason": "STOP"}], "usageMetadata": COUNTS}),
    "ollama": b'{"done":true,"done_reason":"stop","prompt_eval_count":10,"eval_count":5}\n',
    "openrouter": frames(
        delta("stop"),
        {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
        b"[DONE]",
    ),
}
PROMPT = Prompt(agent_id="main", system="Be brief.", messages=(User("Hi"),))
HI = [said("Hi"), usage(10, 5), stopped()]

providers = pytest.mark.parametrize("provider", MODELS)


@pytest.fixture(
    params=[("asyncio", "http1"), ("asyncio", "httpx2"), ("trio", "httpx2")],
    ids="-".join,
)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def anyio_backend(case: tuple[str, str]) -> str:
    return case[0]


@pytest.fixture
async def transport(case: tuple[str, str]) -> AsyncIterator[Transport]:
    opening: AbstractAsyncContextManager[Transport]
    opening = open_http1() if case[1] == "http1" else open_httpx2()
    async with opening as opened_transport:
        yield opened_transport


def model(provider: str, transport: Transport, url: str, **options: Any) -> Any:
    given = {"model": "m", "api_key": KEY, "ids": counted(), "base_url": url, **options}
    return MODELS[provider](transport=transport, **given)


async def heard(asked: Any, prompt: Prompt = PROMPT) -> list[AnyEvent]:
    async with opened(asked.stream(prompt)) as events:
        return [event async for event in events]


async def failure(asked: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await heard(asked)
    assert KEY not in str(raised.value) + raised.value.detail
    return raised.value


def streamed(provider: str, *parts: bytes) -> bytes:
    kind = "application/x-ndjson" if provider == "ollama" else "text/event-stream"
    return HEAD.format(kind).encode() + b"".join(map(chunk, parts))


def sends(*parts: bytes) -> Answer:
    async def answer(connection: Connection) -> None:
        for part in parts:
            await connection.send(part)

    return answer


def plain(status: int, body: bytes, *head: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *head, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@providers
async def test_a_stream_over_the_network(provider: str, transport: Transport) -> None:
    seen: list[Connection] = []

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(streamed(provider, FIRST[provider], LAST[provider]) + END)

    async with serving(answer) as url:
        asked = model(provider, transport, f"{url}/", temperature=0.5, max_tokens=9)
        assert await heard(asked) == HI
        assert await heard(asked) == HI
    assert asked.name == f"{provider}/m"
    assert asked.most_tools is None
    assert KEY not in repr(asked)
    assert seen[0].socket is seen[1].socket
    first, *headers = seen[0].head.lower().split("\r\n")
    assert first == f"post {PATHS[provider]} http/1.1".lower()
    assert KEYS[provider] in headers
    assert b"0.5" in seen[0].body
    assert b"Be brief." in seen[0].body


@pytest.mark.parametrize(
    ("provider", "base", "path"),
    [
        ("gemini", "/v1beta", "/v1beta/models/m:streamGenerateContent?alt=sse"),
        ("gemini", "/gw?a=b", "/gw/v1beta/models/m:streamGenerateContent?a=b&alt=sse"),
        ("ollama", "/api", "/api/chat"),
        ("ollama", "/gw/", "/gw/api/chat"),
    ],
)
async def test_bases_as_other_programs_want_them(
    provider: str, base: str, path: str, transport: Transport
) -> None:
    seen: list[str] = []

    async def answer(connection: Connection) -> None:
        seen.append(connection.head.split()[1])
        await connection.send(streamed(provider, FIRST[provider], LAST[provider]) + END)

    async with serving(answer) as url:
        await heard(model(provider, transport, url + base))
    assert seen == [path]


async def test_a_tuned_model_of_gemini_is_a_path_of_its_own(transport: Transport) -> None:
    seen: list[str] = []

    async def answer(connection: Connection) -> None:
        seen.append(connection.head.split()[1])
        await connection.send(streamed("gemini", FIRST["gemini"], LAST["gemini"]) + END)

    async with serving(answer) as url:
        await heard(model("gemini", transport, url, model="tunedModels/mine"))
    assert seen == ["/v1beta/tunedModels/mine:streamGenerateContent?alt=sse"]


@providers
async def test_a_login_in_the_url_is_no_part_of_it(provider: str, transport: Transport) -> None:
    seen: list[Connection] = []

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(streamed(provider, FIRST[provider], LAST[provider]) + END)

    async with serving(answer) as url:
        base = url.replace("http://", "http://user:pass@")
        assert await heard(model(provider, transport, base)) == HI
    assert "authorization: basic dxnlcjpwyxnz" in seen[0].head.lower()


@providers
@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (401, {"error": {"message": "bad key"}}, Rejected, "refused the API key"),
        (404, {"error": {"message": "no such model"}}, Rejected, "does not know"),
        (429, {"error": "slow down"}, RateLimited, "limits the rate"),
        (500, {"error": "broken"}, Unavailable, "failed"),
        (503, {"error": {"message": "busy"}}, Unavailable, "failed"),
    ],
)
async def test_an_error_instead_of_an_answer(
    *,
    provider: str,
    transport: Transport,
    status: int,
    body: Any,
    error: type[ProviderError],
    words: str,
) -> None:
    answer = plain(status, msgspec.json.encode(body), "Retry-After: 3", "X-Key: " + KEY)
    async with serving(sends(answer)) as url:
        raised = await failure(model(provider, transport, url))
    assert type(raised) is error
    assert (raised.upstream_status, raised.retry_after) == (status, 3)
    assert words in str(raised)


async def test_a_model_that_ollama_does_not_have_can_be_pulled(transport: Transport) -> None:
    body = b"""{"error":"model 'm' not found"}"""
    async with serving(sends(plain(404, body))) as url:
        error = await failure(model("ollama", transport, url))
    assert "ollama pull m" in str(error)
    assert error.upstream_status == 404


async def test_ollama_that_does_not_run_is_looked_for_at_its_address(transport: Transport) -> None:
    error = await failure(model("ollama", transport, "http://127.0.0.1:1"))
    assert isinstance(error, Unavailable)
    assert "`base_url`" in str(error)


@providers
async def test_what_came_before_a_failure_is_kept(provider: str, transport: Transport) -> None:
    broken = {
        "gemini": frames({"error": {"code": 429, "message": "slow"}}),
        "ollama": b'{"error":"overloaded"}\n',
        "openrouter": frames(
            {
                "error": {"code": 429, "message": "slow", "metadata": {"provider_name": "X"}},
                "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
            }
        ),
    }
    answer = streamed(provider, FIRST[provider], broken[provider]) + END
    async with serving(sends(answer)) as url:
        asked = model(provider, transport, url).stream(PROMPT)
        *events, failed = [event async for event in settled(asked)]
    assert events == [said("Hi")]
    assert isinstance(failed, Failure)
    assert isinstance(failed.error, Unavailable if provider == "ollama" else RateLimited)


@providers
async def test_an_answer_without_its_end_is_cut_off(provider: str, transport: Transport) -> None:
    async with serving(sends(streamed(provider, FIRST[provider]) + END)) as url:
        assert isinstance(await failure(model(provider, transport, url)), CutOff)


@providers
async def test_a_page_instead_of_an_answer(provider: str, transport: Transport) -> None:
    async with serving(sends(plain(200, b"<html>hello</html>", "Content-Type: text/html"))) as url:
        error = await failure(model(provider, transport, url))
    assert "`base_url`" in str(error)


DETAILS = [
    {"type": "reasoning.text", "text": "Let me ", "index": 0, "format": "anthropic-claude-v1"},
    {"type": "reasoning.text", "text": "look.", "index": 0},
    {"type": "reasoning.text", "signature": "c2ln", "index": 0},
    {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1", "index": 1},
    {"type": "reasoning.encrypted", "data": "BBBB", "index": 1},
    {"type": "reasoning.text", "text": "Again.", "index": 0},
]
WHOLE = [
    {
        "type": "reasoning.text",
        "text": "Let me look.",
        "index": 0,
        "format": "anthropic-claude-v1",
        "signature": "c2ln",
    },
    *DETAILS[3:],
]


async def test_reasoning_goes_back_to_openrouter_with_the_calls(transport: Transport) -> None:
    seen: list[Any] = []
    call = {"index": 0, "id": "a", "function": {"name": "look", "arguments": "{}"}}
    pieces = [delta(reasoning="Let me look.", reasoning_details=[each]) for each in DETAILS]
    asks = frames(*pieces, delta(tool_calls=[call]), delta("tool_calls"), b"[DONE]")

    async def answer(connection: Connection) -> None:
        seen.append(msgspec.json.decode(connection.body))
        await connection.send(streamed("openrouter", asks) + END)

    async with serving(answer) as url:
        asked = model("openrouter", transport, url)
        *_, wanted, kept, end = await heard(asked)
        assert isinstance(kept, Thought)
        history: tuple[Message, ...] = (
            User("Hi"),
            Assistant("", (called("a", "look", "{}"),), (kept,)),
            ToolReply("a", "look", "x"),
        )
        await heard(asked, msgspec.structs.replace(PROMPT, messages=history))
    assert msgspec.json.decode(kept.block) == WHOLE
    assert (kept.provider, wanted, end) == (
        "openrouter",
        called("a", "look", "{}"),
        stopped("tool_calls"),
    )
    assert seen[0]["usage"] == {"include": True}
    assert seen[1]["messages"][2]["reasoning_details"] == WHOLE


async def test_openrouter_is_sent_no_thoughts_of_others(transport: Transport) -> None:
    foreign = Thought(agent_id="main", provider="anthropic", block='{"type":"thinking"}')
    bodies: list[bytes] = []

    async def answer(connection: Connection) -> None:
        bodies.append(connection.body)
        await connection.send(streamed("openrouter", FIRST["openrouter"], LAST["openrouter"]) + END)

    talk = (User("Hi"), Assistant("Yes.", (), (foreign,)), User("And?"))
    async with serving(answer) as url:
        prompt = msgspec.structs.replace(PROMPT, messages=talk)
        await heard(model("openrouter", transport, url), prompt)
    assert b"thinking" not in bodies[0]
