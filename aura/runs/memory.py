"""The run log in memory: bounded by bytes and by age."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice

import anyio
import msgspec

from aura.events import TextDelta
from aura.runs.entry import Entry
from aura.runs.log import Head, Missing, Record, Trimmed
from aura.runs.remembered import Remembered

ENTRY = 320
"""Bytes that an entry takes beside its text, measured."""

_encode = msgspec.msgpack.Encoder().encode


class MemoryLog:
    """Keeps runs in this process.

    `most_bytes` bounds all of them together: finished runs give way first, the oldest before the
    others; then the beginnings of those that go on. Finished runs go after `lifetime` seconds, 0
    for never.
    """

    def __init__(self, *, most_bytes: int, lifetime: float, clock: Callable[[], float]) -> None:
        self._most_bytes = most_bytes
        self._lifetime = lifetime
        self._clock = clock
        self._runs: dict[str, _Kept] = {}
        self._finished: OrderedDict[str, float] = OrderedDict()
        self._expired = Remembered()
        self.size = 0

    async def begin(self, head: Head) -> None:
        """Begin to keep a run."""
        self._runs[head.run_id] = _Kept(Record(head=head))

    async def append(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Keep what happened next."""
        kept = self._runs[run_id]
        self.size += kept.add(entries)
        if self.size > self._most_bytes:
            self._make_room(kept)

    async def close(self, run_id: str) -> None:
        """Let a run be forgotten from now on."""
        self._finished[run_id] = self._clock()
        self.prune()

    @asynccontextmanager
    async def tail(self, run_id: str, after: int, *, awaited: bool = False) -> AsyncIterator[_Tail]:
        """Read a run."""
        kept = self._kept(run_id)
        tail = _Tail(kept, after)
        if awaited:
            kept.awaited.append(tail)
        try:
            yield tail
        finally:
            if awaited:
                kept.awaited.remove(tail)

    async def find(self, run_id: str) -> Record:
        """How a run stands."""
        return self._kept(run_id).record()

    async def list(
        self, owner: str, *, limit: int, before: str | None = None, session: str | None = None
    ) -> list[Record]:
        """The runs of an owner, the newest first."""
        self.prune()
        newest = sorted(self._runs, reverse=True)  # ids sort by time
        mine = (
            self._runs[run_id].record()
            for run_id in newest
            if self._runs[run_id].head.owner == owner
            and (before is None or run_id < before)
            and (session is None or self._runs[run_id].head.session_id == session)
        )
        return list(islice(mine, limit))

    def prune(self) -> None:
        """Forget what is too old."""
        while self._lifetime and self._finished:
            run_id, since = next(iter(self._finished.items()))
            if since + self._lifetime > self._clock():
                return
            self._forget(run_id)

    @property
    def runs(self) -> int:
        """How many runs are kept."""
        return len(self._runs)

    def _kept(self, run_id: str) -> _Kept:
        self.prune()
        kept = self._runs.get(run_id)
        if kept is None:
            raise Missing(run_id, expired=run_id in self._expired)
        return kept

    def _make_room(self, current: _Kept) -> None:
        self.prune()
        while self.size > self._most_bytes and self._finished:
            self._forget(next(iter(self._finished)))
        if self.size > self._most_bytes:
            self.size -= current.trim()

    def _forget(self, run_id: str) -> None:
        del self._finished[run_id]
        self.size -= self._runs.pop(run_id).size
        self._expired.add(run_id)


class _Kept:
    """One run. Its readers are told of what is new."""

    __slots__ = ("_record", "awaited", "dropped", "entries", "head", "news", "size")

    def __init__(self, record: Record) -> None:
        self.head = record.head
        self.entries: list[Entry] = []
        self.awaited: list[_Tail] = []
        self.dropped = 0
        self.size = 0
        self.news: anyio.Event | None = None
        self._record = record

    def add(self, entries: Sequence[Entry]) -> int:
        """Keep these; gives how many bytes they take."""
        self.entries += entries
        size = 0
        for entry in entries:
            size += _size(entry)
        self.size += size
        if self.news is not None:
            self.tell()
        return size

    def tell(self) -> None:
        """Let every reader who waits look again."""
        if self.news is not None:
            self.news.set()
            self.news = None

    def trim(self) -> int:
        """Drop the first half, or as much of it as every reader has whom the run waits for; gives
        how many bytes that were."""
        read = min((tail.place for tail in self.awaited), default=self.dropped + len(self.entries))
        count = min(len(self.entries) // 2, read - self.dropped)
        size = sum(map(_size, islice(self.entries, count)))
        del self.entries[:count]
        self.dropped += count
        self.size -= size
        return size

    def record(self) -> Record:
        """How the run stands."""
        if not self.entries:
            return self._record
        begins = self.entries[0].seq if self.dropped else 0
        return msgspec.structs.replace(self._record.after(self.entries[-1]), begins=begins)


class _Tail:
    """A place in a run that is kept in memory."""

    def __init__(self, kept: _Kept, after: int) -> None:
        self._kept = kept
        self._woken = False
        if kept.dropped and after < kept.entries[0].seq - 1:
            raise Trimmed(kept.head.run_id, kept.entries[0].seq)
        entries = kept.entries
        low, high = 0, len(entries)
        while low < high:  # the first entry that has a frame behind the position, or is behind it
            middle = (low + high) // 2
            if max(entries[middle].last, entries[middle].seq) > after:
                high = middle
            else:
                low = middle + 1
        self.place = kept.dropped + low

    async def batch(self) -> Sequence[Entry]:
        """What follows."""
        kept = self._kept
        while True:
            if self.place < kept.dropped:
                raise Trimmed(kept.head.run_id, kept.entries[0].seq)
            found = kept.entries[self.place - kept.dropped :]
            if found or self._woken:
                self._woken = False
                self.place += len(found)
                return found
            kept.news = kept.news or anyio.Event()
            await kept.news.wait()

    def wake(self) -> None:
        """End the current wait."""
        self._woken = True
        self._kept.tell()


def _size(entry: Entry) -> int:
    event = entry.event
    if isinstance(event, TextDelta):
        return ENTRY + len(event.text)
    return ENTRY + len(_encode(event))
