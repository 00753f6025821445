"""Streams as lists, to compare and to store."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TypeVar

from aura.pipeline.compose import opened

T = TypeVar("T")


async def transcript(stream: AsyncIterable[T]) -> list[T]:
    """Everything that the stream gives, in order."""
    async with opened(stream) as items:
        return [item async for item in items]


async def several(stream: AsyncIterable[T], count: int) -> list[T]:
    """The first items of the stream, which is closed after them."""
    taken: list[T] = []
    async with opened(stream) as items:
        async for item in items:
            taken.append(item)
            if len(taken) == count:
                break
    return taken
