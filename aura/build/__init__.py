"""The composition root: configuration in, running agents out.

The only place that knows every adapter. A provider's modules are imported when a configuration
asks for them, because some of them take long to import.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import assert_never

import anyio
import anyio.to_thread
import sniffio
import structlog
from anyio.abc import TaskGroup

from aura.adapters.mcp.globs import allowed
from aura.adapters.mcp.link import Link
from aura.adapters.mcp.pool import Pool
from aura.adapters.mcp.toolbox import Choice, Toolset
from aura.adapters.models.transport import Transport
from aura.build import mcp, scratchpad
from aura.catalog import Catalog, Served
from aura.config.schema import Config, Llm, OpenAI, Scripted
from aura.errors import ConfigError, Problem, ScriptError
from aura.pipeline.account import Account
from aura.pipeline.agent import Agent
from aura.pipeline.nudges import Nudges
from aura.pipeline.ports import Log, Model, Tool
from aura.pipeline.run import Sources
from aura.runs.lingering import lingering


@asynccontextmanager
async def open_agents(
    configs: Sequence[Config],
    *,
    default: str | None = None,
    first_chunk_timeout: float = 30.0,
    insist: bool = True,
    scratchpad_events: bool = False,
    sources: Sources | None = None,
    log: Log | None = None,
) -> AsyncIterator[Catalog]:
    """The agents of these configurations, with everything they share: HTTP connections and MCP
    servers, which connect in the background and end with the block.

    `default` is the id for requests that name no agent; `first_chunk_timeout` is in seconds, 0
    for no limit. `scratchpad_events` shows clients how agents explore their scratchpads. Errors
    leave as they are, not wrapped in a group: `ConfigError` when a server that is required cannot
    be reached, if we `insist`.
    """
    error: Exception | None = None
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        shared = Shared(
            stack,
            tasks,
            sources or Sources(),
            log or structlog.get_logger(),
            accounts(config.agent.llm for config in configs),
            scratchpad_events=scratchpad_events,
        )
        try:
            served = [await shared.serve(config, first_chunk_timeout) for config in configs]
            for config in configs if insist else ():
                await shared.require(config)
            yield Catalog(tuple(served), default=default)
        except Exception as raised:  # noqa: BLE001 - raised again below, outside the group
            error = raised
        await shared.quiet()
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error


def problems(configs: Sequence[Config]) -> list[Problem]:
    """What only shows when an agent is built, without building it: unusable files and
    directories."""
    found: list[Problem] = []
    for config in configs:
        if isinstance(config.agent.llm, Scripted):
            from aura.adapters.models.scripted import load_script

            try:
                load_script(config.agent.llm.script)
            except ScriptError as error:
                found.append(config.source.problem(("agent", "llm", "script"), str(error)))
        if unusable := scratchpad.problem(config):
            found.append(unusable)
        try:
            _built_in(config)
        except OSError as error:
            message = f"is no directory that can be read: {error.strerror}"
            found.append(config.source.problem(("tools", "root"), message, kind="io"))
    return found


def accounts(llms: Iterable[Llm]) -> dict[Hashable, Account]:
    """One for all models that share credentials, with the lowest bound that any of them has."""
    bounds: dict[Hashable, list[int]] = {}
    for llm in llms:
        bounds.setdefault(llm.account, []).append(llm.max_concurrent_calls)
    return {key: Account(most=min(filter(None, given), default=0)) for key, given in bounds.items()}


def _built_in(config: Config) -> tuple[Tool, ...]:
    """The tools that need no server. Raises `OSError` when the root for files is no directory."""
    if not config.tools.filesystem:
        return ()
    from aura.adapters.filesystem import filesystem_tools

    return filesystem_tools(Path(config.tools.root))


class Shared:
    """What agents have in common, opened when the first of them needs it."""

    def __init__(
        self,
        stack: AsyncExitStack,
        tasks: TaskGroup,
        sources: Sources,
        log: Log,
        accounts: Mapping[Hashable, Account],
        *,
        scratchpad_events: bool,
    ) -> None:
        self._stack = stack
        self._tasks = tasks
        self._sources = sources
        self._log = log
        self._accounts = accounts
        self._transport: Transport | None = None
        self._pool = Pool(tasks, keep=self._keep)
        self._scratchpad_events = scratchpad_events

    async def serve(self, config: Config, first_chunk_timeout: float) -> Served:
        """The agent of one configuration, under its public id."""
        settings = config.agent
        model = await self._model(settings.llm)
        servers = [mcp.server(name, each) for name, each in config.mcp.servers.items()]
        choice = Choice(
            mcp_filter=settings.mcp_filter,
            built_in=await anyio.to_thread.run_sync(_built_in, config),
            strict=config.mcp.sanitize_schemas and isinstance(settings.llm, OpenAI),
            most=model.most_tools,
            limits=scratchpad.limits(config),
            reserved=scratchpad.reserved(config),
        )
        agent = Agent(
            model=model,
            system="\n\n".join((settings.system_prompt, *settings.context)),
            toolset=Toolset(servers, choice, pool=self._pool, log=self._log),
            turn_depth=settings.turn_depth,
            parallel_calls=(
                settings.max_parallel_tool_calls if settings.parallel_tool_calls else 1
            ),
            context_window=settings.llm.context_window,
            first_chunk_timeout=first_chunk_timeout,
            per_call_timeout=settings.per_call_timeout_secs,
            scratchpads=scratchpad.opened(
                config, self._tasks, shown=self._scratchpad_events, now=self._sources.now
            ),
            account=self._accounts[settings.llm.account],
            nudges=Nudges(
                last_turn=settings.nudge_last_turn,
                remaining=settings.nudge_turns_remaining or 0,
            ),
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
            servers=tuple(mcp.info(name, each) for name, each in config.mcp.servers.items()),
            linger=lingering(settings.on_disconnect),
            takes_tool=(
                partial(allowed, settings.client_tool_filter or None)
                if settings.enable_client_tools
                else None
            ),
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
                    tool_images=llm.tool_images,
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

    async def quiet(self) -> None:
        """Wait, not for long, until calls of runs that ended are over."""
        await self._pool.quiet()

    async def require(self, config: Config) -> None:
        """Wait for the servers that the configuration cannot do without. Raises `ConfigError`
        when one of them cannot be reached."""
        found: list[Problem] = []
        for name, configured in config.mcp.servers.items():
            if configured.required:
                link = self._pool.shared(mcp.server(name, configured).at_start)
                await link.tried()
                if link.status.status == "failed":
                    message = f"the server is required, but cannot be reached: {link.status.reason}"
                    path = ("mcp", "servers", name)
                    found.append(config.source.problem(path, message, kind="io"))
        if found:
            raise ConfigError(found)

    async def _keep(self, link: Link) -> None:
        """Import the SDK beside everything else, because it takes long, and connect."""
        connection = await anyio.to_thread.run_sync(
            importlib.import_module, "aura.adapters.mcp.connection"
        )
        await connection.keep(link, log=self._log, random=self._sources.chance)
