"""What agents have in common: connections, models by their tables, accounts, records."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import sniffio
from anyio.abc import TaskGroup

from aura.adapters.mcp.link import Link
from aura.adapters.mcp.pool import Pool
from aura.adapters.mcp.toolbox import Choice, Toolset
from aura.adapters.models.candid import Candid
from aura.adapters.models.transport import Transport
from aura.build import mcp, scratchpad
from aura.build.models import built
from aura.config.llm import Llm, Ollama, OpenAI
from aura.config.schema import Config, Scratchpad
from aura.errors import ConfigError, Problem
from aura.pipeline.account import Account
from aura.pipeline.agent import Agent
from aura.pipeline.nudges import Nudges
from aura.pipeline.ports import Log, Model, Records, Scratchpads, Tool
from aura.pipeline.run import Sources

if TYPE_CHECKING:
    from aura.adapters.records.record import FileRecords


def accounts(llms: Iterable[Llm]) -> dict[Hashable, Account]:
    """One for all models that share credentials, with the lowest bound that any of them has."""
    bounds: dict[Hashable, list[int]] = {}
    for llm in llms:
        bounds.setdefault(llm.account, []).append(llm.max_concurrent_calls)
    return {key: Account(most=min(filter(None, given), default=0)) for key, given in bounds.items()}


def built_in(config: Config) -> tuple[Tool, ...]:
    """The tools that need no server. Raises `OSError` when the root for files is no directory."""
    if not config.tools.filesystem:
        return ()
    from aura.adapters.filesystem import filesystem_tools

    return filesystem_tools(Path(config.tools.root))


def parallel_calls(config: Config) -> int:
    """How many tools of one completion run at the same time."""
    settings = config.agent
    return settings.max_parallel_tool_calls if settings.parallel_tool_calls else 1


def prints_calls(llm: Llm) -> bool:
    """Whether the model may write calls as text."""
    return isinstance(llm, OpenAI | Ollama) and llm.fallback_tool_parsing


def nudges(config: Config, *, submits: bool = False) -> Nudges:
    """When a model is told that its turns run out."""
    return Nudges(
        last_turn=config.agent.nudge_last_turn,
        remaining=config.agent.nudge_turns_remaining or 0,
        submits=submits,
    )


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
        escape_hatch: bool,
        prompt_journal: bool,
        provider_details: bool,
    ) -> None:
        self._stack = stack
        self._tasks = tasks
        self.sources = sources
        self._log = log
        self._accounts = accounts
        self._transport: Transport | None = None
        self._pool = Pool(tasks, keep=self._keep)
        self._scratchpad_events = scratchpad_events
        self.escape_hatch = escape_hatch
        self.prompt_journal = prompt_journal
        self._provider_details = provider_details
        self._records: list[FileRecords] = []

    async def agent(self, config: Config, first_chunk_timeout: float) -> Agent:
        """The single agent of a configuration."""
        settings, pad = config.agent, config.agent.scratchpad
        model = await self.model(settings.llm)
        choice = await self.choice(config, model, settings.llm, pad, mcp_filter=settings.mcp_filter)
        return Agent(
            model=model,
            system="\n\n".join((settings.system_prompt, *settings.context)),
            toolset=self.toolset(config, choice),
            turn_depth=settings.turn_depth,
            parallel_calls=parallel_calls(config),
            context_window=settings.llm.context_window,
            first_chunk_timeout=first_chunk_timeout,
            per_call_timeout=settings.per_call_timeout_secs,
            scratchpads=self.scratchpads(config, pad, settings.llm),
            account=self.account(settings.llm),
            nudges=nudges(config),
            fallback_tool_parsing=prints_calls(settings.llm),
        )

    async def choice(
        self,
        config: Config,
        model: Model,
        llm: Llm,
        pad: Scratchpad,
        *,
        mcp_filter: Sequence[str] | None,
        native: Sequence[str] = (),
        most_offered: int | None = None,
    ) -> Choice:
        """Which tools an agent with this model and scratchpad gets, beside `native` ones."""
        return Choice(
            mcp_filter=mcp_filter,
            built_in=await anyio.to_thread.run_sync(built_in, config),
            strict=config.mcp.sanitize_schemas and isinstance(llm, OpenAI),
            most=model.most_tools,
            most_offered=most_offered,
            limits=scratchpad.limits(config, pad),
            reserved=(*scratchpad.reserved(pad), *native),
        )

    def toolset(self, config: Config, choice: Choice) -> Toolset:
        """The tools of the servers of a configuration."""
        servers = [mcp.server(name, each) for name, each in config.mcp.servers.items()]
        return Toolset(servers, choice, pool=self._pool, log=self._log)

    def scratchpads(self, config: Config, wanted: Scratchpad, llm: Llm) -> Scratchpads | None:
        """The scratchpads of an agent."""
        shown, now = self._scratchpad_events, self.sources.now
        return scratchpad.opened(config, wanted, llm, self._tasks, shown=shown, now=now)

    def account(self, llm: Llm) -> Account:
        """The account that a model is asked with."""
        return self._accounts[llm.account]

    def records(self, config: Config) -> Records | None:
        """Where the runs of a team are kept, if they are."""
        if config.kept_in is None:
            return None
        from aura.adapters.records.record import FileRecords

        most = config.orchestration.artifacts.max_session_runs
        records = FileRecords(Path(config.kept_in), most_runs=most, tasks=self._tasks)
        self._records.append(records)
        return records

    async def model(self, llm: Llm) -> Model:
        """The model that a table describes."""
        model = await built(llm, self.transport, self.sources, self._log)
        return Candid(model) if self._provider_details else model

    async def transport(self) -> Transport:
        """Our own, or httpx2 where the event loop is not asyncio's."""
        if self._transport is not None:
            return self._transport
        opening: AbstractAsyncContextManager[Transport]
        if sniffio.current_async_library() == "asyncio":
            from aura.adapters.models.http1_transport import open_http1

            opening = open_http1()
        else:
            from aura.adapters.models.httpx2_transport import open_httpx2

            opening = open_httpx2()
        transport: Transport = await self._stack.enter_async_context(opening)
        self._transport = transport
        return transport

    async def quiet(self) -> None:
        """Wait, not for long, until calls of runs that ended are over and their records are
        complete."""
        await self._pool.quiet()
        for records in self._records:
            await records.quiet()

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
        await connection.keep(link, log=self._log, random=self.sources.chance)
