"""Several streams at once, read as one. The only place where streams meet."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from aura.pipeline.backlog import Backlog
from aura.pipeline.compose import Failure, opened

T = TypeVar("T")

GRACE = 5.0
"""Seconds that lanes get to clean up once nobody reads them any more."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One running stream and how much of it is unread since the reader last took everything."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    taken: int = 0
    unread: int = 0


class Lanes(Generic[T]):
    """A growing set of streams, each driven by its own task, read as one.

        lane 1  --a-----b--|
        lane 2  ----x-y-----z--|
        read    --a-x-y-b---z--|

    A lane runs start to finish in one task and keeps its own order. It may be `room` items ahead
    of the reader, so a lane that is always ready neither starves the others nor grows without
    bound. Items wait in one list that the reader swaps for an empty one: what is ready together
    is read together. Lanes that wait for the reader are counted in the `backlog`.
    """

    def __init__(self, tasks: TaskGroup, *, room: int = 8, backlog: Backlog | None = None) -> None:
        if room < 1:
            message = f"a lane needs room for at least one item, got {room}"
            raise ValueError(message)
        self._tasks = tasks
        self._room = room
        self._backlog = backlog or Backlog()
        self._items: list[T | Failure] = []
        self._lanes: set[_Lane] = set()
        self._taken = 0
        self._woken = False
        self._ready: anyio.Event | None = None
        self._swapped: anyio.Event | None = None
        self._idle: anyio.Event | None = None

    def add(self, stream: AsyncIterable[T]) -> None:
        """Drive one more stream. Allowed until the reader has seen the end."""
        lane = _Lane(taken=self._taken)
        self._lanes.add(lane)
        self._tasks.start_soon(self._drive, stream, lane)

    def wake(self) -> None:
        """End the reader's current wait with an empty batch, if it is waiting."""
        self._woken = True
        self._tell()

    async def _drive(self, stream: AsyncIterable[T], lane: _Lane) -> None:
        try:
            with lane.scope:
                async with opened(stream) as items:
                    async for item in items:
                        await self._put(item, lane)
        except Exception as error:  # noqa: BLE001 - the reader gets it; nothing is yielded here
            self._items.append(Failure(error))
        finally:
            self._lanes.discard(lane)
            self._tell()
            if not self._lanes and self._idle is not None:
                self._idle.set()

    async def _put(self, item: T | Failure, lane: _Lane) -> None:
        if lane.taken == self._taken and lane.unread == self._room:
            self._swapped = self._swapped or anyio.Event()
            with self._backlog.blocking():
                await self._swapped.wait()
        if lane.taken != self._taken:
            lane.taken, lane.unread = self._taken, 0
        lane.unread += 1
        self._items.append(item)
        self._tell()

    async def batches(self) -> AsyncGenerator[list[T], None]:
        """What the lanes yield, everything that is ready at a time, until every lane has ended.

        The error of a lane is raised after everything that was ready before it. A batch is empty
        only after `wake`. Stopping early ends every lane.
        """
        try:
            while True:
                if not self._items and not self._woken:
                    if not self._lanes:
                        return
                    self._ready = anyio.Event()
                    await self._ready.wait()
                    self._ready = None
                    continue
                batch, error = _before_failure(self._take())
                if batch or error is None:
                    yield batch
                if error is not None:
                    raise error
        finally:
            for lane in self._lanes:
                lane.scope.cancel()
            with anyio.move_on_after(GRACE, shield=True):
                await self._ended()

    async def events(self) -> AsyncGenerator[T, None]:
        """The same, one by one."""
        async with opened(self.batches()) as batches:
            async for batch in batches:
                for item in batch:
                    yield item

    def _take(self) -> list[T | Failure]:
        self._woken = False
        items, self._items = self._items, []
        self._taken += 1
        if self._swapped is not None:
            self._swapped.set()
            self._swapped = None
        return items

    def _tell(self) -> None:
        if self._ready is not None:
            self._ready.set()

    async def _ended(self) -> None:
        while self._lanes:
            self._idle = anyio.Event()
            await self._idle.wait()


def _before_failure(items: list[T | Failure]) -> tuple[list[T], Exception | None]:
    batch: list[T] = []
    for item in items:
        if isinstance(item, Failure):
            return batch, item.error
        batch.append(item)
    return batch, None
