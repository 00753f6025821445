"""Asking a model again, as long as nothing of its answer has been seen."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import anyio

from aura.errors import ProviderError
from aura.events import AnyEvent
from aura.pipeline.compose import Events, Failure, opened, settled
from aura.pipeline.run import Run

RETRIES = 2
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LONGEST_RETRY_AFTER = 20.0
"""Seconds. A provider that wants more is not waited for: the client hears of it at once."""


def pause(error: Exception, attempt: int, chance: float) -> float | None:
    """Seconds to wait before the next attempt, or `None` when there should be none.

    `attempt` counts from 0. Doubles from half a second, minus up to half of it by `chance`; what
    the provider asks for in Retry-After is waited for in full.
    """
    if not isinstance(error, ProviderError) or not error.retryable or attempt >= RETRIES:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else None
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt) * (1 - chance / 2)


async def retried(ask: Callable[[], Events], run: Run) -> AsyncGenerator[AnyEvent, None]:
    """What `ask` streams, asked again when it fails before its first event."""
    attempt = 0
    while True:
        begun = False
        failure: Failure | None = None
        async with opened(settled(ask())) as items:
            async for item in items:
                if isinstance(item, Failure):
                    failure = item
                    break
                begun = True
                yield item
        if failure is None:
            return
        wait = None if begun else pause(failure.error, attempt, run.sources.chance())
        if wait is None:
            raise failure.error
        attempt += 1
        run.log.warning(
            "model call failed, asking again",
            error=str(failure.error),
            detail=getattr(failure.error, "detail", ""),
            attempt=attempt,
            wait_seconds=round(wait, 3),
        )
        await anyio.sleep(wait)
