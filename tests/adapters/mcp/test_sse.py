"""HTTP+SSE, with a server that is a process of its own and misbehaves by path and by tool."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx2
import psutil
import pytest
import trio.testing
from anyio.abc import TaskGroup
from hypothesis import example, given
from hypothesis import strategies as st
from mcp import Client, MCPError
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, JSONRPCRequest, TextContent

from aura.adapters.mcp.faults import Lost, Statuses, explained
from aura.adapters.mcp.sse import MAX_EVENT, Event, Splitter, message_endpoint, sse_streams
from tests.support.eventually import PATIENCE, eventually

SCRIPT = str(Path(__file__).parents[2] / "support" / "mcp" / "sse_server.py")
CREDENTIALS = "Bearer s3cret"
PLACE = httpx2.URL("https://h/api/sse?token=s3cret")

caller: ContextVar[str] = ContextVar("caller")

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server and its URL, once it accepts."""
    with subprocess.Popen([sys.executable, SCRIPT], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as (_, url):
        yield url


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The URL of another origin, to which nothing may connect."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/messages/"
        with pytest.raises(BlockingIOError):
            listener.accept()


async def tell_caller(request: httpx2.Request) -> None:
    if (name := caller.get(None)) is not None:
        request.headers["x-caller"] = name


@asynccontextmanager
async def streamed(
    url: str, *, max_event: int = MAX_EVENT, **headers: str
) -> AsyncIterator[TransportStreams]:
    async with (
        httpx2.AsyncClient(
            headers={"authorization": CREDENTIALS, **headers},
            timeout=httpx2.Timeout(PATIENCE, read=None),
            event_hooks={"request": [tell_caller]},
        ) as client,
        sse_streams(client, url, max_event=max_event) as streams,
    ):
        yield streams


@asynccontextmanager
async def connected(
    url: str, *, max_event: int = MAX_EVENT, **headers: str
) -> AsyncIterator[Client]:
    streams = streamed(url, max_event=max_event, **headers)
    with anyio.fail_after(PATIENCE):
        async with Client(streams, mode="legacy") as client:
            yield client


async def text(client: Client, tool: str, **arguments: object) -> str:
    [content] = (await client.call_tool(tool, arguments)).content
    assert isinstance(content, TextContent)
    return content.text


async def state(server: str) -> dict[str, Any]:
    async with httpx2.AsyncClient() as client:
        found: dict[str, Any] = (await client.get(f"{server}/state")).json()
        return found


async def release(server: str) -> None:
    async with httpx2.AsyncClient() as client:
        await client.get(f"{server}/release")


async def seen(server: str, name: str) -> list[dict[str, str]]:
    """The requests of one caller, as the server saw them."""
    return [request for request in (await state(server))["seen"] if request["x-caller"] == name]


async def holds(server: str, *methods: str) -> None:
    """Return when these messages are held by the server, and no others."""

    async def so() -> bool:
        return list(methods) == (await state(server))["held"]

    await eventually(so)


async def lost(client: Client, tool: str) -> None:
    """Call what the connection does not survive."""
    with pytest.raises(MCPError) as raised:
        await client.call_tool(tool)
    assert raised.value.code == CONNECTION_CLOSED


async def begun(client: Client, tasks: TaskGroup, name: str) -> list[MCPError]:
    """Begin a call that hangs; what it raises in the end is in the list."""
    reported = anyio.Event()
    raised: list[MCPError] = []

    async def progress(*_: object) -> None:
        reported.set()

    async def call() -> None:
        with pytest.raises(MCPError) as error:
            await client.call_tool("hang", {"name": name}, progress_callback=progress)
        raised.append(error.value)

    tasks.start_soon(call)
    await reported.wait()
    return raised


async def test_a_server_is_greeted_asked_and_called(server: str) -> None:
    async with connected(f"{server}/sse") as client:
        assert client.server_info is not None
        assert client.server_info.name == "test"
        assert "echo" in [tool.name for tool in (await client.list_tools()).tools]
        assert await text(client, "echo", text="hi") == "hi"
        assert len(await text(client, "big", size=3_000_000)) == 3_000_000


async def test_progress_arrives(server: str) -> None:
    reports = set()

    async def progress(done: float, total: float | None, message: str | None) -> None:
        reports.add((done, total, message))

    async with connected(f"{server}/sse") as client:
        result = await client.call_tool("steps", {"count": 3}, progress_callback=progress)
        assert not result.is_error
        await eventually(lambda: reports == {(n, 3, f"step {n}") for n in (1, 2, 3)})


async def test_the_server_hears_of_a_cancellation(server: str, anyio_backend: str) -> None:
    async with connected(f"{server}/sse") as client:
        async with anyio.create_task_group() as tasks:
            await begun(client, tasks, anyio_backend)
            tasks.cancel_scope.cancel()
        assert await text(client, "interruption", name=anyio_backend) == anyio_backend


async def test_a_message_that_stalls_stalls_no_other(server: str) -> None:
    results: dict[int, str] = {}

    async def echo(number: int) -> None:
        results[number] = await text(client, "echo", text=str(number))

    async with connected(f"{server}/sse") as client:
        async with anyio.create_task_group() as stalled:
            stalled.start_soon(client.call_tool, "stall")
            await holds(server, "tools/call")
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(echo, number)
            stalled.cancel_scope.cancel()
        assert results == {number: str(number) for number in range(20)}
        await holds(server)
        assert await text(client, "echo", text="still here") == "still here"


async def test_a_message_that_is_refused_fails_its_call_alone(server: str) -> None:
    async with connected(f"{server}/sse") as client:
        with pytest.raises(MCPError, match=r"refused the message \(HTTP 500\)") as raised:
            await client.call_tool("refuse")
        assert raised.value.code == INTERNAL_ERROR
        assert await text(client, "echo", text="next") == "next"


async def test_a_message_is_not_redirected_elsewhere(server: str, elsewhere: str) -> None:
    async with connected(f"{server}/sse") as client:
        with pytest.raises(MCPError, match="HTTP 307"):
            await client.call_tool("deflect", {"to": elsewhere})
        assert await text(client, "echo", text="next") == "next"


async def test_a_message_that_cannot_be_written_fails_its_call_alone(server: str) -> None:
    async with connected(f"{server}/sse") as client:
        with pytest.raises(MCPError, match="sending the message to the server failed"):
            await client.call_tool("echo", {"text": "\ud800"})
        assert await text(client, "echo", text="next") == "next"


async def test_a_session_that_is_forgotten_ends(server: str) -> None:
    async with connected(f"{server}/sse") as client, anyio.create_task_group() as tasks:
        await begun(client, tasks, "forgotten")
        await lost(client, "forget")
        await lost(client, "echo")


async def test_a_server_that_goes_away_ends_its_calls() -> None:
    with serving() as (process, url):
        async with connected(f"{url}/sse") as client:
            async with anyio.create_task_group() as tasks:
                raised = await begun(client, tasks, "gone")
                process.kill()
            assert [error.code for error in raised] == [CONNECTION_CLOSED]
            await lost(client, "echo")


async def test_nothing_overtakes_the_end_of_the_handshake(
    server: str, request: pytest.FixtureRequest
) -> None:
    method, name = "notifications/initialized", request.node.name
    async with (
        connected(f"{server}/sse", **{"x-hold": method, "x-caller": name}) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.list_tools)
        await holds(server, method)
        await anyio.wait_all_tasks_blocked()
        await release(server)
    requests = await seen(server, name)
    assert [request.get("method", request["path"]) for request in requests] == [
        "/sse",
        "initialize",
        method,
        "/release",
        "tools/list",
    ]


def test_a_cancellation_does_not_overtake_its_request(
    server: str, request: pytest.FixtureRequest
) -> None:
    """The clock stands still, so that the grace that requests have does not end."""
    method, name = "tools/call", request.node.name
    headers = {"x-hold": method, "x-caller": name}

    async def cancel() -> list[str]:
        async with connected(f"{server}/sse", **headers) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "echo")
                while (await state(server))["held"] != [method]:
                    pass
                tasks.cancel_scope.cancel()
            await anyio.wait_all_tasks_blocked()
            await release(server)
            while len(requests := await seen(server, name)) < 6:
                pass
            return [request.get("method", request["path"]) for request in requests]

    requests = trio.run(cancel, clock=trio.testing.MockClock())
    assert requests[-3:] == [method, "/release", "notifications/cancelled"]


