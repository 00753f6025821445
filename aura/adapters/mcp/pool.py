"""Every connection to an MCP server that this process has, and who may use which."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup

from aura.adapters.mcp.link import Link
from aura.adapters.mcp.servers import HttpServer, Server

MOST_UNUSED = 256
"""Connections of single callers that are kept although nobody uses them at the moment."""

LONGEST_FAREWELL = 2.0
"""Seconds that the end of the program waits for calls to end."""

Keep: TypeAlias = Callable[[Link], Coroutine[Any, Any, Any]]


class Pool:
    """One connection for each server, and for each set of headers that it is reached with.

    What carries headers of a caller is equal only for callers that send the same ones, so no
    caller's request can ever go out over a connection of another. `keep` owns a connection: it
    runs until it is cancelled.
    """

    def __init__(self, tasks: TaskGroup, *, keep: Keep) -> None:
        self._tasks = tasks
        self._keep = keep
        self._shared: dict[Server, Link] = {}
        self._private: dict[Server, Tenure] = {}

    def shared(self, server: Server) -> Link:
        """The connection that stays open as long as the program runs; begins to connect."""
        link = self._shared.get(server)
        if link is None:
            link = self._shared[server] = Link(server)
            self._tasks.start_soon(self._keep, link)
        return link

    async def quiet(self) -> None:
        """Wait, not for long, until the calls that were left are over and their servers know."""
        links = [*self._shared.values(), *(tenure.link for tenure in self._private.values())]
        with anyio.move_on_after(LONGEST_FAREWELL):
            async with anyio.create_task_group() as tasks:
                for link in links:
                    tasks.start_soon(link.quiet)

    @contextmanager
    def lease(self, server: HttpServer) -> Iterator[Link]:
        """The connection to a server that was resolved for a caller."""
        if (link := self._shared.get(server)) is not None:
            yield link
            return
        tenure = self._private.get(server)
        if tenure is None:
            self._make_room()
            tenure = self._private[server] = self._begin(server)
        with tenure.used():
            yield tenure.link

    @contextmanager
    def own(self, server: Server) -> Iterator[Link]:
        """A connection that nobody else gets, and that ends with the block."""
        with self._begin(server).used() as link:
            yield link

    def _begin(self, server: Server) -> Tenure:
        idle = server.idle_timeout if isinstance(server, HttpServer) else 0.0
        tenure = Tenure(Link(server), idle=idle)
        self._tasks.start_soon(self._run, tenure)
        return tenure

    async def _run(self, tenure: Tenure) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, tenure.link)
            await tenure.expired()
            self._forget(tenure)
            tasks.cancel_scope.cancel()

    def _make_room(self) -> None:
        """Let go of the connection that has been unused for longest, if there are too many."""
        unused = [tenure for tenure in self._private.values() if not tenure.users]
        if len(unused) >= MOST_UNUSED:
            oldest = min(unused, key=lambda tenure: tenure.unused_since)
            self._forget(oldest)
            oldest.give_up()

    def _forget(self, tenure: Tenure) -> None:
        server = tenure.link.server
        if self._private.get(server) is tenure:
            del self._private[server]


class Tenure:
    """How long a connection lives that is there for some callers only."""

    def __init__(self, link: Link, *, idle: float) -> None:
        self.link = link
        self.users = 0
        self.unused_since = anyio.current_time()
        self._idle = idle
        self._given_up = False
        self._turned = anyio.Event()

    @contextmanager
    def used(self) -> Iterator[Link]:
        """Keep the connection open meanwhile."""
        self.users += 1
        self._turn()
        try:
            yield self.link
        finally:
            self.users -= 1
            if not self.users:
                self.unused_since = anyio.current_time()
                self._turn()

    def give_up(self) -> None:
        """Do not wait for anybody any more."""
        self._given_up = True
        self._turn()

    async def expired(self) -> None:
        """Wait until nobody has used the connection for long enough.

        One that failed is not kept: another attempt with what a caller sent is up to that caller.
        """
        while not self._given_up:
            if self.users:
                await self._turned.wait()
                continue
            failed = self.link.status.status == "failed"
            with anyio.move_on_after(0 if failed else self._idle) as waited:
                await self._turned.wait()
            if waited.cancelled_caught and not self.users:
                return

    def _turn(self) -> None:
        self._turned.set()
        self._turned = anyio.Event()
