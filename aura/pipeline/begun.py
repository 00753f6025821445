"""A model's answer, begun in time and in as many attempts as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import cast

import anyio

from aura.errors import ProviderError, TimedOut
from aura.events import AnyEvent
from aura.pipeline.compose import Events
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


class Begun(AsyncIterator[AnyEvent]):
    """What `ask` streams; to be read through `opened`.

    Asks again while the stream fails before its first event and may pass. Raises `TimedOut` when
    all of that takes longer than `seconds`, 0 for no deadline; `of` names the model for the
    message. After the first event the stream is handed on as it is, so that every further event
    costs nothing here.
    """

    def __init__(self, ask: Callable[[], Events], run: Run, *, seconds: float, of: str) -> None:
        self._ask = ask
        self._run = run
        self._seconds = seconds
        self._of = of
        self._stream: AsyncGenerator[AnyEvent, None] | None = None

    def __anext__(self) -> Awaitable[AnyEvent]:
        """The next event; the first one is worked for."""
        return self._first() if self._stream is None else self._stream.__anext__()

    async def aclose(self) -> None:
        """Close the stream, if it has begun."""
        if self._stream is not None:
            await self._stream.aclose()

    async def _first(self) -> AnyEvent:
        with anyio.move_on_after(self._seconds or None):
            return await self._attempted()
        raise TimedOut(
            f"The model {self._of} sent nothing for {self._seconds:g} seconds. Try again, or raise"
            " --first-chunk-timeout-secs if this model needs longer to begin."
        )

    async def _attempted(self) -> AnyEvent:
        attempt = 0
        while True:
            self._stream = cast("AsyncGenerator[AnyEvent, None]", self._ask())
            try:
                return await anext(self._stream)
            except ProviderError as error:
                wait = pause(error, attempt, self._run.sources.chance())
                if wait is None:
                    raise
                attempt += 1
                self._run.log.warning(
                    "model call failed, asking again",
                    error=str(error),
                    detail=error.detail,
                    attempt=attempt,
                    wait_seconds=round(wait, 3),
                )
            await anyio.sleep(wait)
