"""Why a server cannot be reached, as anybody may know it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import MCPError

from aura.adapters.mcp.faults import Statuses, explained
from aura.adapters.mcp.servers import HttpServer, StdioServer
from tests.support.mcp.links import linked
from tests.support.mcp.processes import answering, over_http, over_stdio
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio


def unresolved() -> httpx2.ConnectError:
    error = httpx2.ConnectError("s3cret")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    return error


SECRET = {"Authorization": "Bearer s3cret"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            "401 Unauthorized",
            (
                "authentication failed (401 Unauthorized); check the server's headers, those that"
                " are passed on from the request, and its credentials"
            ),
        ),
        ("404 Not Found", "server returned HTTP 404 Not Found"),
        ("500 Oops", "server returned HTTP 500 Internal Server Error"),
        ("599 Odd", "server returned HTTP 599"),
        (None, "it did not answer within 0.4 seconds"),
    ],
)
async def test_an_http_server_that_refuses(status: str | None, reason: str) -> None:
    with answering(status) as port:
        server = over_http(port, connect_timeout=0.4, headers=SECRET)
        async with linked(server) as [link]:
            assert link.status.reason == f"Connection failed: {reason}"


async def test_nobody_at_the_address() -> None:
    async with linked(over_http(free_port())) as [link]:
        assert link.status.reason == "Connection failed: nothing answers at its address"


async def test_an_address_without_tls() -> None:
    with answering("400 Bad Request") as port:
        server = HttpServer(name="test", url=f"https://127.0.0.1:{port}/mcp")
        async with linked(server) as [link]:
            reason = "Connection failed: no secure connection can be made (WRONG_VERSION_NUMBER)"
            assert link.status.reason == reason


async def test_a_working_directory_that_does_not_exist(tmp_path: Path) -> None:
    server = over_stdio(cwd=str(tmp_path / "gone"))
    async with linked(server) as [link]:
        assert link.status.reason == "Connection failed: its working directory does not exist"


async def test_a_header_that_cannot_be_sent_is_not_shown(http_port: int) -> None:
    server = over_http(http_port, headers={"authorization": "Bearer s3cret\n"})
    async with linked(server) as [link]:
        assert link.status.reason == "Connection failed: one of its headers cannot be sent"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/no/such/program",), "its command was not found"),
        ((__file__,), "its command may not be executed"),
        ((sys.executable, "-c", "pass"), "the server ended the connection"),
    ],
)
async def test_a_child_that_cannot_be_talked_to(command: tuple[str, ...], reason: str) -> None:
    async with linked(StdioServer(name="test", cmd=command)) as [link]:
        assert link.status.reason == f"Connection failed: {reason}"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (MCPError(-32603, "no room"), None, "the server answered with an error: no room"),
        (MCPError(-32603, "no room"), 503, "server returned HTTP 503 Service Unavailable"),
        (httpx2.ConnectError("refused"), 500, "nothing answers at its address"),
        (unresolved(), None, "its host name is not known"),
        (httpx2.ReadError("s3cret"), None, "the HTTP exchange failed (ReadError)"),
        (httpx2.UnsupportedProtocol("s3cret"), None, "its URL cannot be used"),
        (OSError(8, "Exec format error", "s3cret"), None, "Exec format error"),
        (RuntimeError("s3cret"), None, "RuntimeError"),
        (ExceptionGroup("", [RuntimeError("s3cret")]), None, "RuntimeError"),
    ],
)
def test_errors_in_words(error: Exception, status: int | None, reason: str) -> None:
    statuses = Statuses(None)  # type: ignore[arg-type]
    statuses.error = status
    assert explained(ExceptionGroup("", [error]), statuses) == f"Connection failed: {reason}"
