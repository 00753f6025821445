"""The composition root: configuration in, running agents out.

The only place that knows every adapter. A provider's modules are imported when a configuration
asks for them, because some of them take long to import.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio
import structlog

from aura.adapters.mcp.globs import allowed
from aura.build import mcp, scratchpad
from aura.build.models import lacking
from aura.build.shared import Shared, accounts, built_in
from aura.build.team import team, workers
from aura.catalog import Catalog, Served
from aura.config.llm import Scripted
from aura.config.schema import Config
from aura.errors import ConfigError, Problem, ScriptError
from aura.pipeline.agent import Agent
from aura.pipeline.ports import Log
from aura.pipeline.run import Sources
from aura.pipeline.team import Team
from aura.runs.lingering import lingering


@asynccontextmanager
async def open_agents(
    configs: Sequence[Config],
    *,
    default: str | None = None,
    first_chunk_timeout: float = 30.0,
    insist: bool = True,
    scratchpad_events: bool = False,
    escape_hatch: bool = True,
    prompt_journal: bool = False,
    provider_details: bool = False,
    sources: Sources | None = None,
    log: Log | None = None,
) -> AsyncIterator[Catalog]:
    """The agents of these configurations, with everything they share: HTTP connections and MCP
    servers, which connect in the background and end with the block.

    `default` is the id for requests that name no agent; `first_chunk_timeout` is in seconds, 0
    for no limit. `scratchpad_events` shows clients how agents explore their scratchpads,
    `escape_hatch` lets teams plan what their tools cannot do in full, and `prompt_journal` keeps
    every prompt of a team that keeps records; with `provider_details` clients are told what a
    provider said of its failure. Errors leave as they are, not wrapped in a group:
    `ConfigError` when a package for a model is not installed, or when a server that is required
    cannot be reached, if we `insist`.
    """
    if missing := list(lacking(configs)):
        raise ConfigError(missing)
    error: Exception | None = None
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        known = accounts(llm for config in configs for llm in config.llms.values())
        shared = Shared(
            stack,
            tasks,
            sources or Sources(),
            log or structlog.get_logger(),
            known,
            scratchpad_events=scratchpad_events,
            escape_hatch=escape_hatch,
            prompt_journal=prompt_journal,
            provider_details=provider_details,
        )

        def waiting() -> int:
            return sum(account.waiting for account in known.values())

        try:
            agents = [await served(config, shared, first_chunk_timeout) for config in configs]
            for config in configs if insist else ():
                await shared.require(config)
            yield Catalog(tuple(agents), default=default, waiting=waiting)
        except Exception as raised:  # noqa: BLE001 - raised again below, outside the group
            error = raised
        await shared.quiet()
        tasks.cancel_scope.cancel()
    if error is not None:
        raise error


def problems(configs: Sequence[Config]) -> list[Problem]:
    """What only shows when an agent is built, without building it: packages that are not
    installed, unusable files and directories."""
    found = list(lacking(configs))
    for config in configs:
        for path, llm in config.llms.items():
            if isinstance(llm, Scripted):
                from aura.adapters.models.scripted import load_script

                try:
                    load_script(llm.script)
                except ScriptError as error:
                    found.append(config.source.problem((*path, "script"), str(error)))
        if unusable := scratchpad.problem(config):
            found.append(unusable)
        try:
            built_in(config)
        except OSError as error:
            message = f"is no directory that can be read: {error.strerror}"
            found.append(config.source.problem(("tools", "root"), message, kind="io"))
    return found


async def served(config: Config, shared: Shared, first_chunk_timeout: float) -> Served:
    """The agent, or the team, of one configuration, under its public id."""
    settings = config.agent
    agent: Agent | Team
    if config.orchestration.enabled:
        agent = await team(config, shared, first_chunk_timeout)
    else:
        agent = await shared.agent(config, first_chunk_timeout)
    return Served(
        id=config.id,
        name=settings.name,
        agent=agent,
        created=(settings.created_at or int(shared.sources.now() * 1000)) // 1000,
        owned_by=settings.model_owner or settings.llm.provider,
        model=agent.model.name,
        description=settings.description,
        hidden=settings.hidden,
        overrides=frozenset(() if isinstance(agent, Team) else settings.allow_request_overrides),
        servers=tuple(mcp.info(name, each) for name, each in config.mcp.servers.items()),
        workers=workers(agent) if isinstance(agent, Team) else (),
        linger=lingering(settings.on_disconnect),
        takes_tool=(
            partial(allowed, settings.client_tool_filter or None)
            if settings.enable_client_tools and not isinstance(agent, Team)
            else None
        ),
    )
