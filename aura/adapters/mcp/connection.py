"""The task that owns the connection to one MCP server. The SDK's client lives here alone.

A client of the SDK must be entered and left by the same task, and a server that goes down cancels
that task; so each connection has a task of its own, and callers only ever talk to its `Link`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, Never, TypeAlias

import anyio
import anyio.to_thread
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp_types import (
    CONNECTION_CLOSED,
    METHOD_NOT_FOUND,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aura.adapters.mcp.faults import Lost, Statuses, explained
from aura.adapters.mcp.link import Link, Pending
from aura.adapters.mcp.listing import Listing
from aura.adapters.mcp.names import LONGEST_IN_LOG
from aura.adapters.mcp.results import invalid, large, lost, outcome, refused, timed_out
from aura.adapters.mcp.servers import Server
from aura.adapters.mcp.transports import transport
from aura.masking import Mask
from aura.pipeline.ports import Log, Outcome

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY = 10.0
"""Seconds after which a connection counts as good, so that its loss is no repetition."""

FAREWELL = 5.0
"""Seconds that leaving a lost connection may take."""

FRESHEST = 5.0
"""Seconds that a list of tools is used at least, however soon the server says that it ages."""

BREATH = 0.5
"""Seconds between two lists, however often the server says that they changed."""

MOST_PAGES = 1000
MOST_NOTES = 20
"""How many odd tools go into the log."""

LONGEST = 300
"""Characters of the reason why a call failed that go into the log."""

CLOSED = ("Connection closed", "SSE stream ")
"""How the SDK begins to say that a connection is gone; servers have other uses for its code."""

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
    legacy_only = link.server.transport == "sse"  # older than the other way to begin
    mode: Mode = "legacy" if legacy_only else "auto"
    told = ""
    try:
        while True:
            connection = Connection(link, log, random)
            begun = anyio.current_time()
            reason = ""
            try:
                await connection.serve(mode)
            except* Exception as group:  # noqa: BLE001 - it concerns this server only
                reason = explained(group, connection.statuses, connection.mask)
            worked = link.status.status == "connected"
            if not worked:
                mode = "legacy" if mode == "auto" or legacy_only else "auto"
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

    def __init__(self, link: Link, log: Log, random: Callable[[], float]) -> None:
        self._link = link
        self._log = log
        self._random = random
        self._notes: tuple[tuple[str, str], ...] = ()
        self._gone = anyio.Event()
        self._stale = anyio.Event()
        self.statuses = Statuses(self._gone)
        self.mask = Mask(link.server.secrets)

    async def serve(self, mode: Mode) -> Never:
        """Connect and make the calls of the link. Ends by an error when the connection is lost,
        or cannot be made."""
        limit = self._link.server.connect_timeout
        with anyio.CancelScope(deadline=anyio.current_time() + limit) as scope:
            streams = transport(self._link.server, self.statuses, self._gone, self._log)
            async with Client(streams, mode=mode, message_handler=self._noticed) as client:
                ttl = await self._list(client)
                scope.deadline = math.inf
                self._log.info(
                    "MCP server is connected",
                    tools=len(self._link.tools),
                    protocol=client.protocol_version,
                )
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._end_when_gone, scope)
                    tasks.start_soon(self._listen, client)
                    tasks.start_soon(self._relist, client, ttl)
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

    async def _listen(self, client: Client) -> None:
        """Hear of changes from servers that want to be asked to tell; others tell unasked."""
        capabilities = client.server_capabilities.tools
        if (
            client.protocol_version not in MODERN_PROTOCOL_VERSIONS
            or capabilities is None
            or not capabilities.list_changed
        ):
            return
        attempt = 0
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._stale.set()
                        attempt = 0
            except Exception as error:  # noqa: BLE001 - the calls go on without it
                if isinstance(error, MCPError) and error.code == METHOD_NOT_FOUND:
                    return
            await anyio.sleep(pause(attempt, self._random()))
            self._stale.set()  # what happened meanwhile was not heard
            attempt += 1

    async def _relist(self, client: Client, ttl: float) -> None:
        """Ask for the tools again whenever they may have changed."""
        while True:
            with anyio.move_on_after(ttl):
                await self._stale.wait()
            self._stale = anyio.Event()
            with anyio.move_on_after(self._link.server.connect_timeout):
                try:
                    ttl = await self._list(client)
                except Exception as error:  # noqa: BLE001 - what it listed before still holds
                    why = (
                        self.mask(error.message)
                        if isinstance(error, MCPError)
                        else type(error).__name__
                    )
                    self._log.debug("MCP server does not list its tools", error=why)
                else:
                    tools = len(self._link.tools)
                    self._log.debug("MCP server listed its tools again", tools=tools)
            await anyio.sleep(BREATH)

    async def _list(self, client: Client) -> float:
        """Ask for the tools. Gives for how many seconds the answer is good."""
        listing, hints = Listing(), list[int]()
        cursor: str | None = None
        seen: set[str | None] = set()
        while cursor not in seen and len(seen) < MOST_PAGES and not listing.full:
            seen.add(cursor)
            page = await client.list_tools(cursor=cursor, cache_mode="refresh")
            await anyio.to_thread.run_sync(listing.add, page.tools, abandon_on_cancel=True)
            hints.append(page.ttl_ms)
            cursor = page.next_cursor
            if cursor is None:
                break
        else:
            if not listing.full:
                listing.notes.append(("", "its list has no end, or goes round in circles"))
        self._tell(tuple(listing.notes))
        self._link.connected(listing.tools)
        return lifetime(self._link.server, hints)

    def _tell(self, notes: tuple[tuple[str, str], ...]) -> None:
        """Say what is odd about the tools, unless it has been said."""
        if notes != self._notes:
            for tool, why in notes[:MOST_NOTES]:
                named = {"tool": tool[:LONGEST_IN_LOG]} if tool else {}
                self._log.warning("MCP server lists an unusable tool", **named, why=why)
            if len(notes) > MOST_NOTES:
                self._log.warning("MCP server lists more such tools", more=len(notes) - MOST_NOTES)
        self._notes = notes

    async def _serve_call(self, pending: Pending, client: Client) -> None:
        """One call. Ends with an outcome even when the connection is torn down around it.

        Leaving the scope of the call makes the SDK tell the server that it is cancelled.
        """
        server = self._link.server
        ended = lost(server.name)
        try:
            with self._link.in_flight(), pending.scope:
                pending.scope.deadline = anyio.current_time() + server.call_timeout
                pending.start()
                ended = await self._call(pending, client)
            if pending.scope.cancelled_caught:  # by its caller, too, who does not read any more
                ended = timed_out(pending.tool, server.call_timeout)
            elif ended.failure == "transport":
                self._log.warning("MCP call failed", tool=pending.tool, error=ended.text[:LONGEST])
        finally:
            pending.end(ended)

    async def _call(self, pending: Pending, client: Client) -> Outcome:
        try:
            result = await client.call_tool(
                pending.tool, pending.arguments, progress_callback=pending.progress
            )
            if large(result):
                return await anyio.to_thread.run_sync(outcome, result, self.mask)
            return outcome(result, self.mask)
        except MCPError as error:
            if error.code != CONNECTION_CLOSED or not error.message.startswith(CLOSED):
                return refused(error, self.mask)
            self._stale.set()  # it may have been restarted: does it still know us?
            return lost(self._link.server.name, error.message)
        except Exception as error:  # noqa: BLE001 - one call must not end the others
            self._log.warning("MCP call failed", tool=pending.tool, error=type(error).__name__)
            return invalid(error, self.mask)


def lifetime(server: Server, hints: Sequence[int]) -> float:
    """Seconds for which a list of tools is good: what the server says with the shortest-lived of
    its pages, in milliseconds, 0 for nothing; else what the configuration says."""
    given = [hint / 1000 for hint in hints if hint > 0]
    if given:
        return max(min(given), FRESHEST)
    return math.inf if server.tools_ttl is None else server.tools_ttl
