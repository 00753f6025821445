"""Links that are kept while a test looks at them, and calls over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import msgspec
import structlog

from aura.adapters.mcp.connection import keep
from aura.adapters.mcp.link import Item, Link, Listed
from aura.adapters.mcp.servers import Server
from aura.events import ToolCalled
from aura.pipeline.ports import Outcome
from tests.support.transcript import transcript

PATIENCE = 20.0
"""Seconds after which something has gone wrong."""

CONNECTED = "MCP server is connected"
NOT_CONNECTED = "MCP server is not connected"


@dataclass
class Notes:
    """A log that can be waited for, since what a connection does next is told there."""

    entries: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    _news: anyio.Event = field(default_factory=anyio.Event)

    def debug(self, event: str, **facts: object) -> None:
        self._note("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._note("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._note("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._note("error", event, facts)

    def exception(self, event: str, **facts: object) -> None:
        self._note("error", event, facts)

    def bind(self, **facts: object) -> Notes:
        del facts
        return self

    def _note(self, level: str, event: str, facts: dict[str, object]) -> None:
        self.entries.append((level, event, facts))
        self._news.set()
        self._news = anyio.Event()

    def told(self, event: str) -> list[tuple[str, dict[str, object]]]:
        """Level and facts of each entry about the event."""
        return [(level, facts) for level, told, facts in self.entries if told == event]

    async def wait_for(self, event: str, times: int = 1) -> None:
        """Return when the event has been told that often."""
        with anyio.fail_after(PATIENCE):
            while len(self.told(event)) < times:
                await self._news.wait()

    async def wait_for_more(self, than: int) -> None:
        """Return when there are more entries than that."""
        with anyio.fail_after(PATIENCE):
            while len(self.entries) <= than:
                await self._news.wait()


def listed(name: str, description: str = "", **options: object) -> Listed:
    """A tool as a server could list it, with nothing to check."""
    schema = msgspec.Raw(b'{"type":"object"}')
    defaults: dict[str, object] = {
        "parameters": schema,
        "strict": schema,
        "changes": (),
        "checked": lambda arguments: arguments,
        "described": msgspec.Raw(b"{}"),
    }
    return Listed(name=name, description=description, **{**defaults, **options})  # type: ignore[arg-type]


@asynccontextmanager
async def linked(*servers: Server, log: Notes | None = None) -> AsyncIterator[list[Link]]:
    """Links that are kept, after the first attempt of each."""
    links = [Link(server) for server in servers]
    async with anyio.create_task_group() as tasks:
        for link in links:
            tasks.start_soon(_keep, link, log)
        with anyio.fail_after(PATIENCE):
            for link in links:
                await link.tried()
        yield links
        tasks.cancel_scope.cancel()


async def _keep(link: Link, log: Notes | None) -> None:
    await keep(link, log=log or structlog.get_logger(), random=lambda: 0.9)


@asynccontextmanager
async def connected(server: Server, log: Notes | None = None) -> AsyncIterator[Link]:
    """A link whose server answers."""
    async with linked(server, log=log) as [link]:
        assert link.status.status == "connected", link.status
        yield link


def asked(tool: str, tool_id: str = "call_1") -> ToolCalled:
    """A call as the model asks for it."""
    return ToolCalled(agent_id="main", tool_id=tool_id, tool_name=tool, arguments="{}")


async def call(link: Link, tool: str, **arguments: object) -> list[Item]:
    """Everything that a call gives."""
    with anyio.fail_after(PATIENCE):
        return await transcript(link.call(tool, asked(tool), arguments))


async def result(link: Link, tool: str, **arguments: object) -> Outcome:
    """How a call ends."""
    [*_, outcome] = await call(link, tool, **arguments)
    assert isinstance(outcome, Outcome)
    return outcome
