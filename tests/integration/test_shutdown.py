"""A server that is told to end: what it refuses meanwhile, whom it waits for, what it leaves."""

from __future__ import annotations

import shlex
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx2
import msgspec
import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.flowing import FIRST, LAST, Flowing, flowing
from tests.support.processes import PATIENCE, Processes, Running
from tests.support.wire import frames, text

pytestmark = pytest.mark.anyio

LONG = ("--shutdown-timeout-secs", "600")
SHORT = ("--shutdown-timeout-secs", "1")
BOUND = 15.0
"""Seconds within which a server with a short grace is gone, on a slow machine too."""

AGENT = """
[agent]
name = "held"
system_prompt = "Wait."

[agent.llm]
provider = "openai"
base_url = "{url}/hold/v1"
api_key = "unused"
model = "patient"
"""
TOOLS = """
[agent]
name = "caller"
system_prompt = "Call."

[agent.llm]
provider = "scripted"
script = "calls.toml"

[mcp.servers.tools]
transport = "stdio"
cmd = ["sh", "-c", {script}]
"""
CALLS = '[[reply]]\ncalls = [{ name = "hang", arguments = { name = "it" } }]\n'
TOOL_SERVER = Path(__file__).parents[1] / "support" / "mcp" / "server.py"

ROUTES = {
    "/health": "GET",
    "/ready": "GET",
    "/v1/models": "GET",
    "/v1/chat/completions": "POST",
    "/aura/info": "GET",
    "/aura/runs": "GET",
    "/metrics": "GET",
    "/schema/openapi.json": "GET",
    "/nowhere": "GET",
}
BODY = msgspec.json.encode({"stream": True, "messages": [{"role": "user", "content": "Wait."}]})
HEADERS = {"content-type": "application/json", "x-aura-events": "all"}


class Reader:
    """A client of one stream, and what it has got of it."""

    def __init__(self, server: Running) -> None:
        self.got = b""
        self.over = False
        self._url = f"{server.url}/v1/chat/completions"

    async def read(self) -> None:
        async with (
            httpx2.AsyncClient(timeout=PATIENCE) as http,
            http.stream("POST", self._url, content=BODY, headers=HEADERS) as answer,
        ):
            async for data in answer.aiter_raw():
                self.got += data
        self.over = True

    def has(self, word: str) -> bool:
        return word.encode() in self.got


def serving(processes: Processes, provider: Flowing, *options: str) -> Running:
    return processes.serve({"agents/held.toml": AGENT.format(url=provider.url)}, *options)


async def refuses(server: Running, route: str) -> bool:
    """Whether a new connection hears that the server shuts down."""
    async with httpx2.AsyncClient(base_url=server.url, headers=HEADERS) as http:
        method = ROUTES[route]
        answer = await http.request(method, route, content=BODY if method == "POST" else None)
    if answer.status_code != 503:
        return False
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["code"] == "shutting_down"
    return True


async def test_what_is_new_is_refused_while_a_stream_goes_on_to_its_end(
    processes: Processes,
) -> None:
    async with flowing() as provider:
        server = serving(processes, provider, *LONG)
        reader = Reader(server)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.read)
            await eventually(lambda: provider.held == 1 and reader.has(FIRST))
            server.terminate()
            await eventually(lambda: refuses(server, "/ready"))
            for _ in range(3):
                assert [await refuses(server, route) for route in ROUTES] == [True] * len(ROUTES)
            assert (reader.over, server.process.poll()) == (False, None)
            provider.release()
        assert text(reader.got) == FIRST + LAST
        assert frames(reader.got)[-1].data == "[DONE]"
    assert server.ended(within=BOUND) == 0
    assert '"level": "error"' not in server.output()


async def test_what_is_new_is_refused_until_the_grace_is_over(processes: Processes) -> None:
    async with flowing() as provider:
        server = serving(processes, provider, *SHORT)
        reader = Reader(server)
        rounds = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.read)
            await eventually(lambda: provider.held == 1 and reader.has(FIRST))
            server.terminate()
            await eventually(lambda: refuses(server, "/ready"))
            while not reader.over:
                for route in ROUTES:
                    try:
                        assert await refuses(server, route)
                    except httpx2.TransportError:
                        await eventually(lambda: reader.over)
                        break
                else:
                    rounds += 1
        assert rounds
        *_, error, done = frames(reader.got)
        assert (error.data["error"]["code"], done.data) == ("server_shutdown", "[DONE]")
        await eventually(lambda: provider.left == 1)
    assert server.ended(within=BOUND) == 0
    assert '"level": "error"' not in server.output()


