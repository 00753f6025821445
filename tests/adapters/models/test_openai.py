"""The model against a real server that answers like a provider, over both transports."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from aura.adapters.models import exchange
from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.httpx2_transport import open_httpx2
from aura.adapters.models.openai import OpenAIModel
from aura.adapters.models.transport import Transport
from aura.errors import CutOff, ProviderError, RateLimited, Rejected, TimedOut, Unavailable
from aura.events import AnyEvent, Stopped, TextDelta
from aura.pipeline.compose import opened
from aura.pipeline.ports import Prompt, User
from tests.adapters.models.server import END, HEAD, Answer, Connection, chunk, serving

pytestmark = pytest.mark.anyio

STREAMS = Path(__file__).parent / "streams"
PROMPT = Prompt(agent_id="main", system="Be brief.", messages=(User("Hi"),))
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
HI = [TextDelta(agent_id="main", text="Hi"), Stopped(agent_id="main", reason="stop")]


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
    async with opens(case) as opened_transport:
        yield opened_transport


@pytest.fixture
async def impatient(case: tuple[str, str]) -> AsyncIterator[Transport]:
    async with opens(case, idle_timeout=0.05) as opened_transport:
        yield opened_transport


def opens(case: tuple[str, str], **options: float) -> AbstractAsyncContextManager[Transport]:
    return open_http1(**options) if case[1] == "http1" else open_httpx2(**options)


def model(transport: Transport, url: str | None, **options: Any) -> OpenAIModel:
    return OpenAIModel(
        model="gpt-5.2",
        transport=transport,
        ids=ids(),
        base_url=url,
        **{"api_key": "sk-secret", **options},
    )


def ids() -> Callable[[str], str]:
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


async def heard(asked: OpenAIModel) -> list[AnyEvent]:
    async with opened(asked.stream(PROMPT)) as events:
        return [event async for event in events]


async def failure(asked: OpenAIModel) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await heard(asked)
    assert "sk-secret" not in str(raised.value) + raised.value.detail
    return raised.value


def sends(*parts: bytes, then: Answer | None = None) -> Answer:
    async def answer(connection: Connection) -> None:
        for part in parts:
            await connection.send(part)
        if then is not None:
            await then(connection)

    return answer


async def drops(connection: Connection) -> None:
    await connection.socket.aclose()


def plain(status: str, body: bytes, head: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def test_a_recorded_stream_over_the_network(transport: Transport) -> None:
    seen: list[Connection] = []
    stream = (STREAMS / "openai_text.sse").read_bytes()

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(HEAD + b"".join(map(chunk, stream.splitlines(keepends=True))) + END)

    async with serving(answer) as url:
        events = await heard(model(transport, f"{url}/v1/", temperature=0.5, max_tokens=9))
        await heard(model(transport, f"{url}/v1"))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).startswith("Gr")
    assert events[-1] == Stopped(agent_id="main", reason="stop")
    head = seen[0].head.lower()
    assert head.startswith("post /v1/chat/completions http/1.1")
    assert "authorization: bearer sk-secret" in head
    assert "content-type: application/json" in head
    sent = msgspec.json.decode(seen[0].body)
    assert sent["model"] == "gpt-5.2"
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 9)
    assert seen[0].socket is seen[1].socket


async def test_a_body_that_ends_soon_after_its_end_mark(transport: Transport) -> None:
    seen: list[Connection] = []

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(HEAD + chunk(TEXT + DONE))
        await anyio.lowlevel.checkpoint()
        await connection.send(END)

    async with serving(answer) as url:
        asked = model(transport, url)
        assert [await heard(asked), await heard(asked)] == [HI, HI]
    assert seen[0].socket is seen[1].socket


async def test_a_body_that_does_not_end_is_left(transport: Transport) -> None:
    gone = anyio.Event()

    async def leaves(connection: Connection) -> None:
        await connection.gone()
        gone.set()

    async with serving(sends(HEAD, chunk(TEXT + DONE), then=leaves)) as url:
        assert await heard(model(transport, url)) == HI
        with anyio.fail_after(5):
            await gone.wait()


async def test_closing_early_frees_the_connection(transport: Transport) -> None:
    gone = anyio.Event()

    async def leaves(connection: Connection) -> None:
        await connection.gone()
        gone.set()

    async with serving(sends(HEAD, chunk(TEXT), then=leaves)) as url:
        async with opened(model(transport, url).stream(PROMPT)) as events:
            assert await anext(events) == HI[0]
        with anyio.fail_after(5):
            await gone.wait()


async def test_cancelling_frees_the_connection(transport: Transport) -> None:
    begun, gone = anyio.Event(), anyio.Event()

    async def leaves(connection: Connection) -> None:
        begun.set()
        await connection.gone()
        gone.set()

    async with serving(sends(HEAD, chunk(TEXT), then=leaves)) as url:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heard, model(transport, url))
            await begun.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await gone.wait()


async def test_an_answer_that_is_not_streamed(transport: Transport) -> None:
    body = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    answer = sends(plain("200 OK", body, "Content-Type: application/json; charset=utf-8\r\n"))
    async with serving(answer) as url:
        assert await heard(model(transport, url)) == HI


async def test_a_page_is_no_answer(transport: Transport) -> None:
    answer = sends(plain("200 OK", b"<html>Hello", "Content-Type: text/html\r\n"))
    async with serving(answer) as url:
        error = await failure(model(transport, url))
    assert "`base_url`" in str(error)
    assert error.detail == "<html>Hello"


async def test_a_status_that_is_no_success(transport: Transport) -> None:
    body = b'{"error":{"message":"slow down, sk-secret","code":"rate_limit_exceeded"}}'
    async with serving(sends(plain("429 Slow", body, "Retry-After: 3\r\n"))) as url:
        error = await failure(model(transport, url))
    assert isinstance(error, RateLimited)
    assert (error.retry_after, error.detail) == (3.0, "slow down, ***")


async def test_a_redirect_is_not_followed(transport: Transport) -> None:
    answer = sends(plain("301 Moved", b"", "Location: http://127.0.0.1:1/\r\n"))
    async with serving(answer) as url:
        assert isinstance(await failure(model(transport, url)), Rejected)


async def test_a_connection_lost_within_the_answer(transport: Transport) -> None:
    async with serving(sends(HEAD, chunk(TEXT), then=drops)) as url:
        error = await failure(model(transport, url))
    assert isinstance(error, CutOff)
    assert "was lost" in str(error)


async def test_a_body_that_ends_too_early(transport: Transport) -> None:
    async with serving(sends(HEAD, chunk(TEXT), END)) as url:
        assert isinstance(await failure(model(transport, url)), CutOff)


async def test_a_connection_lost_after_the_finish_reason_costs_nothing(
    transport: Transport,
) -> None:
    async with serving(sends(HEAD, chunk(TEXT + STOP), then=drops)) as url:
        assert await heard(model(transport, url)) == HI


async def test_a_connection_lost_before_the_answer(transport: Transport) -> None:
    async with serving(drops) as url:
        error = await failure(model(transport, url))
    assert isinstance(error, Unavailable)
    assert "without an answer" in str(error)


async def test_silence(impatient: Transport) -> None:
    async with serving(Connection.gone) as url:
        assert isinstance(await failure(model(impatient, url)), TimedOut)
    async with serving(sends(HEAD, chunk(TEXT), then=Connection.gone)) as url:
        assert isinstance(await failure(model(impatient, url)), TimedOut)


async def test_a_complaint_that_does_not_come(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "COMPLAINT_TIMEOUT", 0.01)
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\n"
    async with serving(sends(head, then=Connection.gone)) as url:
        assert isinstance(await failure(model(transport, url)), Unavailable)


async def test_an_unreachable_server_is_not_named_with_its_credentials(
    transport: Transport,
) -> None:
    async with serving(drops) as url:
        pass
    error = await failure(model(transport, url.replace("//", "//user:hunter2@")))
    assert isinstance(error, Unavailable)
    assert "hunter2" not in str(error) + error.detail


async def test_credentials_in_the_url_are_sent_as_such(transport: Transport) -> None:
    heads: list[str] = []

    async def answer(connection: Connection) -> None:
        heads.append(connection.head)
        await connection.send(HEAD + chunk(TEXT + DONE) + END)

    async with serving(answer) as url:
        asked = model(transport, url.replace("//", "//user:p%40ss@") + "/v1?api-version=1")
        assert await heard(asked) == HI
        keyless = model(transport, url, api_key="")
        assert await heard(keyless) == HI
    assert heads[0].startswith("POST /v1/chat/completions?api-version=1 ")
    assert "Authorization: Basic dXNlcjpwQHNz" in heads[0]
    assert "authorization" not in heads[1].lower()
    assert "p%40ss" not in repr(asked)
