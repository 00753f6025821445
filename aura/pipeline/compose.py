"""How streams are made, joined and closed. The only module that imports aiostream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from aiostream import operator as source
from aiostream import pipable_operator as operator
from aiostream.core import Stream

from aura.events import AnyEvent

__all__ = ["Events", "Failure", "Stream", "iterated", "opened", "operator", "settled", "source"]

T = TypeVar("T")

Events: TypeAlias = AsyncIterator[AnyEvent]


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that ended a stream, as its last item."""

    error: Exception


def iterated(stream: AsyncIterable[T]) -> AsyncGenerator[T, None]:
    """The iterator of a stream, which can be taken once.

    It is that of the steps themselves: the context that aiostream puts around them costs two calls
    an item. What it keeps to begin again refers to the stream and to all that it was made from, a
    cycle that would keep the whole request until the collector finds it.
    """
    while isinstance(stream, Stream):
        stream = next(vars(stream).pop("_generator"))
    return cast("AsyncGenerator[T, None]", aiter(stream))


class opened(AbstractAsyncContextManager[AsyncIterator[T]]):  # noqa: N801 - reads as a word
    """Iterate a stream and close it on the way out, whatever happened.

    Unlike aiostream's own context, an error of the reader is not thrown into the stream, where a
    careless `except` could swallow it. A class because every stream passes through it: a generator
    would cost several times as much.

    A stream can be opened once.
    """

    __slots__ = ("_iterator",)

    def __init__(self, stream: AsyncIterable[T]) -> None:
        self._iterator = iterated(stream)

    async def __aenter__(self) -> AsyncIterator[T]:
        """Give the stream's iterator."""
        return self._iterator

    def __aexit__(self, *error: object) -> Coroutine[None, None, None]:
        """Close the stream."""
        return self._iterator.aclose()


async def settled(stream: AsyncIterable[T]) -> AsyncGenerator[T | Failure, None]:
    """The same items; an error becomes the last one instead of being raised."""
    async with opened(stream) as items:
        while True:
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - this is the place that catches
                failure = Failure(error)
                break
            yield item
    yield failure
