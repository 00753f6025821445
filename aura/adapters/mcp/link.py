"""One MCP server as callers see it: what it offers, and the channel to the task that owns it.

The owner (`connection.keep`) is the only one that touches the SDK, which is not imported here
because that takes most of a second.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import anyio
import msgspec

from aura.adapters.mcp.servers import Server
from aura.events import ServerStatus, ToolCalled, ToolProgressed, ToolStarted
from aura.pipeline.compose import opened
from aura.pipeline.ports import Outcome

LONGEST_MESSAGE = 2000
"""Characters of a progress report that are passed on."""

LINGER = 0.2
"""Seconds in which what was said last gets out, since the SDK does not tell when it did."""

UNREAD_PROGRESS = 64
"""How many progress reports wait for a slow reader; older ones give way to newer ones."""

State: TypeAlias = Literal["not_attempted", "connected", "failed"]
Item: TypeAlias = ToolStarted | ToolProgressed | Outcome


Arguments: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A tool as its server lists it; `parameters` is its schema as the server wrote it.

    `strict` is that schema in the part of JSON Schema that strict providers take, if it can be
    written in it, and `changes` says what was rewritten. `checked` gives the arguments as the
    server takes them, or what is wrong with them. `described` is everything that the server says
    about the tool, as JSON.
    """

    name: str
    description: str
    parameters: msgspec.Raw
    strict: msgspec.Raw | None
    changes: tuple[str, ...]
    checked: Callable[[Arguments], Arguments | str] = field(compare=False, repr=False)
    described: msgspec.Raw


class Pending:
    """One call on its way: the owner puts what happens, the caller takes it."""

    def __init__(self, tool: str, call: ToolCalled, arguments: Arguments) -> None:
        self.tool = tool
        self.call = call
        self.arguments = arguments
        self.scope = anyio.CancelScope()
        self._outcome: Outcome | None = None
        self._started: ToolStarted | None = None
        self._progress: deque[ToolProgressed] = deque(maxlen=UNREAD_PROGRESS)
        self._news = anyio.Event()

    def start(self) -> None:
        """The call goes out to the server."""
        self._started = ToolStarted(
            agent_id=self.call.agent_id,
            tool_id=self.call.tool_id,
            tool_name=self.call.tool_name,
            progress_token=self.call.tool_id,
        )
        self._news.set()

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """The server reported how far it is; `total` is in the same unit as `progress`."""
        if self._outcome is None:
            self._progress.append(
                ToolProgressed(
                    agent_id=self.call.agent_id,
                    tool_id=self.call.tool_id,
                    message=(message or _described(progress, total))[:LONGEST_MESSAGE],
                    phase="mcp_progress",
                    percent=percent(progress, total),
                    progress_token=self.call.tool_id,
                )
            )
            self._news.set()

    def end(self, outcome: Outcome) -> None:
        """The call is over. Only the first end counts."""
        if self._outcome is None:
            self._outcome = outcome
            self._news.set()

    async def items(self) -> AsyncGenerator[Item, None]:
        """What happens to the call, its outcome last."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            if self._started is not None:
                started, self._started = self._started, None
                yield started
            while self._progress:
                yield self._progress.popleft()
            if self._outcome is not None:
                yield self._outcome
                return


class Link:
    """A server and its state, shared by every agent that uses it.

    Not attempted yet, or lost and being made anew: calls wait. Failed: calls fail at once, until a
    later attempt succeeds.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.known: tuple[Listed, ...] = ()
        self.version = 0
        self._state: State = "not_attempted"
        self._reason: str | None = None
        self._tried = anyio.Event()
        self._waiting: deque[Pending] = deque()
        self._handed_over = anyio.Event()
        self._in_flight = 0
        self._landed = anyio.Event()

    @property
    def status(self) -> ServerStatus:
        """How the server is doing, as clients may know it."""
        return ServerStatus(
            server_name=self.server.name,
            transport=self.server.transport,
            status=self._state,
            tools_count=len(self.tools),
            reason=self._reason,
        )

    @property
    def tools(self) -> tuple[Listed, ...]:
        """What can be called; `known` is what the server offered last, reachable or not."""
        return () if self._state == "failed" else self.known

    async def tried(self) -> None:
        """Wait until the attempt to connect that is under way, if one is, is over."""
        await self._tried.wait()

    def connected(self, tools: tuple[Listed, ...]) -> None:
        """The server answers, and this is what it offers."""
        self._set("connected", tools, None)

    def lost(self) -> None:
        """The connection is gone and is being made anew; calls wait for that, tools are kept."""
        self._state = "not_attempted"
        self._tried = anyio.Event()

    def failed(self, reason: str) -> None:
        """The server cannot be reached, and this is why. Ends the calls that were not taken."""
        self._set("failed", self.known, reason)
        while self._waiting:
            self._waiting.popleft().end(self.unreachable())

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a call for the time of the block. For the owner alone."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._landed.set()
                self._landed = anyio.Event()

    async def quiet(self) -> None:
        """Wait until no call is on its way, and the server was told of those that were left."""
        if self._in_flight:
            await self._landed.wait()
            await anyio.sleep(LINGER)

    async def next_call(self) -> Pending:
        """The call that was handed over first and not taken yet. For the owner alone."""
        while True:
            while self._waiting:
                pending = self._waiting.popleft()
                if not pending.scope.cancel_called:
                    return pending
            self._handed_over = anyio.Event()
            await self._handed_over.wait()

    def _set(self, state: State, known: tuple[Listed, ...], reason: str | None) -> None:
        offered = self.tools
        self._state, self.known, self._reason = state, known, reason
        if self.tools != offered:
            self.version += 1
        self._tried.set()

    async def call(
        self, tool: str, call: ToolCalled, arguments: Arguments
    ) -> AsyncGenerator[Item, None]:
        """Have the owner call `tool`, the server's own name. Closing early abandons the call."""
        if self._state == "failed":
            yield self.unreachable()
            return
        pending = Pending(tool, call, arguments)
        self._waiting.append(pending)
        self._handed_over.set()
        try:
            async with opened(pending.items()) as items:
                async for item in items:
                    yield item
        finally:
            pending.scope.cancel()

    def unreachable(self) -> Outcome:
        """What the model is told while the server is down."""
        return Outcome(
            f"ToolCallError: the MCP server {self.server.name!r} cannot be reached: {self._reason}."
            " It is being retried; other tools still work.",
            failure="transport",
        )


def percent(progress: float, total: float | None) -> int | None:
    """The share that is done in whole percent, cut off, never above 100."""
    try:
        if total is None or not math.isfinite(progress) or not math.isfinite(total):
            return None
        return 100 if total <= 0 else max(0, min(100, int(100 * progress / total)))
    except OverflowError:  # more percent than any number can say
        return None


def _described(progress: float, total: float | None) -> str:
    return _number(progress) if total is None else f"{_number(progress)}/{_number(total)}"


def _number(value: float) -> str:
    return f"{value:.15g}"
