"""The task that owns the connection to one MCP server. The only module that imports the SDK.

A client of the SDK must be entered and left by the same task, and a server that goes down cancels
that task; so each connection has a task of its own, and callers only ever talk to its `Link`.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Never

import anyio
import httpx2
import msgspec
from mcp import Client, MCPError, StdioServerParameters
from mcp.client._transport import Transport, TransportStreams
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, Tool

from aura.adapters.mcp.faults import Statuses, explained
from aura.adapters.mcp.link import Link, Listed, Pending
from aura.adapters.mcp.results import invalid, lost, outcome, refused, timed_out
from aura.adapters.mcp.servers import HttpServer, Server, StdioServer
from aura.adapters.mcp.streams import drained_stderr, watched
from aura.pipeline.ports import Log

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY = 10.0
"""Seconds after which a connection counts as good, so that its loss is no repetition."""

MOST_PAGES = 1000
MOST_SSE_BYTES = 64 * 1024 * 1024

SESSION_GONE = frozenset({CONNECTION_CLOSED, INVALID_REQUEST})
"""Codes of errors after which the server does not know us any more."""


class Gone(Exception):
    """The connection is of no use any more."""


async def keep(link: Link, *, log: Log, random: Callable[[], float]) -> Never:
    """Connect, serve the calls of the link, and connect again, until cancelled.

    While a connection that worked is made anew at once, calls wait for it; otherwise they fail
    until an attempt succeeds.
    """
    log = log.bind(mcp_server=link.server.name)
    attempt = 0
    while True:
        statuses = Statuses()
        reason = ""
        begun = anyio.current_time()
        try:
            await _connected(link, statuses, log)
        except* Exception as group:  # noqa: BLE001 - it concerns this server only
            reason = explained(group, statuses)
        worked = link.status.status == "connected"
        steady = worked and anyio.current_time() - begun >= STEADY
        attempt = 0 if steady else attempt + 1
        wait = pause(attempt, random())
        log.warning("MCP server is not connected", reason=reason, next_attempt_seconds=wait)
        if worked and not wait:
            link.lost()
        else:
            link.failed(reason)
        await anyio.sleep(wait)


def pause(attempt: int, chance: float) -> float:
    """Seconds before the next attempt, `attempt` of them having failed in a row.

    None after the first; then they double from half a second to half a minute, minus up to half
    of it by `chance`.
    """
    if attempt <= 1:
        return 0.0
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 2, 16)) * (1 - chance / 2)


async def _connected(link: Link, statuses: Statuses, log: Log) -> None:
    """One connection, from start to end; ends by an error when it is lost, or never was."""
    limit = link.server.connect_timeout
    gone = anyio.Event()
    with anyio.CancelScope(deadline=anyio.current_time() + limit) as connecting:
        transport = _transport(link.server, statuses, gone, log)
        async with Client(transport) as client:
            tools = await _listed(client)
            connecting.deadline = math.inf
            statuses.first = None
            log.info("MCP server is connected", tools=len(tools))
            link.connected(tools)
            async with anyio.create_task_group() as calls:
                calls.start_soon(_raise_when, gone)
                while True:
                    calls.start_soon(_served, await link.next_call(), client, link.server, gone)
    raise TimeoutError(f"it did not answer within {limit:g} seconds")


async def _raise_when(gone: anyio.Event) -> Never:
    await gone.wait()
    raise Gone("the connection was lost")


async def _served(pending: Pending, client: Client, server: Server, gone: anyio.Event) -> None:
    """One call. Ends with an outcome even when the connection is torn down around it.

    Leaving the scope of the call makes the SDK tell the server that it is cancelled.
    """
    ended = lost(server.name)
    try:
        with pending.scope, anyio.move_on_after(server.call_timeout) as limit:
            pending.start()
            try:
                result = await client.call_tool(
                    pending.tool, pending.arguments, progress_callback=pending.progress
                )
                ended = outcome(result)
            except MCPError as error:
                ended = refused(error)
                if error.code in SESSION_GONE:
                    gone.set()
            except (RuntimeError, ValueError) as error:  # a result that breaks its own schema
                ended = invalid(error)
        if limit.cancelled_caught:
            ended = timed_out(pending.tool, server.call_timeout)
    finally:
        pending.end(ended)


async def _listed(client: Client) -> tuple[Listed, ...]:
    """Every tool of the server, in its order, page by page."""
    found: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(
        Listed(
            name=tool.name,
            description=tool.description or "",
            parameters=msgspec.Raw(msgspec.json.encode(tool.input_schema)),
        )
        for tool in found
    )


def _transport(server: Server, statuses: Statuses, gone: anyio.Event, log: Log) -> Transport:
    match server:
        case HttpServer():
            return _over_http(server, statuses)
        case StdioServer():
            return _over_stdio(server, gone, log)


@asynccontextmanager
async def _over_http(server: HttpServer, statuses: Statuses) -> AsyncIterator[TransportStreams]:
    """The HTTP settings are ours; reading is bounded by the deadline of each call instead."""
    async with (
        httpx2.AsyncClient(
            headers=dict(server.headers),
            timeout=httpx2.Timeout(server.connect_timeout, read=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
            event_hooks={"response": [statuses.note]},
        ) as client,
        streamable_http_client(
            server.url, http_client=client, max_sse_event_size=MOST_SSE_BYTES
        ) as streams,
    ):
        yield streams


@asynccontextmanager
async def _over_stdio(
    server: StdioServer, gone: anyio.Event, log: Log
) -> AsyncIterator[TransportStreams]:
    """What the child writes to standard error goes to our log, the end of its output ends us."""
    command, *arguments = server.cmd
    parameters = StdioServerParameters(
        command=command, args=arguments, env=dict(server.env), cwd=server.cwd
    )
    async with drained_stderr(log) as stderr, stdio_client(parameters, errlog=stderr) as streams:
        yield watched(streams, gone)