async def test_what_is_said_to_a_message_is_not_heard_out(
    server: str, request: pytest.FixtureRequest
) -> None:
    async def silenced() -> bool:
        return "/silenced" in [each["path"] for each in await seen(server, request.node.name)]

    async with (
        connected(f"{server}/sse", **{"x-caller": request.node.name}) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.call_tool, "chatter")
        await eventually(silenced)
        tasks.cancel_scope.cancel()


async def test_headers_are_on_every_request(server: str, request: pytest.FixtureRequest) -> None:
    async with connected(f"{server}/sse", **{"x-caller": request.node.name}) as client:
        await client.list_tools()
    requests = await seen(server, request.node.name)
    assert [request["path"] for request in requests] == ["/sse"] + 3 * ["/messages/"]
    assert {request["authorization"] for request in requests} == {CREDENTIALS}
    assert requests[0]["accept"] == "text/event-stream"


async def test_a_message_goes_out_in_the_context_of_its_sender(
    server: str, request: pytest.FixtureRequest
) -> None:
    names = [f"{request.node.name} {number}" for number in range(3)]

    async def call(name: str) -> None:
        caller.set(name)
        await client.call_tool("echo", {"text": name})

    async with connected(f"{server}/sse") as client, anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(call, name)
    for name in names:
        assert [request["method"] for request in await seen(server, name)][:1] == ["tools/call"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("elsewhere?to=", "the endpoint that it names for messages is on another origin"),
        ("moved?to=", "it redirects elsewhere, which is not followed"),
        ("disguised?to=", "it does not answer with a stream of events (text/event-stream)"),
        ("nameless?to=", "its stream of events ended before it named an endpoint for messages"),
        ("streamable?to=", "it offers no stream of events (405 Method Not Allowed)"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_a_reason(
    server: str, elsewhere: str, path: str, reason: str
) -> None:
    with anyio.fail_after(PATIENCE), pytest.raises(Lost, match=f"^{re.escape(reason)}$"):
        async with streamed(f"{server}/{path}{elsewhere}"):
            pass


async def test_a_status_is_raised(server: str) -> None:
    with pytest.raises(httpx2.HTTPStatusError) as raised:
        async with streamed(f"{server}/refused"):
            pass
    assert raised.value.response.status_code == 401


async def test_a_redirect_within_the_origin_is_followed(server: str) -> None:
    async with connected(f"{server}/moved?to=/sse") as client:
        assert await text(client, "echo", text="here") == "here"


async def test_what_is_no_message_is_ignored(server: str, elsewhere: str) -> None:
    async with connected(f"{server}/noisy?to={elsewhere}") as client:
        assert await text(client, "echo", text="first") == "first"
        assert await text(client, "echo", text="second") == "second"


async def test_an_event_that_is_too_large_ends_the_connection(server: str) -> None:
    async def call(size: int) -> None:
        async with connected(f"{server}/sse", max_event=20_000) as client:
            await client.call_tool("big", {"size": size})

    await call(9_000)
    with pytest.raises(ExceptionGroup) as raised:
        await call(20_000)
    assert (
        explained(raised.value, Statuses(anyio.Event()))
        == "Connection failed: it sent an event of more than 20000 bytes"
    )


async def test_the_end_of_the_stream_is_the_end_of_what_is_read(server: str) -> None:
    async with streamed(f"{server}/brief?to=/messages/") as (read_stream, _):
        with anyio.fail_after(PATIENCE), pytest.raises(anyio.EndOfStream):
            await read_stream.receive()


async def test_nothing_is_left_after_leaving(server: str) -> None:
    port = httpx2.URL(server).port

    def disconnected() -> bool:
        sockets = psutil.Process().net_connections("tcp4")
        return not [each for each in sockets if each.raddr and each.raddr.port == port]

    async with anyio.create_task_group() as tasks, connected(f"{server}/sse") as client:
        await begun(client, tasks, "left")
        tasks.start_soon(lost, client, "stall")
        await holds(server, "tools/call")
        assert (await state(server))["open"] == 1
    await eventually(disconnected)
    await holds(server)
    assert (await state(server))["open"] == 0


async def test_leaving_does_not_wait_for_what_nobody_reads(server: str) -> None:
    ping = JSONRPCRequest(jsonrpc="2.0", id=1, method="ping")
    with anyio.fail_after(PATIENCE):
        async with streamed(f"{server}/sse") as (read_stream, write_stream):
            await write_stream.send(SessionMessage(ping))
            await eventually(lambda: read_stream._inner.statistics().tasks_waiting_send == 1)


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("?s=1", "https://h/api/sse?s=1"),
        ("msg?s=1", "https://h/api/msg?s=1"),
        ("/m?s=1", "https://h/m?s=1"),
        ("../m", "https://h/m"),
        (" /m ", "https://h/m"),
        ("https://h/m", "https://h/m"),
        ("HTTPS://H:443/m", "https://h/m"),
        ("//h/m", "https://h/m"),
        ("https://somebody:else@h/m", "https://h/m"),
        ("///evil/m", "https://h/evil/m"),
        ("https:evil/m", "https://h/api/evil/m"),
    ],
)
def test_an_endpoint_is_resolved_against_the_url_that_answered(reference: str, url: str) -> None:
    assert str(message_endpoint(reference, PLACE)) == url


