"""Runs that go on in other processes, looked at for everybody here who reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup

from aura.runs.log import Missing, Record

SHORTEST, LONGEST = 0.05, 0.5
"""Seconds between two looks at a run, and between two at one of which nothing has come for long."""

Find = Callable[[str], Awaitable[Record]]


class Watch:
    """The looks at one run. It is `over` when nothing more is written to its file."""

    def __init__(self) -> None:
        self.over = False
        self.told: list[Callable[[], None]] = []
        self.scope = anyio.CancelScope()

    async def look(self, run_id: str, find: Find) -> None:
        """Tell everybody when there is something new, until the run is over."""
        last: Record | None = None
        delay = SHORTEST
        with self.scope:
            while not self.over:
                record = await _found(run_id, find)
                self.over = record is None or record.over
                if self.over or record != last:
                    last, delay = record, SHORTEST
                    for tell in tuple(self.told):
                        tell()
                else:
                    delay = min(2 * delay, LONGEST)
                await anyio.sleep(delay)


class Watches:
    """One watch for each run that anybody reads, however many do. They look in tasks of this
    group; `find` says how a run stands."""

    def __init__(self, tasks: TaskGroup, find: Find) -> None:
        self._tasks = tasks
        self._find = find
        self._all: dict[str, Watch] = {}

    def __len__(self) -> int:
        return len(self._all)

    def stop(self) -> None:
        """Look at nothing any more."""
        for watch in self._all.values():
            watch.scope.cancel()

    @contextmanager
    def on(self, run_id: str, tell: Callable[[], None]) -> Iterator[Watch]:
        """Be told of what is new in a run for as long as the block lasts."""
        watch = self._all.get(run_id)
        if watch is None:
            watch = self._all[run_id] = Watch()
            self._tasks.start_soon(watch.look, run_id, self._find)
        watch.told.append(tell)
        try:
            yield watch
        finally:
            watch.told.remove(tell)
            if not watch.told:
                watch.scope.cancel()
                del self._all[run_id]


async def _found(run_id: str, find: Find) -> Record | None:
    try:
        return await find(run_id)
    except Missing:
        return None
