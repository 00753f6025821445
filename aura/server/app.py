"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.plugins import PluginProtocol

from aura.catalog import Catalog
from aura.pipeline.run import Sources
from aura.runs.directory import open_directory
from aura.runs.log import RunLog
from aura.runs.memory import MemoryLog
from aura.server.admission import Admission
from aura.server.backend import Backend, authorized
from aura.server.chat import chat_completions
from aura.server.drain import Drain
from aura.server.errors import answer_error
from aura.server.gate import gate
from aura.server.handovers import Handovers
from aura.server.metrics import Metrics
from aura.server.routes import (
    aura_info,
    health,
    metrics,
    models,
    openapi,
    ready,
)
from aura.server.run_routes import cancel_run, list_runs, run_events, show_run
from aura.server.runs import open_runs
from aura.server.settings import Settings

EXPOSED = (
    "retry-after",
    "x-aura-ignored",
    "x-aura-run-id",
    "x-chat-session-id",
    "x-request-id",
)
"""Headers of answers that pages of other origins may read."""


ROUTES = (
    health,
    ready,
    metrics,
    openapi,
    models,
    aura_info,
    chat_completions,
    list_runs,
    show_run,
    run_events,
    cancel_run,
)


class Application(Litestar):
    """A litestar application behind the gate, and without the plugins for libraries that our
    handlers do not use.

    Looking for them imports pydantic, which takes a tenth of a second of every start.
    """

    drain: Drain
    metrics: Metrics
    most_header_bytes: int

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return plugins

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or take part in start and end of the server."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        await gate(
            super().__call__,
            scope,
            receive,
            send,
            drain=self.drain,
            metrics=self.metrics,
            most_header_bytes=self.most_header_bytes,
        )


def create_app(
    agents: Callable[[], AbstractAsyncContextManager[Catalog]],
    settings: Settings | None = None,
    *,
    drain: Drain | None = None,
    sources: Sources | None = None,
    on_ready: Callable[[Catalog], None] | None = None,
) -> Litestar:
    """An application that serves the agents opened by `agents` for as long as it runs.

    `drain` lets the caller shut it down gracefully; `on_ready` is called once it can answer.
    """
    settings = settings or Settings()
    drain = drain or Drain()
    sources = sources or Sources()
    counts = Metrics()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            catalog = await stack.enter_async_context(agents())
            what = "Model calls that wait for their turn, or for their provider."
            counts.watch("aura_model_calls_waiting", what, catalog.waiting)
            log = await stack.enter_async_context(open_log(settings, sources, counts))
            runs = await stack.enter_async_context(
                open_runs(
                    log=log,
                    sources=sources,
                    drain=drain,
                    admission=_admission(settings),
                    metrics=counts,
                )
            )
            app.state.backend = Backend(
                settings=settings,
                catalog=catalog,
                drain=drain,
                runs=runs,
                handovers=Handovers(sources.clock),
                metrics=counts,
            )
            if on_ready is not None:
                on_ready(catalog)
            yield

    app = Application(
        route_handlers=ROUTES,
        before_request=authorized,
        exception_handlers={Exception: answer_error},
        lifespan=[lifespan],
        logging_config=None,
        openapi_config=None,
        cors_config=_cors(settings),
    )
    app.drain = drain
    app.metrics = counts
    app.most_header_bytes = settings.max_header_bytes
    return app


@asynccontextmanager
async def open_log(settings: Settings, sources: Sources, metrics: Metrics) -> AsyncIterator[RunLog]:
    """The run log that the settings ask for."""
    memory = MemoryLog(
        most_bytes=settings.run_log_memory_bytes,
        lifetime=settings.run_log_ttl_secs,
        clock=sources.clock,
    )
    metrics.watch("aura_run_log_bytes", "Memory that the run log takes.", lambda: memory.size)
    metrics.watch("aura_run_log_runs", "Runs that the run log has in memory.", lambda: memory.runs)
    if settings.run_log == "memory":
        yield memory
        return
    async with open_directory(
        Path(settings.run_log),
        memory=memory,
        most_bytes=settings.run_log_disk_bytes,
        lifetime=settings.run_log_ttl_secs,
        now=sources.now,
        log=structlog.get_logger(),
    ) as log:
        metrics.watch(
            "aura_runs_unsynced",
            "Runs that are over and not on the disk yet.",
            lambda: log.unsynced,
        )
        metrics.watch(
            "aura_runs_watched",
            "Runs of other processes that are read here.",
            lambda: log.watched,
        )
        yield log


def _admission(settings: Settings) -> Admission:
    return Admission(
        most=settings.max_concurrent_requests, most_each=settings.max_concurrent_requests_per_token
    )


def _cors(settings: Settings) -> CORSConfig | None:
    """Which pages may call; none unless some are named."""
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "OPTIONS"],
        allow_headers=["*"],
        expose_headers=list(EXPOSED),
    )
