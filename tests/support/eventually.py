"""Waiting for what another process does, of which no event tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

PATIENCE = 20.0
"""Seconds after which something has gone wrong."""


async def eventually(holds: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Return as soon as the condition holds. Raises `TimeoutError` when it does not in time."""
    with anyio.fail_after(PATIENCE):
        while True:
            answer = holds()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await anyio.sleep(0.01)
