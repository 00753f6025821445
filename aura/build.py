"""The composition root: configuration in, running agents out.

The only place that knows every adapter. A provider's modules are imported when a configuration
asks for them, because some of them take long to import.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import assert_never
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import sniffio
import structlog
from anyio.abc import TaskGroup

from aura.adapters.mcp.link import Link
from aura.adapters.mcp.servers import HttpServer, Server, StdioServer
from aura.adapters.mcp.toolbox import McpToolbox
from aura.adapters.models.transport import Transport
from aura.catalog import Catalog, Served, ServerInfo
from aura.config.schema import Config, HttpStreamable, Llm, OpenAI, Scripted, Stdio
from aura.config.schema import Server as McpServer
from aura.errors import Problem, ScriptError
from aura.pipeline.agent import Agent
from aura.pipeline.ports import Log, Model
from aura.pipeline.run import Sources


@asynccontextmanager
async def open_agents(
    configs: Sequence[Config],
    *,
    default: str | None = None,
    first_chunk_timeout: float = 30.0,
    sources: Sources | None = None,
    log: Log | None = None,
) -> AsyncIterator[Catalog]:
    """The agents of these configurations, with everything they share: HTTP connections and MCP
    servers, which connect in the background and end with the block.

    `default` is the id for requests that name no agent; `first_chunk_timeout` is in seconds, 0
    for no limit. Errors leave as they are, not wrapped in a group.
    """
    error: Exception | None = None
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        shared = Shared(stack, tasks, sources or Sources(), log or structlog.get_logger())
        try:
            served = [await shared.serve(config, first_chunk_timeout) for config in configs]
            yield Catalog(tuple(served), default=default)
        except Exception as raised:  # noqa: BLE001 - raised again below, outside the group
            error = raised
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error


def problems(configs: Sequence[Config]) -> list[Problem]:
    """What only shows when an agent is built, without building it: unusable script files."""
    found: list[Problem] = []
    for config in configs:
        if isinstance(config.agent.llm, Scripted):
            from aura.adapters.models.scripted import load_script

            try:
                load_script(config.agent.llm.script)
            except ScriptError as error:
                found.append(config.source.problem(("agent", "llm", "script"), str(error)))
    return found


class Shared:
    """What agents have in common, opened when the first of them needs it."""

    def __init__(self, stack: AsyncExitStack, tasks: TaskGroup, sources: Sources, log: Log) -> None:
        self._stack = stack
        self._tasks = tasks
        self._sources = sources
        self._log = log
        self._transport: Transport | None = None
        self._links: list[Link] = []

    async def serve(self, config: Config, first_chunk_timeout: float) -> Served:
        """The agent of one configuration, under its public id."""
        settings = config.agent
        model = await self._model(settings.llm)
        links = [self._link(_server(name, server)) for name, server in config.mcp.servers.items()]
        agent = Agent(
            model=model,
            system="\n\n".join((settings.system_prompt, *settings.context)),
            toolbox=McpToolbox(links, mcp_filter=settings.mcp_filter, log=self._log),
            turn_depth=settings.turn_depth,
            parallel_calls=(
                settings.max_parallel_tool_calls if settings.parallel_tool_calls else 1
            ),
            context_window=settings.llm.context_window,
            first_chunk_timeout=first_chunk_timeout,
        )
        return Served(
            id=config.id,
            name=settings.name,
            agent=agent,
            created=(settings.created_at or int(self._sources.now() * 1000)) // 1000,
            owned_by=settings.model_owner or settings.llm.provider,
            model=model.name,
            description=settings.description,
            hidden=settings.hidden,
            overrides=frozenset(settings.allow_request_overrides),
            servers=tuple(_info(name, server) for name, server in config.mcp.servers.items()),
        )

    async def _model(self, llm: Llm) -> Model:
        match llm:
            case OpenAI():
                from aura.adapters.models.openai import OpenAIModel

                return OpenAIModel(
                    model=llm.model,
                    api_key=llm.api_key.reveal(),
                    base_url=llm.base_url,
                    transport=await self._shared_transport(),
                    ids=self._sources.ids,
                    temperature=llm.temperature,
                    max_tokens=llm.max_tokens,
                    reasoning_effort=llm.reasoning_effort,
                    additional_params=llm.additional_params,
                    now=self._sources.now,
                )
            case Scripted():
                from aura.adapters.models.scripted import Scripted as ScriptedModel
                from aura.adapters.models.scripted import load_script

                script = await anyio.to_thread.run_sync(load_script, llm.script)
                return ScriptedModel(
                    script.replies,
                    name=f"scripted/{llm.model}",
                    ids=self._sources.ids,
                    path=script.path,
                )
            case _:
                assert_never(llm)

    async def _shared_transport(self) -> Transport:
        """aiohttp, or httpx2 where the event loop is not asyncio's."""
        if self._transport is not None:
            return self._transport
        opening: AbstractAsyncContextManager[Transport]
        if sniffio.current_async_library() == "asyncio":
            from aura.adapters.models.aiohttp_transport import open_aiohttp

            opening = open_aiohttp()
        else:
            from aura.adapters.models.httpx2_transport import open_httpx2

            opening = open_httpx2()
        transport: Transport = await self._stack.enter_async_context(opening)
        self._transport = transport
        return transport

    def _link(self, server: Server) -> Link:
        """The one connection to a server, whichever agents use it."""
        for link in self._links:
            if link.server == server:
                return link
        link = Link(server)
        self._links.append(link)
        self._tasks.start_soon(self._keep, link)
        return link

    async def _keep(self, link: Link) -> None:
        """Import the SDK beside everything else, because it takes long, and connect."""
        connection = await anyio.to_thread.run_sync(
            importlib.import_module, "aura.adapters.mcp.connection"
        )
        await connection.keep(link, log=self._log, random=self._sources.chance)


def _server(name: str, server: McpServer) -> Server:
    match server:
        case HttpStreamable():
            return HttpServer(
                name=name,
                url=server.url,
                headers={key: value.reveal() for key, value in server.headers.items()},
                description=server.description,
                connect_timeout=server.connect_timeout_secs,
                call_timeout=server.call_timeout_secs,
            )
        case Stdio():
            return StdioServer(
                name=name,
                cmd=(*server.cmd, *server.args),
                env={key: value.reveal() for key, value in server.env.items()},
                cwd=server.cwd,
                description=server.description,
                connect_timeout=server.connect_timeout_secs,
                call_timeout=server.call_timeout_secs,
            )
        case _:
            assert_never(server)


def _info(name: str, server: McpServer) -> ServerInfo:
    match server:
        case HttpStreamable():
            parts = urlsplit(server.url)
            host = parts.netloc.rpartition("@")[2]
            transport, place = "http_streamable", f"{parts.scheme}://{host}"
        case Stdio():
            transport, place = "stdio", re.split(r"[/\\]", server.cmd[0])[-1]
        case _:
            assert_never(server)
    return ServerInfo(name=name, transport=transport, place=place, description=server.description)
