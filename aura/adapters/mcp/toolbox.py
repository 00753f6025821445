"""The tools of one agent: those of its servers that its filter lets through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from aura.adapters.mcp.globs import allowed
from aura.adapters.mcp.link import Item, Link
from aura.adapters.mcp.names import distinct
from aura.events import ServerStatus, ToolCalled
from aura.pipeline.ports import Log, Tool, ToolSpec


class McpTool:
    """A tool of a server; the model knows it as `spec.name`, its server as `own_name`."""

    def __init__(self, spec: ToolSpec, own_name: str, link: Link) -> None:
        self.spec = spec
        self._own_name = own_name
        self._link = link

    def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Item]:
        """Run the tool; the last item is its outcome."""
        return self._link.call(self._own_name, call, arguments)


class McpToolbox:
    """The tools of several servers under names of their own.

    The order is that of the servers given and of each server's list, so that prompts stay the
    same and can be cached. `mcp_filter` are globs over names; `None` lets every tool through.
    """

    def __init__(
        self, links: Sequence[Link], *, mcp_filter: Sequence[str] | None, log: Log
    ) -> None:
        self._links = tuple(links)
        self._filter = mcp_filter
        self._log = log
        self._versions: tuple[int, ...] = ()
        self._tools: tuple[Tool, ...] = ()
        self._renamed: set[str] = set()

    async def ready(self) -> None:
        """Wait until each server has been tried once; their own deadlines bound it."""
        for link in self._links:
            await link.tried()

    def statuses(self) -> tuple[ServerStatus, ...]:
        """How each server is doing, sorted by name."""
        return tuple(
            sorted((link.status for link in self._links), key=lambda status: status.server_name)
        )

    def tools(self) -> tuple[Tool, ...]:
        """The tools that can be called now; made anew only when a server's list changed."""
        versions = tuple(link.version for link in self._links)
        if versions != self._versions:
            self._versions, self._tools = versions, self._named()
        return self._tools

    def _named(self) -> tuple[Tool, ...]:
        """Names depend on what servers offered last, so that one that is down for a while takes
        its tools away, but renames none of the others."""
        known = [(link, listed) for link in self._links for listed in link.known]
        names = distinct((link.server.name, listed.name) for link, listed in known)
        tools: list[Tool] = []
        for name, (link, listed) in zip(names, known, strict=True):
            if link.tools and allowed(self._filter, name):
                self._report(name, listed.name, link.server.name)
                spec = ToolSpec(name, listed.description, listed.parameters)
                tools.append(McpTool(spec, listed.name, link))
        return tuple(tools)

    def _report(self, name: str, own_name: str, server: str) -> None:
        """Say once that a tool is not known by its own name."""
        if name != own_name and name not in self._renamed:
            self._renamed.add(name)
            self._log.warning(
                "tool is known to models by another name",
                mcp_server=server,
                tool=own_name,
                name=name,
            )
