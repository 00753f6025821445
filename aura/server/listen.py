"""Serving an application with Granian, in this process and on this event loop."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from threading import Timer

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

COLLECT_AFTER = (20_000, 2, 2)
"""Thresholds of the collector of cycles. Events are no part of any; at the usual 700 objects it
takes a sixth of the time of a short request. What a run leaves behind is one cycle: runs that were
under way when the young were looked through wait for the older generations, which must not take
ten times ten rounds to come, or they add up to megabytes a minute."""

SWITCH_AFTER = 0.001
"""Seconds for which a thread keeps the lock of the interpreter when another one wants it. With the
usual 5 ms the event loop gets its turn that late, every time, while a thread goes through a text.
"""

CLOSING = 1.0
"""Seconds that connections get to close when everything was written to them."""

LONGEST_END = 20.0
"""Seconds that the end of everything may take after the time for running requests."""

FORCED = 70
"""Exit code of a process that could not end in order: EX_SOFTWARE of sysexits."""

_TO_STDERR = {
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic"},
        "access": {"class": "logging.StreamHandler", "formatter": "access"},
    }
}


async def listen(app: Litestar, drain: Drain, settings: Settings) -> None:
    """Serve until the process is told to end (SIGTERM or SIGINT), then let requests finish.

    A second signal ends what still runs at once, a third one the process. However busy the process
    is, it is gone `LONGEST_END` seconds after the time for requests is over.
    """
    last_resort = Timer(settings.shutdown_timeout_secs + LONGEST_END, _exit)
    last_resort.daemon = True
    try:
        async with app.lifespan(), anyio.create_task_group() as tasks:
            server = Server(
                app,
                address=settings.host,
                port=settings.port,
                interface=Interfaces.ASGINL,  # it would end the lifespan after its connections
                websockets=False,
                backlog=BACKLOG,
                backpressure=MOST_CONNECTIONS,
                log_level=LogLevels.error,
                log_dictconfig=_TO_STDERR,
            )

            async def serve() -> None:
                await server.serve()
                tasks.cancel_scope.cancel()

            async def stop() -> None:
                await drain.close(settings.shutdown_timeout_secs)
                server.stop()  # type: ignore[no-untyped-call]
                await anyio.sleep(CLOSING)
                tasks.cancel_scope.cancel()

            sys.setswitchinterval(SWITCH_AFTER)
            gc.freeze()  # what is here now stays; looking through it takes 50 ms each time
            gc.set_threshold(*COLLECT_AFTER)
            tasks.start_soon(_obey_signals, stop, drain, last_resort)
            # In its own task: cut short, it raises a cancellation that is not that of our scope.
            tasks.start_soon(serve)
    finally:
        last_resort.cancel()


async def _obey_signals(
    stop: Callable[[], Awaitable[None]], drain: Drain, last_resort: Timer
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        await anext(signals)
        last_resort.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hurry, signals, drain)
            await stop()
            tasks.cancel_scope.cancel()


async def _hurry(signals: AsyncIterator[signal.Signals], drain: Drain) -> None:
    await anext(signals)
    drain.stop()
    await anext(signals)
    _exit()


def _exit() -> None:
    os._exit(FORCED)
