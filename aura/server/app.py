"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from litestar import Litestar
from litestar.plugins import PluginProtocol

from aura.catalog import Catalog
from aura.pipeline.run import Sources
from aura.server.drain import Drain
from aura.server.errors import answer_error
from aura.server.handovers import Handovers
from aura.server.routes import (
    Backend,
    aura_info,
    authorized,
    chat_completions,
    health,
    models,
)
from aura.server.settings import Settings


class Application(Litestar):
    """A litestar application without the plugins for libraries that our handlers do not use.

    Looking for them imports pydantic, which takes a tenth of a second of every start.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return plugins


def create_app(
    agents: Callable[[], AbstractAsyncContextManager[Catalog]],
    settings: Settings | None = None,
    *,
    drain: Drain | None = None,
    sources: Sources | None = None,
    ready: Callable[[Catalog], None] | None = None,
) -> Litestar:
    """An application that serves the agents opened by `agents` for as long as it runs.

    `drain` lets the caller shut it down gracefully; `ready` is called once it can answer.
    """
    settings = settings or Settings()
    drain = drain or Drain(most=settings.max_concurrent_requests)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with agents() as catalog:
            origin = sources or Sources()
            app.state.backend = Backend(
                settings=settings,
                catalog=catalog,
                drain=drain,
                sources=origin,
                handovers=Handovers(origin.clock),
            )
            if ready is not None:
                ready(catalog)
            yield

    return Application(
        route_handlers=[health, models, aura_info, chat_completions],
        before_request=authorized,
        exception_handlers={Exception: answer_error},
        lifespan=[lifespan],
        logging_config=None,
        openapi_config=None,
        request_max_body_size=settings.max_body_bytes or None,
    )
