"""A model's answer, begun in time and in as many attempts as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import cast

from aura.errors import ProviderError, RateLimited, TimedOut
from aura.events import MAIN, AnyEvent, CompletionDelayed
from aura.pipeline.account import LONGEST_WAIT, Account, Wait
from aura.pipeline.allowance import Allowance, Spent
from aura.pipeline.compose import Events
from aura.pipeline.run import Run

RETRIES = 2
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0


def requested(error: ProviderError, attempt: int, chance: float) -> float:
    """Seconds after which what failed may pass: those of Retry-After in full, else half a second
    that doubles with each attempt, from 0, minus up to half of it by `chance`."""
    if error.retry_after is not None:
        return error.retry_after
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt) * (1 - chance / 2)


def pause(error: Exception, attempt: int, chance: float) -> float | None:
    """Seconds to wait before the next attempt, or `None` when there should be none."""
    if not isinstance(error, ProviderError) or not error.retryable or attempt >= RETRIES:
        return None
    seconds = requested(error, attempt, chance)
    return seconds if seconds <= LONGEST_WAIT else None


class Begun(AsyncIterator[AnyEvent]):
    """What `ask` streams; to be read through `opened`.

    Asks when the `account` lets it, and again while the stream fails before its first event and
    may pass; before each wait there is a `CompletionDelayed` with this `agent_id` and `index`.
    Raises `TimedOut` when all of that takes longer than `seconds`, when the provider takes longer
    than `limit` for the rest, or than `silence` for a single event of it; 0 for no deadline. `of`
    names the model for messages.

    After the first event the stream is handed on as it is, so that without a `limit` every further
    event costs nothing here.
    """

    def __init__(
        self,
        ask: Callable[[], Events],
        run: Run,
        *,
        of: str,
        account: Account | None = None,
        seconds: float = 0.0,
        limit: float = 0.0,
        silence: float = 0.0,
        agent_id: str = MAIN,
        index: int = 0,
    ) -> None:
        self._ask = ask
        self._run = run
        self._of = of
        self._ticket = (account or Account()).ticket(run, of=of)
        self._seconds = seconds
        self._limit = limit
        self._silence = silence
        self._agent_id = agent_id
        self._index = index
        self._beginning = Allowance(seconds)
        self._rest = Allowance(limit)
        self._attempt = 0
        self._wait: Wait | None = None
        self._stream: AsyncGenerator[AnyEvent, None] | None = None
        self._begun = False
        self._on: Callable[[], Awaitable[AnyEvent]] | None = None

    def __anext__(self) -> Awaitable[AnyEvent]:
        """The next event; the first ones are worked for."""
        if self._on is not None:
            return self._on()
        return self._in_time() if self._begun else self._early()

    async def aclose(self) -> None:
        """Close the stream, if it has begun, and make room for other calls."""
        try:
            if self._stream is not None:
                await self._stream.aclose()
        finally:
            self._ticket.leave()

    async def _early(self) -> AnyEvent:
        """An event up to the first one of the stream."""
        try:
            return await self._beginning.spent_on(self._begin())
        except Spent:
            error = self._too_late()
        self._ticket.silent(error, self._seconds)
        raise error

    async def _begin(self) -> AnyEvent:
        if self._wait is not None:  # the reader has been told of it
            await self._ticket.sit_out(self._wait)
        while True:
            self._wait = self._ticket.obstacle()
            first = None if self._wait else await self._attempted()
            if first is not None:
                return first
            if self._wait is not None:
                return CompletionDelayed(
                    agent_id=self._agent_id,
                    index=self._index,
                    reason=self._wait.reason,
                    attempt=self._attempt + 1,
                    seconds=self._wait.seconds,
                )

    async def _attempted(self) -> AnyEvent | None:
        """The first event of the stream; nothing when there should be another attempt, after the
        wait if there is one."""
        stream = self._stream = cast("AsyncGenerator[AnyEvent, None]", self._ask())
        try:
            first = await anext(stream)
        except StopAsyncIteration:
            self._go_on(stream)
            raise
        except ProviderError as error:
            self._ticket.failed(error)
            if not self._again(error):
                raise
            return None
        self._go_on(stream)
        return first

    def _go_on(self, stream: AsyncGenerator[AnyEvent, None]) -> None:
        self._ticket.answered()
        self._begun = True
        if not self._limit and not self._silence:
            self._on = stream.__anext__

    def _again(self, error: ProviderError) -> bool:
        """Whether to ask again after this error; sets the wait."""
        chance = self._run.sources.chance()
        if isinstance(error, RateLimited) and error.retryable:
            self._ticket.limited(requested(error, self._attempt, chance))
        seconds = pause(error, self._attempt, chance)
        if seconds is None or self._ticket.refused_after(seconds):
            return False
        self._attempt += 1
        seconds = round(seconds, 3)
        self._run.log.warning(
            "model call failed, asking again",
            error=str(error),
            detail=error.detail,
            attempt=self._attempt,
            wait_seconds=seconds,
        )
        # A limit has become an obstacle for the whole account, this call included.
        if seconds and not isinstance(error, RateLimited):
            self._wait = Wait("retry", seconds)
        return True

    async def _in_time(self) -> AnyEvent:
        """A later event of a stream that may only take so long."""
        stream = cast("AsyncGenerator[AnyEvent, None]", self._stream)
        pause = Allowance(self._silence)
        try:
            return await self._rest.spent_on(pause.spent_on(stream.__anext__()))
        except Spent:
            if pause.is_spent:
                raise TimedOut(
                    f"The model {self._of} began to answer, but there was no stream progress for"
                    f" {self._silence:g} seconds, as long as `stream_inactivity_timeout_secs` in"
                    " [orchestration.timeouts] allows. Try again, or raise it if this model needs"
                    " longer pauses."
                ) from None
            raise TimedOut(
                f"The model {self._of} began to answer, but took more than {self._limit:g} seconds"
                " for the rest, as long as `per_call_timeout_secs` in [agent] allows. Try again, or"
                " raise it if this model needs longer."
            ) from None

    def _too_late(self) -> TimedOut:
        if self._wait is not None and self._wait.reason == "busy":
            return TimedOut(
                f"The model {self._of} was not asked for {self._seconds:g} seconds, because as many"
                " calls are being made as `max_concurrent_calls` in [agent.llm] allows. Try again"
                " later."
            )
        return TimedOut(
            f"The model {self._of} sent nothing for {self._seconds:g} seconds. Try again, or raise"
            " --first-chunk-timeout-secs if this model needs longer to begin."
        )
