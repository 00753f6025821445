"""The tools of one agent: those of its servers that its filter lets through."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from aura.adapters.mcp.globs import allowed, longest
from aura.adapters.mcp.link import Arguments, Item, Link, Listed
from aura.adapters.mcp.names import LONGEST_IN_LOG, distinct
from aura.adapters.mcp.pool import Pool
from aura.adapters.mcp.servers import HttpServer, Server, resolved
from aura.events import ServerStatus, ToolCalled
from aura.pipeline.ports import Log, Offer, Outcome, Tool, ToolSpec

MOST_RENAMED = 20
"""Tools under another name that the log warns of; further ones are for those who look closely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which tools an agent gets, and how its model sees them.

    `mcp_filter` are globs over names; `None` lets every tool through. `built_in` come first, and
    keep their names whatever servers offer. `strict` shows schemas in the part of JSON Schema that
    strict providers take. A model that takes only `most` tools gets the first ones, and of those of
    servers the first `most_offered`. `limits` are,
    for a server, globs with the tokens from which on results of its tools belong on the scratchpad;
    `reserved` are names for other tools than those of servers.
    """

    mcp_filter: Sequence[str] | None = None
    built_in: tuple[Tool, ...] = ()
    strict: bool = False
    most: int | None = None
    most_offered: int | None = None
    limits: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)
    reserved: tuple[str, ...] = ()


class Toolset:
    """The tools of an agent for any caller. Tells the log of each oddity once."""

    def __init__(self, servers: Sequence[Server], choice: Choice, *, pool: Pool, log: Log) -> None:
        self._servers = tuple(servers)
        self._choice = choice
        self._pool = pool
        self._told = Told(log)
        self._shared: McpToolbox | None = None
        for server in self._servers:
            if server.complete:
                pool.shared(server.at_start)
        if all(server.shared for server in self._servers):
            links = [pool.shared(server) for server in self._servers]
            self._shared = McpToolbox(links, choice, told=self._told)

    @contextmanager
    def open(self, headers: Mapping[str, str]) -> Iterator[McpToolbox]:
        """The tools for a caller that sent these headers, by lower-case name. What is only there
        for that caller is given back at the end of the block."""
        if self._shared is not None:
            yield self._shared
            return
        with ExitStack() as stack:
            links = [self._link(server, headers, stack) for server in self._servers]
            yield McpToolbox(links, self._choice, told=self._told)

    def _link(self, server: Server, headers: Mapping[str, str], stack: ExitStack) -> Link:
        match server:
            case HttpServer() if not server.shared:
                return stack.enter_context(self._pool.lease(resolved(server, headers)))
            case _ if not server.shared:
                return stack.enter_context(self._pool.own(server))
            case _:
                return self._pool.shared(server)


class McpToolbox:
    """The tools of several servers under names of their own, built-in ones first.

    The order is that of the servers given and of each server's list, so that prompts stay the
    same and can be cached.
    """

    def __init__(self, links: Sequence[Link], choice: Choice, *, told: Told) -> None:
        self._links = tuple(links)
        self._choice = choice
        self._told = told
        self._versions: tuple[int, ...] | None = None
        self._tools: tuple[Tool, ...] = ()

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
            self._versions = versions
            self._tools = self._limited((*self._choice.built_in, *self._capped(self._offered())))
        return self._tools

    def offers(self) -> tuple[Offer, ...]:
        """What there is to know about the tools of servers."""
        return tuple(tool.offer for tool in self.tools() if isinstance(tool, McpTool))

    def limits(self) -> Mapping[str, int]:
        """Tools whose results belong on the scratchpad, from how many tokens on."""
        limits = {
            tool.spec.name: longest(self._choice.limits.get(tool.server_name, ()), tool.spec.name)
            for tool in self.tools()
            if isinstance(tool, McpTool)
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    def _offered(self) -> tuple[McpTool, ...]:
        """The tools of servers that the filter lets through.

        Names depend on what servers offered last, so that one that is down for a while takes its
        tools away, but renames none of the others.
        """
        known = [(link, listed) for link in self._links for listed in link.known]
        names = distinct(
            [(link.server.name, listed.name) for link, listed in known],
            reserved=[*(tool.spec.name for tool in self._choice.built_in), *self._choice.reserved],
        )
        tools: list[McpTool] = []
        for name, (link, listed) in zip(names, known, strict=True):
            if link.tools and allowed(self._choice.mcp_filter, name):
                self._told.renamed(name, listed.name, link.server.name)
                if self._choice.strict and listed.strict is None:
                    continue
                tools.append(McpTool(name, listed, link, strict=self._choice.strict))
        return tuple(tools)

    def _capped(self, tools: tuple[McpTool, ...]) -> tuple[McpTool, ...]:
        most = self._choice.most_offered
        if most is None or len(tools) <= most:
            return tools
        self._told.too_many(most, [tool.spec.name for tool in tools[most:]])
        return tools[:most]

    def _limited(self, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        most = self._choice.most
        if most is None or len(tools) <= (most := most - len(self._choice.reserved)):
            return tools
        self._told.too_many(most, [tool.spec.name for tool in tools[most:]])
        return tools[:most]


class McpTool:
    """A tool of a server, under the name and with the schema that the model sees."""

    def __init__(self, name: str, listed: Listed, link: Link, *, strict: bool) -> None:
        shown = listed.strict if strict and listed.strict is not None else listed.parameters
        self.spec = ToolSpec(name, listed.description, shown)
        self._listed = listed
        self._link = link
        self._strict = strict

    @property
    def server_name(self) -> str:
        """Whose tool it is."""
        return self._link.server.name

    @property
    def offer(self) -> Offer:
        """What there is to know about the tool."""
        return Offer(
            server_name=self.server_name,
            own_name=self._listed.name,
            spec=self.spec,
            changes=self._listed.changes if self._strict else (),
            described=self._listed.described,
        )

    def call(self, call: ToolCalled, arguments: Arguments) -> AsyncIterator[Item]:
        """Run the tool; the last item is its outcome. Arguments that do not fit the schema of the
        server are not sent to it."""
        checked = self._listed.checked(arguments)
        if isinstance(checked, str):
            return _refused(checked)
        return self._link.call(self._listed.name, call, checked)


async def _refused(why: str) -> AsyncGenerator[Item, None]:
    yield Outcome(f"ToolCallError: {why}", failure="arguments")


class Told:
    """What the log has been told about an agent's tools, so that it is told once."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said: set[tuple[str, ...]] = set()
        self._renamed = 0

    def renamed(self, name: str, own_name: str, server: str) -> None:
        """A tool is not known by its own name."""
        if name == own_name or not self._new("renamed", server, own_name, name):
            return
        self._renamed += 1
        tell = self._log.warning if self._renamed <= MOST_RENAMED else self._log.debug
        tell(
            "tool is known to models by another name",
            mcp_server=server,
            tool=own_name[:LONGEST_IN_LOG],
            name=name,
        )

    def too_many(self, most: int, left_out: list[str]) -> None:
        """A model does not take, or a worker does not get, that many tools."""
        if self._new("too many", *left_out):
            self._log.warning(
                "an agent gets fewer tools than there are; choose some with mcp_filter",
                most=most,
                left_out=left_out,
            )

    def _new(self, *fact: str) -> bool:
        if fact in self._said:
            return False
        self._said.add(fact)
        return True