def test_credentials_in_the_url_are_for_its_endpoint() -> None:
    place = httpx2.URL("https://me:s3cret@h/sse")
    assert message_endpoint("https://you@h/m", place) == "https://me:s3cret@h/m"


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("https://evil/m", " (evil)"),
        ("//evil/m?token=1", " (evil)"),
        ("http://evil", " (evil)"),
        ("https://h@evil/m", " (evil)"),
        ("https://h:443@evil/m", " (evil)"),
        ("https://h.evil/m", " (h.evil)"),
        ("https://h./m", " (h.)"),
        ("https://\u00e9vil/m", " (xn--vil-9la)"),
        ("https://[::1]/m", " (::1)"),
        ("wss://h/m", ""),
        ("http://h/m", ""),
        ("http://h:443/m", ""),
        ("https://h:8443/m", ""),
    ],
)
def test_an_endpoint_on_another_origin_is_refused(reference: str, host: str) -> None:
    with pytest.raises(Lost) as raised:
        message_endpoint(reference, PLACE)
    assert (
        str(raised.value) == f"the endpoint that it names for messages is on another origin{host}"
    )


@pytest.mark.parametrize(
    "reference",
    [
        "",
        " ",
        "/m\n/n",
        "\\\\evil\\m",
        "/\\evil/m",
        "https://h\\@evil/m",
        "https://evil\\@h/m",
        "////evil/m",
        "https://[::1/m",
        "https://h:port/m",
        "javascript:alert(1)",
        "file:///m",
        "/" + 70_000 * "m",
    ],
)
def test_an_endpoint_that_is_no_url_is_refused(reference: str) -> None:
    with pytest.raises(Lost, match=r"no usable URL$"):
        message_endpoint(reference, PLACE)


