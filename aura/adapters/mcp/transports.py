"""The ways to reach a server, as the SDK's client takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import httpx2
from mcp import StdioServerParameters
from mcp.client._transport import TransportStreams
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from aura.adapters.mcp.bodies import MOST_BYTES, HttpClient
from aura.adapters.mcp.faults import Lost, Statuses
from aura.adapters.mcp.servers import HttpServer, Pairs, Server, StdioServer
from aura.adapters.mcp.sse import sse_streams
from aura.adapters.mcp.streams import drained_stderr, watched
from aura.masking import Mask
from aura.pipeline.ports import Log


def transport(
    server: Server, statuses: Statuses, gone: anyio.Event, log: Log
) -> AbstractAsyncContextManager[TransportStreams]:
    """The streams of a server. `statuses` sees every HTTP response; `gone` is set when nothing
    more can come."""
    match server:
        case HttpServer():
            return _over_http(server, statuses, gone)
        case StdioServer():
            return _over_stdio(server, gone, log)


@asynccontextmanager
async def _over_http(
    server: HttpServer, statuses: Statuses, gone: anyio.Event
) -> AsyncIterator[TransportStreams]:
    """The HTTP settings are ours; reading is bounded by the deadline of each call instead."""
    async with (
        HttpClient(
            headers=_encoded(server.headers),
            timeout=httpx2.Timeout(server.connect_timeout, read=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
            event_hooks={"response": [statuses.note]},
        ) as client,
        _spoken(server, client) as streams,
    ):
        yield watched(streams, gone)


def _spoken(
    server: HttpServer, client: httpx2.AsyncClient
) -> AbstractAsyncContextManager[TransportStreams]:
    match server.transport:
        case "http_streamable":
            return streamable_http_client(
                server.url, http_client=client, max_sse_event_size=MOST_BYTES
            )
        case "sse":
            return sse_streams(client, server.url, max_event=MOST_BYTES)


def _encoded(headers: Pairs) -> list[tuple[bytes, bytes]]:
    """Headers as they are sent: what a caller sent byte for byte, anything else as UTF-8."""
    return [(name.encode("ascii"), _bytes(value)) for name, value in headers]


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


@asynccontextmanager
async def _over_stdio(
    server: StdioServer, gone: anyio.Event, log: Log
) -> AsyncIterator[TransportStreams]:
    """What the child writes to standard error goes to our log, the end of its output ends the
    connection."""
    if server.cwd is not None and not await anyio.Path(server.cwd).is_dir():
        raise Lost("its working directory does not exist")
    command, *arguments = server.cmd
    parameters = StdioServerParameters(
        command=command,
        args=arguments,
        env=dict(server.env),
        cwd=server.cwd,
        encoding_error_handler="replace",  # what is no UTF-8 spoils a message, not the connection
    )
    async with (
        drained_stderr(log, Mask(server.secrets)) as stderr,
        stdio_client(parameters, errlog=stderr) as streams,
    ):
        yield watched(streams, gone)
