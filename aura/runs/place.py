"""One reader's place in a run that is in memory, in a file, or partly in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from aura.runs.entry import Entry
from aura.runs.files import Reader
from aura.runs.lines import Unreadable
from aura.runs.log import Missing, Tail, Trimmed
from aura.runs.memory import MemoryLog
from aura.runs.watching import Watch, Watches

THREADS = 4
"""How many threads may wait for the disk at once."""

T = TypeVar("T")


class Desk:
    """Has threads do what blocks."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS)
        self._turn = anyio.Lock()

    async def does(self, work: Callable[[], T]) -> T:
        """What the work gives, which may happen beside other work."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    async def does_alone(self, work: Callable[[], T]) -> T:
        """The same for work of which only one piece may happen at a time."""
        async with self._turn:
            return await self.does(work)


class Place:
    """Reads from memory what is there, and what is not from the run's file.

    The place is that behind the frame `after` and the entries without a frame that were given
    since then. What the reader needs is `held` for it.
    """

    def __init__(
        self,
        run_id: str,
        after: int,
        *,
        memory: MemoryLog,
        desk: Desk,
        path: Path,
        watches: Watches,
        missing_end: Callable[[str], Sequence[Entry]],
        spoil: Callable[[str, Unreadable], None],
        held: AsyncExitStack,
    ) -> None:
        self._run_id = run_id
        self._after = after
        self._since: list[Entry] = []
        self._memory = memory
        self._desk = desk
        self._path = path
        self._watches = watches
        self._watch: Watch | None = None
        self._missing_end = missing_end
        self._spoil = spoil
        self._ready: Sequence[Entry] = ()
        self._recent: Tail | None = None
        self._reader: Reader | None = None
        self._held = held
        self._woken = False
        self._stirred = anyio.Event()

    async def open(self) -> None:
        """Find the place. Raises `Missing` and `Trimmed`."""
        if not await self._in_memory():
            self._ready = await self._read()
            known = self._ready or await self._to_memory()
            if not known and self._reader is None:
                raise Missing(self._run_id, expired=True)

    async def batch(self) -> Sequence[Entry]:
        """What follows."""
        while True:
            found, self._ready = self._ready, ()
            found = self._given(found or await self._following())
            if found or self._woken:
                self._woken = False
                return found

    def wake(self) -> None:
        """End the current wait."""
        self._woken = True
        self._stirred.set()
        if self._recent is not None:
            self._recent.wake()

    def _given(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those that are new. Behind a frame memory and file begin with the same entries, and some
        of those may have been given."""
        if self._since:
            entries = [entry for entry in entries if entry not in self._since]
        for number in range(len(entries) - 1, -1, -1):
            if entries[number].frames:
                self._after = entries[number].last
                self._since = list(entries[number + 1 :])
                return entries
        self._since += entries
        return entries

    async def _following(self) -> Sequence[Entry]:
        if self._recent is not None:
            try:
                return await self._recent.batch()
            except Trimmed:
                await self._held.aclose()
                self._recent = self._reader = self._watch = None
                found = await self._read()
                if not found:
                    raise
                return found
        if await self._in_memory():
            return ()
        found = await self._read()
        if found:
            return found
        try:
            if await self._to_memory():
                return ()
        except Trimmed:  # unless that happened after the file was read
            found = await self._read()
            if not found:
                raise
            return found
        return await self._from_elsewhere()

    async def _in_memory(self) -> bool:
        """Read from memory if nothing that follows is missing there, be it without a frame."""
        try:
            begins = (await self._memory.find(self._run_id)).begins
        except Missing:
            return False
        return (not begins or begins <= self._after) and await self._to_memory()

    async def _to_memory(self) -> bool:
        """Read from memory, if it knows the run. Raises `Trimmed`."""
        try:
            tail = self._memory.tail(self._run_id, self._after)
            self._recent = await self._held.enter_async_context(tail)
        except Missing:
            return False
        return True

    async def _read(self) -> Sequence[Entry]:
        """The next entries in the file, if there are any."""
        try:
            if self._reader is None:
                self._reader = await self._desk.does(partial(_reader, self._path, self._after))
                if self._reader is None:
                    return ()
                self._held.callback(self._reader.close)
            return await self._desk.does(self._reader.read)
        except Unreadable as error:
            await self._desk.does(partial(self._spoil, self._run_id, error))
            raise Trimmed(self._run_id, self._after + 1) from error

    async def _from_elsewhere(self) -> Sequence[Entry]:
        """What another process appends next, after a while; nothing comes of a run that is over."""
        # Made before anything is read, so that no news is missed.
        stirred = self._stirred = anyio.Event()
        if self._watch is None:
            watch = self._watches.on(self._run_id, self._stir)
            self._watch = self._held.enter_context(watch)
        over = self._watch.over
        found = await self._read()
        if not found and over:
            end = await self._desk.does(partial(self._missing_end, self._run_id))
            found = [entry for entry in end if max(entry.seq, entry.last) > self._after]
        if not found and not self._woken:
            await stirred.wait()
        return found

    def _stir(self) -> None:
        self._stirred.set()


def _reader(path: Path, after: int) -> Reader | None:
    try:
        return Reader(path, after=after)
    except FileNotFoundError:
        return None