STREAM = (
    b"\xef\xbb\xbfevent: endpoint\r\ndata: /m?s=1\r\n\r\n: comment\n\nid: 1\nretry: 5\nother\n"
    b"data:one\ndata: two\ndata:  three\ndata\n\nevent: empty\n\ndata: \xc3\xa4\r\revent:x\ndata: y"
    b"\n\nevent: unfinished\ndata: z\n"
)
EVENTS = [
    Event(b"endpoint", b"/m?s=1"),
    Event(b"message", b"one\ntwo\n three\n"),
    Event(b"message", b"\xc3\xa4"),
    Event(b"x", b"y"),
]


def split(parts: Iterable[bytes]) -> list[Event]:
    splitter = Splitter(100)
    return [event for part in parts for event in splitter.feed(part)]


@example(cuts=[*range(len(STREAM))])
@given(cuts=st.lists(st.integers(0, len(STREAM))))
def test_events_are_the_same_wherever_the_reads_fall(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(STREAM)]
    assert split(STREAM[begin:end] for begin, end in pairwise(ends)) == EVENTS


@pytest.mark.parametrize("text", [b"data: " + 95 * b"x", 12 * b"data: xyz\n", 101 * b":"])
def test_an_event_that_is_too_large_is_refused_before_it_has_ended(text: bytes) -> None:
    with pytest.raises(Lost, match="more than 100 bytes"):
        split(bytes([byte]) for byte in text)


def test_what_is_not_kept_does_not_count() -> None:
    lines = 50 * b": ping\n" + 50 * b"id: 1\n" + 30 * b"data: x\n\n"
    assert split([lines]) == 30 * [Event(b"message", b"x")]
