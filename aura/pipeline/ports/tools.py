"""Tools, and where they come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import msgspec

from aura.events import ServerStatus, ToolCalled, ToolProgressed, ToolStarted
from aura.pipeline.ports.models import ToolSpec


class Outcome(msgspec.Struct, frozen=True):
    """How a tool call ended: the text and the images for the model, and what kind of failure it
    is, if any. Images are `data:` URLs; the text has a placeholder for each.

    `arguments`: the arguments were unusable; `tool`: the tool itself reported an error;
    `transport`: the tool could not be reached or was lost on the way; `timeout`: it took too long.
    """

    text: str
    failure: Literal["arguments", "tool", "transport", "timeout"] | None = None
    images: tuple[str, ...] = ()


class Tool(Protocol):
    """Something that a model can call."""

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        ...

    def call(
        self, call: ToolCalled, arguments: dict[str, object]
    ) -> AsyncIterator[ToolStarted | ToolProgressed | Outcome]:
        """Run the tool. The last item is its `Outcome`; a failure of the tool is one, too.

        Closing the stream early abandons the call and tells the tool so.
        """
        ...


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of an MCP server, as people want to know it.

    `spec` is what the model sees, `own_name` what the server calls it, `changes` how its schema
    was rewritten for the model. `described` is the server's whole description as JSON.
    """

    server_name: str
    own_name: str
    spec: ToolSpec
    changes: tuple[str, ...]
    described: msgspec.Raw


class Toolset(Protocol):
    """The tools that an agent may use, for any caller."""

    def open(self, headers: Mapping[str, str]) -> AbstractContextManager[Toolbox]:
        """The tools for one run, whose caller sent these headers, by lower-case name; what is
        only there for that run is given back at the end of the block."""
        ...


class Toolbox(Protocol):
    """The tools of one run, which can change while it goes on."""

    async def ready(self) -> None:
        """Wait until every source of tools has been tried once. Bounded by the sources' own
        deadlines; returns at once when nothing is being tried."""
        ...

    def tools(self) -> tuple[Tool, ...]:
        """The tools that can be called now, in a stable order and with unique names."""
        ...

    def offers(self) -> tuple[Offer, ...]:
        """Those of the tools that come from MCP servers, in the same order."""
        ...

    def statuses(self) -> tuple[ServerStatus, ...]:
        """How each MCP server behind the toolbox is doing, sorted by name."""
        ...

    def limits(self) -> Mapping[str, int]:
        """Tools whose results belong on the scratchpad, from how many tokens on."""
        ...
