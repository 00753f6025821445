"""How long a stream may take to begin."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import TypeVar

import anyio

from aura.errors import TimedOut
from aura.pipeline.compose import opened

T = TypeVar("T")


async def first_within(
    stream: AsyncIterable[T], *, seconds: float, of: str
) -> AsyncGenerator[T, None]:
    """The same items; raises `TimedOut` when the first takes longer than `seconds`.

    0 seconds mean no deadline. `of` names the model for the message. The deadline never spans a
    `yield`, and it is final: the stream that it cancels is closed.
    """
    async with opened(stream) as items:
        if seconds:
            with anyio.move_on_after(seconds) as deadline:
                try:
                    first = await anext(items)
                except StopAsyncIteration:
                    return
            if deadline.cancelled_caught:
                raise TimedOut(
                    f"The model {of} sent nothing for {seconds:g} seconds. Try again, or raise"
                    " --first-chunk-timeout-secs if this model needs longer to begin."
                )
            yield first
        async for item in items:
            yield item
