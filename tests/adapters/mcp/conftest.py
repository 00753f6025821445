from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from aura.adapters.mcp.link import Link
from tests.support.mcp.links import connected
from tests.support.mcp.processes import over_http, over_sse, over_stdio, serving


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Real processes and sockets: once is enough, and asyncio is what serves."""
    return "asyncio"


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Starting a process reads files, in the SDK and in the tests."""


@pytest.fixture(scope="session")
def http_port() -> Iterator[int]:
    with serving() as (_, port):
        yield port


@pytest.fixture(scope="session")
def legacy_port() -> Iterator[int]:
    with serving("--legacy") as (_, port):
        yield port


@pytest.fixture(scope="session")
def sse_port() -> Iterator[int]:
    with serving("--sse") as (_, port):
        yield port


@pytest.fixture(scope="module", params=["stdio", "http", "legacy http", "sse"])
async def link(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Link]:
    """A connection of each kind; the tests of a module share it."""
    match request.param:
        case "stdio":
            server = over_stdio(env={"EXTRA": "s3cret"})
        case "http":
            server = over_http(request.getfixturevalue("http_port"))
        case "sse":
            server = over_sse(request.getfixturevalue("sse_port"))
        case _:
            server = over_http(request.getfixturevalue("legacy_port"))
    async with connected(server) as connection:
        yield connection
