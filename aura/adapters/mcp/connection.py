"""The task that owns the connection to one MCP server. The SDK's client lives here alone.

A client of the SDK must be entered and left by the same task, and a server that goes down cancels
that task; so each connection has a task of its own, and callers only ever talk to its `Link`.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, Never, TypeAlias

import anyio
import httpx2
import msgspec
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import IncomingMessage, Transport
from mcp.client._transport import TransportStreams
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, Tool, ToolListChangedNotification

from aura.adapters.mcp.faults import Lost, Statuses, explained
from aura.adapters.mcp.link import Link, Listed, Pending
from aura.adapters.mcp.results import invalid, lost, outcome, refused, timed_out
from aura.adapters.mcp.servers import HttpServer, Server, StdioServer
from aura.adapters.mcp.streams import drained_stderr, watched
from aura.pipeline.ports import Log, Outcome

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY = 10.0
"""Seconds after which a connection counts as good, so that its loss is no repetition."""

FAREWELL = 5.0
"""Seconds that leaving a lost connection may take."""

MOST_PAGES = 1000
MOST_SSE_BYTES = 64 * 1024 * 1024

Mode: TypeAlias = Literal["auto", "legacy"]
"""How to begin: by asking which protocol the server speaks, or by the handshake of old."""


async def keep(link: Link, *, log: Log, random: Callable[[], float]) -> Never:
    """Connect, serve the calls of the link, and connect again, until cancelled.

    While a connection that worked is made anew at once, calls wait for it; otherwise they fail
    until an attempt succeeds. Attempts alternate between the two ways to begin, because some
    servers never answer, or give up, when they are asked what they do not know.
    """
    log = log.bind(mcp_server=link.server.name)
    attempt = 0
    mode: Mode = "auto"
    told = ""
    try:
        while True:
            connection = Connection(link, log)
            begun = anyio.current_time()
            reason = ""
            try:
                await connection.serve(mode)
            except* Exception as group:  # noqa: BLE001 - it concerns this server only
                reason = explained(group, connection.statuses)
            worked = link.status.status == "connected"
            if not worked:
                mode = "legacy" if mode == "auto" else "auto"
            elif anyio.current_time() - begun >= STEADY:
                attempt = 0
            at_once = worked and attempt == 0
            wait = 0.0 if at_once else pause(attempt, random())
            tell = log.debug if reason == told and not worked else log.warning
            tell("MCP server is not connected", reason=reason, next_attempt_seconds=wait)
            told = reason
            if at_once:
                link.lost()
            else:
                link.failed(reason)
            await anyio.sleep(wait)
            attempt += 1
    finally:
        link.failed("the connection was closed")


def pause(attempt: int, chance: float) -> float:
    """Seconds before the next attempt after `attempt` earlier ones: from half a second doubling
    to half a minute, minus up to half of it by `chance`."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 16)) * (1 - chance / 2)


class Connection:
    """One connection to a server, from its start to its loss."""

    def __init__(self, link: Link, log: Log) -> None:
        self._link = link
        self._log = log
        self._gone = anyio.Event()
        self._stale = anyio.Event()
        self.statuses = Statuses(self._gone)

    async def serve(self, mode: Mode) -> Never:
        """Connect and make the calls of the link. Ends by an error when the connection is lost,
        or cannot be made."""
        limit = self._link.server.connect_timeout
        with anyio.CancelScope(deadline=anyio.current_time() + limit) as scope:
            async with Client(
                self._transport(), mode=mode, message_handler=self._noticed
            ) as client:
                tools = await _listed(client)
                scope.deadline = math.inf
                self._log.info(
                    "MCP server is connected", tools=len(tools), protocol=client.protocol_version
                )
                self._link.connected(tools)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._end_when_gone, scope)
                    tasks.start_soon(self._relist, client)
                    while True:
                        tasks.start_soon(self._serve_call, await self._link.next_call(), client)
        if self._gone.is_set():
            raise Lost("the connection was lost")
        raise Lost(f"it did not answer within {limit:g} seconds")

    async def _end_when_gone(self, scope: anyio.CancelScope) -> Never:
        await self._gone.wait()
        scope.deadline = anyio.current_time() + FAREWELL
        raise Lost("the connection was lost")

    async def _noticed(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._stale.set()

    async def _relist(self, client: Client) -> None:
        """Ask for the tools again whenever they may have changed."""
        while True:
            await self._stale.wait()
            self._stale = anyio.Event()
            with anyio.move_on_after(self._link.server.connect_timeout):
                try:
                    tools = await _listed(client)
                except MCPError as error:
                    self._log.debug("MCP server does not list its tools", error=error.message)
                else:
                    self._link.connected(tools)
                    self._log.debug("MCP server listed its tools again", tools=len(tools))

    async def _serve_call(self, pending: Pending, client: Client) -> None:
        """One call. Ends with an outcome even when the connection is torn down around it.

        Leaving the scope of the call makes the SDK tell the server that it is cancelled.
        """
        server = self._link.server
        ended = lost(server.name)
        try:
            with pending.scope, anyio.move_on_after(server.call_timeout) as limit:
                pending.start()
                ended = await self._call(pending, client)
            if limit.cancelled_caught:
                ended = timed_out(pending.tool, server.call_timeout)
        finally:
            pending.end(ended)

    async def _call(self, pending: Pending, client: Client) -> Outcome:
        try:
            return outcome(
                await client.call_tool(
                    pending.tool, pending.arguments, progress_callback=pending.progress
                )
            )
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                return refused(error)
            self._stale.set()  # it may have been restarted: does it still know us?
            return lost(self._link.server.name, error.message)
        except Exception as error:  # noqa: BLE001 - one call must not end the others
            return invalid(error)

    def _transport(self) -> Transport:
        server: Server = self._link.server
        match server:
            case HttpServer():
                return self._over_http(server)
            case StdioServer():
                return self._over_stdio(server)

    @asynccontextmanager
    async def _over_http(self, server: HttpServer) -> AsyncIterator[TransportStreams]:
        """The HTTP settings are ours; reading is bounded by the deadline of each call instead."""
        async with (
            httpx2.AsyncClient(
                headers=dict(server.headers),
                timeout=httpx2.Timeout(server.connect_timeout, read=None),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
                event_hooks={"response": [self.statuses.note]},
            ) as client,
            streamable_http_client(
                server.url, http_client=client, max_sse_event_size=MOST_SSE_BYTES
            ) as streams,
        ):
            yield watched(streams, self._gone)

    @asynccontextmanager
    async def _over_stdio(self, server: StdioServer) -> AsyncIterator[TransportStreams]:
        """What the child writes to standard error goes to our log, the end of its output ends
        the connection."""
        if server.cwd is not None and not await anyio.Path(server.cwd).is_dir():
            raise Lost("its working directory does not exist")
        command, *arguments = server.cmd
        parameters = StdioServerParameters(
            command=command, args=arguments, env=dict(server.env), cwd=server.cwd
        )
        async with (
            drained_stderr(self._log) as stderr,
            stdio_client(parameters, errlog=stderr) as streams,
        ):
            yield watched(streams, self._gone)


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
