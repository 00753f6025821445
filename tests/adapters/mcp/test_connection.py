"""Connections to real server processes: calls, failures, loss and return."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import psutil
import pytest
import structlog

from aura.adapters.mcp.connection import keep, pause
from aura.adapters.mcp.link import Item, Link
from aura.adapters.mcp.servers import HttpServer, Server, StdioServer
from aura.adapters.mcp.toolbox import McpToolbox
from aura.events import ToolCalled, ToolProgressed, ToolStarted
from aura.pipeline.compose import opened
from aura.pipeline.ports import Outcome
from tests.support.eventually import PATIENCE, eventually
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

SCRIPT = str(Path(__file__).parents[2] / "support" / "mcp_server.py")
STDIO = StdioServer(name="test", cmd=(sys.executable, SCRIPT), env={"EXTRA": "1"})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The test server over HTTP, as a process of its own."""
    process = subprocess.Popen([sys.executable, SCRIPT, "--http", str(port)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def http_port() -> Iterator[int]:
    port = free_port()
    with serving(port):
        yield port


def over_http(port: int, **options: object) -> HttpServer:
    return HttpServer(name="test", url=f"http://127.0.0.1:{port}/mcp", **options)  # type: ignore[arg-type]


@asynccontextmanager
async def linked(*servers: Server) -> AsyncIterator[list[Link]]:
    """Links that are kept, after the first attempt of each."""
    links = [Link(server) for server in servers]
    async with anyio.create_task_group() as tasks:
        for link in links:
            tasks.start_soon(_keep, link)
        with anyio.fail_after(PATIENCE):
            for link in links:
                await link.tried()
        yield links
        tasks.cancel_scope.cancel()


async def _keep(link: Link) -> None:
    await keep(link, log=structlog.get_logger(), random=lambda: 0.0)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Link]:
    async with linked(server) as [link]:
        await eventually(lambda: link.status.status == "connected")
        yield link


def asked(tool: str, tool_id: str = "call_1") -> ToolCalled:
    return ToolCalled(agent_id="main", tool_id=tool_id, tool_name=tool, arguments="{}")


async def call(link: Link, tool: str, **arguments: object) -> list[Item]:
    with anyio.fail_after(PATIENCE):
        return await transcript(link.call(tool, asked(tool), arguments))


async def result(link: Link, tool: str, **arguments: object) -> Outcome:
    [*_, outcome] = await call(link, tool, **arguments)
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.fixture(params=["stdio", "http"])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "stdio":
        return STDIO
    return over_http(request.getfixturevalue("http_port"))


async def test_a_call_starts_and_ends_with_its_result(server: Server) -> None:
    async with connected(server) as link:
        started = ToolStarted(
            agent_id="main", tool_id="call_1", tool_name="echo", progress_token="call_1"
        )
        assert await call(link, "echo", text="hi") == [started, Outcome("hi")]


async def test_progress_arrives_in_order_under_the_token_of_its_call(server: Server) -> None:
    async with connected(server) as link:
        started, *reports, outcome = await call(link, "steps", count=3)
    assert outcome == Outcome("done")
    assert {started.progress_token} == {report.progress_token for report in reports}
    shares = [report.percent for report in reports if isinstance(report, ToolProgressed)]
    assert sorted(shares) == shares
    assert set(shares) <= {33, 66, 100}


async def test_an_error_of_the_tool_is_told_to_the_model(server: Server) -> None:
    async with connected(server) as link:
        outcome = await result(link, "fail", why="disk on fire")
    assert outcome.failure == "tool"
    assert outcome.text.startswith("Tool returned an error: ")
    assert outcome.text.endswith("disk on fire")


async def test_arguments_that_the_tool_refuses_are_told_to_the_model(server: Server) -> None:
    async with connected(server) as link:
        assert (await result(link, "echo", wrong=1)).failure is not None


async def test_a_tool_that_the_server_does_not_have_is_a_failure(server: Server) -> None:
    async with connected(server) as link:
        assert (await result(link, "nothing")).failure is not None


async def test_a_result_of_several_megabytes_arrives_whole(server: Server) -> None:
    async with connected(server) as link:
        assert len((await result(link, "big", size=3_000_000)).text) == 3_000_000


async def test_an_image_is_named(server: Server) -> None:
    async with connected(server) as link:
        assert (await result(link, "picture")).text == "[Image: image/png (28)]"


async def test_calls_run_beside_each_other(server: Server) -> None:
    async with connected(server) as link, anyio.create_task_group() as tasks:
        tasks.start_soon(transcript, link.call("hang", asked("hang"), {"name": "never"}))
        assert await result(link, "echo", text="meanwhile") == Outcome("meanwhile")
        tasks.cancel_scope.cancel()


async def test_leaving_a_call_tells_the_server(server: Server) -> None:
    name = f"left-{type(server).__name__}"
    async with connected(server) as link:
        async with opened(link.call("hang", asked("hang"), {"name": name})) as items:
            assert isinstance(await anext(items), ToolStarted)
            assert isinstance(await anext(items), ToolProgressed)

        async def noticed() -> bool:
            return name in (await result(link, "interruptions")).text

        await eventually(noticed)


async def test_a_call_that_takes_too_long_is_cancelled(http_port: int) -> None:
    async with connected(over_http(http_port, call_timeout=0.2)) as link:
        outcome = await result(link, "hang", name="late")
    assert outcome.failure == "timeout"
    assert "'hang' did not answer within 0.2 seconds" in outcome.text


async def test_a_child_gets_a_minimal_environment_and_its_own() -> None:
    os.environ["AURA_TEST_SECRET"] = "do not pass on"
    async with connected(STDIO) as link:
        names = (await result(link, "environment")).text.split(",")
    assert "EXTRA" in names
    assert "AURA_TEST_SECRET" not in names


async def test_a_child_that_dies_fails_the_call_and_the_next_call_works() -> None:
    async with connected(STDIO) as link:
        assert (await result(link, "die")).failure == "transport"
        assert await result(link, "echo", text="back") == Outcome("back")


async def test_a_child_that_dies_between_calls_is_not_noticed_by_the_next() -> None:
    async with connected(STDIO) as link:
        for child in psutil.Process().children():
            if SCRIPT in child.cmdline() and "--http" not in child.cmdline():
                child.kill()
        await eventually(lambda: link.status.status != "connected")
        assert await result(link, "echo", text="back") == Outcome("back")


async def test_a_server_that_restarts_during_a_call_is_found_again() -> None:
    port = free_port()
    lost: list[Item] = []
    with serving(port) as process:
        async with connected(over_http(port)) as link:
            async with opened(link.call("hang", asked("hang"), {"name": "lost"})) as items:
                async for item in items:
                    lost.append(item)
                    if isinstance(item, ToolProgressed):
                        process.kill()
            assert [item.failure for item in lost if isinstance(item, Outcome)] == ["transport"]

            async def works() -> bool:
                return (await result(link, "echo", text="back")).failure is None

            with serving(port):
                await eventually(works)


@pytest.mark.parametrize(
    ("attempt", "chance", "seconds"),
    [(0, 0.0, 0.0), (1, 0.0, 0.0), (2, 0.0, 0.5), (3, 0.0, 1.0), (3, 0.5, 0.75), (99, 0.0, 30.0)],
)
def test_pauses_between_attempts_grow(attempt: int, chance: float, seconds: float) -> None:
    assert pause(attempt, chance) == seconds


async def test_a_dead_server_does_not_touch_a_healthy_one(http_port: int) -> None:
    dead = HttpServer(name="dead", url=f"http://127.0.0.1:{free_port()}/mcp")
    async with linked(dead, over_http(http_port)) as [lost, healthy]:
        assert lost.status.reason == "Connection failed: nothing answers at its address"
        assert await result(healthy, "echo", text="fine") == Outcome("fine")
        outcome = await result(lost, "echo", text="?")
    assert outcome.failure == "transport"
    assert "the MCP server 'dead' cannot be reached" in outcome.text


@contextmanager
def answering(status: str | None) -> Iterator[int]:
    """A port where every request gets this status, or silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                if status is not None:
                    connection.recv(65536)
                    head = f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    connection.sendall(head.encode())
                    connection.close()
                else:
                    held.append(connection)

        held: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("401 Unauthorized", "authentication failed (401 Unauthorized)"),
        ("404 Not Found", "server returned HTTP 404 Not Found"),
        ("500 Internal Server Error", "server returned HTTP 500 Internal Server Error"),
        (None, "it did not answer within 0.3 seconds"),
    ],
)
async def test_why_a_server_cannot_be_reached(status: str | None, reason: str) -> None:
    with answering(status) as port:
        server = over_http(port, connect_timeout=0.3, headers={"Authorization": "Bearer s3cret"})
        async with linked(server) as [link]:
            assert link.status.status == "failed"
            assert reason in str(link.status.reason)
            assert "s3cret" not in repr(link.status) + repr(server)


async def test_a_command_that_does_not_exist_is_named_as_the_reason() -> None:
    async with linked(StdioServer(name="none", cmd=("/no/such/program",))) as [link]:
        assert link.status.reason == "Connection failed: its command was not found"


async def test_nothing_is_left_after_the_end() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with connected(STDIO) as link:
        assert await result(link, "echo", text="x") == Outcome("x")
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


async def test_models_see_clean_names_and_only_what_the_filter_lets_through(
    http_port: int,
) -> None:
    async with linked(over_http(http_port)) as links:
        every = McpToolbox(links, mcp_filter=None, log=structlog.get_logger())
        some = McpToolbox(links, mcp_filter=("e*", "odd?name"), log=structlog.get_logger())
        none = McpToolbox(links, mcp_filter=(), log=structlog.get_logger())
        assert "odd_name" in [tool.spec.name for tool in every.tools()]
        assert [tool.spec.name for tool in some.tools()] == ["echo", "odd_name", "environment"]
        assert none.tools() == ()
        [odd] = [tool for tool in some.tools() if tool.spec.name == "odd_name"]
        assert (await transcript(odd.call(asked("odd_name"), {})))[-1] == Outcome("odd")
