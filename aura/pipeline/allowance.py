"""Time to wait for somebody, whoever else takes time in between."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TypeVar

import anyio

from aura.pipeline.compose import opened

T = TypeVar("T")


class Spent(Exception):
    """Raised when the time is used up; whoever gave it says what that means."""


class Allowance:
    """Seconds that waiting may take in all; 0 for no limit.

    They pass only within `spent_on`: what a slow reader does between two waits costs nothing. A
    wait that is cut short is cancelled, and with it whatever stream it was for.
    """

    __slots__ = ("_left", "is_spent")

    def __init__(self, seconds: float) -> None:
        self._left = seconds or None
        self.is_spent = False

    async def spent_on(self, wait: Awaitable[T]) -> T:
        """What is waited for. Raises `Spent` when there was not enough time for it."""
        if self._left is None:
            return await wait
        begun = anyio.current_time()
        with anyio.move_on_after(self._left):
            came = await wait
            self._left -= anyio.current_time() - begun
            return came
        self.is_spent = True
        raise Spent


def within(stream: AsyncIterator[T], seconds: float) -> AsyncIterator[T]:
    """The same items. Raises `Spent` when waiting for them takes longer than that in all, 0 for no
    limit; whatever the stream was doing is over then."""
    return _bounded(stream, Allowance(seconds)) if seconds else stream


async def _bounded(stream: AsyncIterator[T], allowance: Allowance) -> AsyncGenerator[T, None]:
    async with opened(stream) as items:
        while True:
            try:
                item = await allowance.spent_on(anext(items))
            except StopAsyncIteration:
                return
            yield item
