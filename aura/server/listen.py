"""Serving an application with Granian, in this process and on this event loop."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import anyio
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from aura.server.drain import Drain
from aura.server.settings import Settings

BACKLOG = 4096
"""Connections that may wait to be accepted."""

MOST_CONNECTIONS = 65536
"""Connections served at the same time. Every open stream is one; the limit on requests is ours."""

_TO_STDERR = {
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic"},
        "access": {"class": "logging.StreamHandler", "formatter": "access"},
    }
}


async def listen(app: Litestar, drain: Drain, settings: Settings) -> None:
    """Serve until the process is told to end (SIGTERM or SIGINT), then let requests finish.

    A second signal ends what still runs at once.
    """
    server = Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=BACKLOG,
        backpressure=MOST_CONNECTIONS,
        log_level=LogLevels.error,
        log_dictconfig=_TO_STDERR,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, server, drain, settings.shutdown_timeout_secs)
        await server.serve()
        tasks.cancel_scope.cancel()


async def _stop_on_signal(server: Server, drain: Drain, grace: float) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        await anext(signals)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hurry, signals, drain)
            await drain.close(grace)
            tasks.cancel_scope.cancel()
        server.stop()  # type: ignore[no-untyped-call]


async def _hurry(signals: AsyncIterator[signal.Signals], drain: Drain) -> None:
    await anext(signals)
    drain.stop()
