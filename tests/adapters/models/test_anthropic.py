"""The model against a real server that answers like Anthropic, over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from structlog.testing import capture_logs

from aura.adapters.models.anthropic import AnthropicModel
from aura.adapters.models.http1_transport import open_http1
from aura.adapters.models.httpx2_transport import open_httpx2
from aura.adapters.models.transport import Transport
from aura.errors import CutOff, ProviderError, RateLimited, Rejected, Unavailable
from aura.events import AnyEvent
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Options, Prompt, User
from tests.adapters.models.chunks import called, counted, said, stopped, usage
from tests.adapters.models.messages import begun, call, ended, frame, text
from tests.adapters.models.server import END, HEAD, Answer, Connection, chunk, serving
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

STREAMS = Path(__file__).parent / "streams" / "anthropic"
PROMPT = Prompt(agent_id="main", system="Be brief.", messages=(User("Hi"),))
ANSWER = begun(input_tokens=3) + text(0, "Hi") + ended(output_tokens=1)
HI = [said("Hi"), usage(3, 1), stopped()]
PAUSE = frame("message_delta", delta={"stop_reason": "pause_turn"}) + frame("message_stop")


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


def model(transport: Transport, url: str | None, **options: Any) -> AnthropicModel:
    return AnthropicModel(
        model="claude-sonnet-4-0",
        transport=transport,
        ids=counted(),
        base_url=url,
        **{"api_key": "sk-secret", **options},
    )


async def heard(asked: AnthropicModel, prompt: Prompt = PROMPT) -> list[AnyEvent]:
    return await transcript(asked.stream(prompt))


async def failure(asked: AnthropicModel) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await heard(asked)
    assert "sk-secret" not in str(raised.value) + raised.value.detail
    return raised.value


def answers(*streams: bytes, seen: list[Connection]) -> Answer:
    """One stream after the other, and the last again and again."""
    left = list(streams)

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        stream = left.pop(0) if len(left) > 1 else left[0]
        await connection.send(HEAD + chunk(stream) + END)

    return answer


def plain(status: str, body: bytes, head: str = "") -> Answer:
    async def answer(connection: Connection) -> None:
        start = f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        await connection.send(start.encode() + body)

    return answer


async def test_a_recorded_stream_over_the_network(transport: Transport) -> None:
    seen: list[Connection] = []
    stream = (STREAMS / "tools.sse").read_bytes()

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(HEAD + b"".join(map(chunk, stream.splitlines(keepends=True))) + END)

    async with serving(answer) as url:
        events = await heard(model(transport, f"{url}/", temperature=0.5, max_tokens=9))
        await heard(model(transport, f"{url}/v1"))
    assert events[-3:] == [
        called("toolu_b", "now", "{}"),
        usage(472, 89),
        stopped("tool_calls"),
    ]
    head = seen[0].head.lower()
    assert head.startswith("post /v1/messages http/1.1")
    assert "x-api-key: sk-secret" in head
    assert "anthropic-version: 2023-06-01" in head
    assert "content-type: application/json" in head
    assert "authorization" not in head
    assert seen[1].head.lower().startswith("post /v1/messages http/1.1")
    sent = msgspec.json.decode(seen[0].body)
    assert (sent["model"], sent["temperature"]) == ("claude-sonnet-4-0", 0.5)
    assert (sent["max_tokens"], sent["stream"]) == (9, True)
    assert seen[0].socket is seen[1].socket


async def test_a_paused_answer_is_one_answer(transport: Transport) -> None:
    seen: list[Connection] = []
    first = begun(input_tokens=10, output_tokens=2) + text(0, "One, ") + PAUSE
    second = begun(input_tokens=12, output_tokens=3) + text(0, "two, ") + PAUSE
    third = begun(input_tokens=14) + text(0, "three.") + call(1, "c", "f") + ended("tool_use")
    async with serving(answers(first, second, third, seen=seen)) as url:
        events = await heard(model(transport, url))
    assert events == [
        said("One, "),
        said("two, "),
        said("three."),
        called("c", "f", "{}"),
        usage(36, 5),
        stopped("tool_calls"),
    ]
    bodies = [msgspec.json.decode(connection.body)["messages"] for connection in seen]
    spoken = [[block["text"] for block in messages[-1]["content"]] for messages in bodies]
    assert spoken == [["Hi"], ["One, "], ["One, ", "two, "]]
    assert [messages[0] for messages in bodies] == [bodies[0][0]] * 3


async def test_an_answer_is_not_paused_for_ever(transport: Transport) -> None:
    seen: list[Connection] = []
    async with serving(answers(text(0, "x") + PAUSE, seen=seen)) as url:
        events = await heard(model(transport, url))
    assert events == [*([said("x")] * 9), stopped("length")]
    assert len(seen) == 9


async def test_what_came_before_a_failure_after_a_pause_is_not_lost(transport: Transport) -> None:
    seen: list[Connection] = []
    busy = frame("error", error={"type": "overloaded_error", "message": "Overloaded"})
    async with serving(answers(text(0, "x") + PAUSE, busy, seen=seen)) as url:
        *before, last = await transcript(settled(model(transport, url).stream(PROMPT)))
    assert before == [said("x")]
    assert isinstance(last, Failure)
    assert isinstance(last.error, Unavailable)


async def test_an_answer_that_is_not_streamed(transport: Transport) -> None:
    body = (
        b'{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn",'
        b'"usage":{"input_tokens":3,"output_tokens":1}}'
    )
    answer = plain("200 OK", body, "Content-Type: application/json\r\n")
    async with serving(answer) as url:
        assert await heard(model(transport, url)) == HI


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        ("400 Bad", "invalid_request_error", Rejected),
        ("401 No", "authentication_error", Rejected),
        ("404 No", "not_found_error", Rejected),
        ("413 No", "request_too_large", Rejected),
        ("429 Slow", "rate_limit_error", RateLimited),
        ("500 Oops", "api_error", Unavailable),
        ("529 Busy", "overloaded_error", Unavailable),
    ],
)
async def test_a_status_that_is_no_success(
    transport: Transport, status: str, error: str, kind: type[ProviderError]
) -> None:
    words = {"type": "error", "error": {"type": error, "message": "no, sk-secret"}}
    body = msgspec.json.encode(words)
    async with serving(plain(status, body, "Retry-After: 3\r\n")) as url:
        raised = await failure(model(transport, url))
    assert type(raised) is kind
    assert (raised.retry_after, raised.detail) == (3.0, "no, ***")
    assert "anthropic/claude-sonnet-4-0" in str(raised)


async def test_a_body_that_ends_too_early(transport: Transport) -> None:
    seen: list[Connection] = []
    async with serving(answers(text(0, "x"), seen=seen)) as url:
        assert isinstance(await failure(model(transport, url)), CutOff)


async def test_a_connection_lost_after_the_stop_reason_costs_nothing(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(ANSWER.removesuffix(frame("message_stop"))))
        await connection.socket.aclose()

    async with serving(answer) as url:
        assert await heard(model(transport, url)) == HI


async def test_closing_early_frees_the_connection(transport: Transport) -> None:
    gone = anyio.Event()

    async def answer(connection: Connection) -> None:
        await connection.send(HEAD + chunk(text(0, "Hi")))
        await connection.gone()
        gone.set()

    async with serving(answer) as url:
        async with opened(model(transport, url).stream(PROMPT)) as events:
            assert await anext(events) == said("Hi")
        with anyio.fail_after(5):
            await gone.wait()


async def test_credentials_in_the_url_are_sent_as_such(transport: Transport) -> None:
    seen: list[Connection] = []
    async with serving(answers(ANSWER, seen=seen)) as url:
        asked = model(transport, url.replace("//", "//user:p%40ss@") + "/gate?tenant=1")
        assert await heard(asked) == HI
        assert await heard(model(transport, url, api_key="")) == HI
    assert seen[0].head.startswith("POST /gate/v1/messages?tenant=1 ")
    assert "Authorization: Basic dXNlcjpwQHNz" in seen[0].head
    assert "x-api-key: sk-secret" in seen[0].head
    assert "x-api-key" not in seen[1].head.lower()
    assert "p%40ss" not in repr(asked)


async def test_what_is_left_out_is_said_once(transport: Transport) -> None:
    seen: list[Connection] = []
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    asks = Prompt(agent_id="main", system="", messages=(User("Hi"),), options=Options(top_p=0.5))
    async with serving(answers(ANSWER, seen=seen)) as url:
        with capture_logs() as logs:
            asked = model(transport, url, temperature=0.2, additional_params=thinking)
            await heard(asked)
            await heard(asked, asks)
            await heard(model(transport, url, temperature=0.2))
    assert [(line["log_level"], line["model"], line["parameters"]) for line in logs] == [
        ("warning", "anthropic/claude-sonnet-4-0", ["temperature"])
    ]
    sent = [msgspec.json.decode(connection.body) for connection in seen]
    assert [body.get("temperature") for body in sent] == [None, None, 0.2]
    assert [body.get("top_p") for body in sent] == [None, None, None]


async def test_the_key_is_not_shown(transport: Transport) -> None:
    asked = model(transport, None)
    assert repr(asked) == (
        "AnthropicModel(name='anthropic/claude-sonnet-4-0',"
        " url='https://api.anthropic.com/v1/messages', api_key='***')"
    )
    assert (asked.name, asked.most_tools) == ("anthropic/claude-sonnet-4-0", None)