HALF = BODY[: len(BODY) // 2]
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: aura\r\nContent-Type: application/json\r\n"
    b"Expect: 100-continue\r\n"
)
UNFINISHED = {
    "body": (HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY), HALF),
    "chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b" % (len(BODY), HALF)),
    "nothing": (HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY), b""),
}
"""Requests that are not there yet: their headers, and what comes of their bodies."""

SENDERS = 10
"""Connections of each kind."""


def half_sent(server: Running, kind: str) -> socket.socket:
    """A connection on which the server waits for the rest of a request."""
    head, half = UNFINISHED[kind]
    port = httpx2.URL(server.url).port or 0
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(head)
    assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")  # it reads the body from here on
    connection.sendall(half)
    return connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed, however that happens."""
    got = b""
    try:
        while data := connection.recv(65536):
            got += data
    except ConnectionError:
        pass
    return got


async def test_requests_that_are_half_sent_do_not_hold_it_up(processes: Processes) -> None:
    async with flowing() as provider:
        server = serving(processes, provider, *SHORT)
        with ExitStack() as connections:
            senders = [
                connections.enter_context(half_sent(server, kind))
                for kind in UNFINISHED
                for _ in range(SENDERS)
            ]
            server.terminate()
            assert server.ended(within=BOUND) == 0
            answers = [answer for sender in senders if (answer := rest(sender))]
    assert answers
    assert [answer for answer in answers if not answer.startswith(b"HTTP/1.1 503 ")] == []
    assert [answer for answer in answers if b'"code":"shutting_down"' not in answer] == []
    assert "Traceback" not in server.output()
    assert '"level": "error"' not in server.output()


UNREAD = 20_000_000
"""Bytes of an answer: more than all the sockets on the way hold."""

LONG_WINDED = """
[agent]
name = "long"
system_prompt = "Talk."

[agent.llm]
provider = "scripted"
script = "long.toml"
"""


def asking(server: Running, *, stream: bool) -> socket.socket:
    """A connection on which a question was sent, and that takes little of the answer."""
    content = [{"role": "user", "content": "Talk."}]
    body = msgspec.json.encode({"stream": stream, "messages": content})
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", httpx2.URL(server.url).port or 0))
    head = HEAD.replace(b"Expect: 100-continue\r\n", b"")
    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_an_answer_that_is_not_read_does_not_hold_it_up(
    processes: Processes, stream: bool
) -> None:
    script = f'[[reply]]\ntext = "{"x" * UNREAD}"\n'
    files = {"agents/long.toml": LONG_WINDED, "long.toml": script}
    server = processes.serve(files, *SHORT)
    with asking(server, stream=stream):
        server.terminate()
        assert server.ended(within=BOUND) == 0
    assert "Traceback" not in server.output()


def messages(heard: Path, method: str) -> list[dict[str, Any]]:
    """What an MCP server was told by this method."""
    lines = map(msgspec.json.decode, heard.read_bytes().splitlines())
    return [message for message in lines if message.get("method") == method]


async def test_a_call_is_cancelled_and_its_server_is_gone(
    processes: Processes, tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    # Behind a shell and a pipe: what the server is told can be read, and there are more processes.
    script = (
        shlex.join(["tee", str(heard)]) + " | " + shlex.join([sys.executable, str(TOOL_SERVER)])
    )
    agent = TOOLS.format(script=msgspec.json.encode(script).decode())
    files = {"agents/caller.toml": agent, "calls.toml": CALLS}
    server = processes.serve(files, *SHORT)
    reader = Reader(server)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.read)
        await eventually(lambda: reader.has("aura.progress"))
        call = messages(heard, "tools/call")[0]
        assert not messages(heard, "notifications/cancelled")
        children = psutil.Process(server.pid).children(recursive=True)
        assert len(children) >= 3
        server.terminate()
    *_, error, done = frames(reader.got)
    assert (error.data["error"]["code"], done.data) == ("server_shutdown", "[DONE]")
    assert server.ended(within=BOUND) == 0
    cancelled = [told["params"]["requestId"] for told in messages(heard, "notifications/cancelled")]
    assert cancelled.count(call["id"]) == 1
    await eventually(lambda: not any(child.is_running() for child in children))
    assert '"level": "error"' not in server.output()
