"""The run log in a directory: as in memory, and all of it in files that outlast the process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from aura.pipeline.ports import Log
from aura.runs.entry import Entry
from aura.runs.files import Sync, Write, Writer
from aura.runs.lines import entry_line
from aura.runs.log import Head, Missing, Record, Tail
from aura.runs.memory import MemoryLog
from aura.runs.place import Desk, Place
from aura.runs.shelf import Shelf, prepared
from aura.runs.watching import Watches

GRACE = 5.0
"""Seconds that a reader gets to let go of what it holds."""

UNSYNCED = 64
"""How many closed runs may wait for the disk. Each holds a descriptor, so further ones are left to
the kernel, which brings them to the disk within half a minute."""


@asynccontextmanager
async def open_directory(
    path: Path,
    *,
    memory: MemoryLog,
    most_bytes: int,
    lifetime: float,
    now: Callable[[], float],
    log: Log,
    write: Write = os.write,
    sync: Sync = os.fsync,
) -> AsyncIterator[DirectoryLog]:
    """Keep runs in a directory, which is made when it is not there, and what is new also in
    `memory`. Raises `ConfigError` for a directory that cannot be used.

    Finished runs go after `lifetime` seconds, and the oldest ones while all files have more than
    `most_bytes`; 0 is for never.
    """
    await anyio.to_thread.run_sync(prepared, path, log)
    async with anyio.create_task_group() as tasks:
        kept = DirectoryLog(
            path,
            memory=memory,
            most_bytes=most_bytes,
            lifetime=lifetime,
            now=now,
            log=log,
            tasks=tasks,
            write=write,
            sync=sync,
        )
        tasks.start_soon(kept.prune)
        try:
            yield kept
        finally:
            kept.stop()


class DirectoryLog:
    """Keeps every run in a file of its own, and recent ones in memory, from where they are read.

    What was appended survives the death of the process, however sudden. It survives the loss of
    power a moment after the run is closed; before that the last moments may be lost. A run that
    was not over is found as interrupted. A disk that is too slow holds up nobody: of the runs that
    it does not keep up with, the last half minute may be lost with the power.
    """

    def __init__(
        self,
        path: Path,
        *,
        memory: MemoryLog,
        most_bytes: int,
        lifetime: float,
        now: Callable[[], float],
        log: Log,
        tasks: TaskGroup,
        write: Write,
        sync: Sync,
    ) -> None:
        self._memory = memory
        self._log = log
        self._tasks = tasks
        self._writer = partial(Writer, write=write, sync=sync)
        self._live: dict[str, Writer] = {}
        self._broken: set[str] = set()
        self._unsynced: set[str] = set()
        self._lagging = False
        self._added = 0
        self._pruning = False
        self._shelf = Shelf(
            path,
            ours=self._ours,
            most_bytes=most_bytes,
            lifetime=lifetime,
            now=now,
            log=log,
            write=write,
        )
        self._desk = Desk()
        self._watches = Watches(tasks, self.find)

    @property
    def unsynced(self) -> int:
        """How many runs are over and wait for the disk."""
        return len(self._unsynced)

    @property
    def watched(self) -> int:
        """How many runs of other processes are looked at, again and again."""
        return len(self._watches)

    async def begin(self, head: Head) -> None:
        """Begin to keep a run."""
        try:
            file = self._shelf.file(head.run_id)
            self._live[head.run_id] = self._writer(file, head)
        except OSError as error:
            self._give_up(head.run_id, error)
        await self._memory.begin(head)

    async def append(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Keep what happened next."""
        if run_id in self._live and run_id not in self._broken:
            try:
                # Not in a thread: it goes to the kernel's cache, which takes a few microseconds,
                # where a thread would take a hundred.
                self._live[run_id].append(b"".join(map(entry_line, entries)))
            except OSError as error:
                self._give_up(run_id, error)
        await self._memory.append(run_id, entries)

    async def close(self, run_id: str) -> None:
        """Let a run be forgotten from now on; its file is brought to the disk meanwhile."""
        await self._memory.close(run_id)
        writer = self._live.pop(run_id, None)
        if writer is None:
            return
        if run_id in self._broken:
            writer.close()
            return
        self._tasks.start_soon(self._settle, run_id, writer, self._to_be_synced(run_id))

    @asynccontextmanager
    async def tail(self, run_id: str, after: int, *, awaited: bool = False) -> AsyncIterator[Tail]:
        """Read a run; what is not in memory any more comes from its file."""
        del awaited
        await self.find(run_id)
        async with AsyncExitStack() as held:
            place = Place(
                run_id,
                after,
                memory=self._memory,
                desk=self._desk,
                path=self._shelf.file(run_id),
                watches=self._watches,
                missing_end=self._shelf.missing_end,
                spoil=self._shelf.spoil,
                held=held,
            )
            await place.open()
            yield place

    async def find(self, run_id: str) -> Record:
        """How a run stands."""
        try:
            record = await self._memory.find(run_id)
        except Missing as forgotten:
            self._broken.discard(run_id)
            try:
                return await self._desk.does(partial(self._shelf.find, run_id))
            except Missing as missing:
                expired = missing.expired or forgotten.expired
                raise Missing(run_id, expired=expired) from None
        return await self._completed(record)

    async def list(
        self, owner: str, *, limit: int, before: str | None = None, session: str | None = None
    ) -> list[Record]:
        """The runs of an owner, the newest first."""
        recent = await self._memory.list(owner, limit=limit, before=before, session=session)
        await self._let_go()
        select = partial(self._shelf.list, owner, limit=limit, before=before, session=session)
        found = {record.head.run_id: record for record in await self._desk.does_alone(select)}
        for record in recent:
            found[record.head.run_id] = await self._completed(record)
        return [found[run_id] for run_id in sorted(found, reverse=True)[:limit]]

    async def prune(self) -> None:
        """Remove what is too old and what there is no room for."""
        await self._prune(thorough=True)

    def stop(self) -> None:
        """Let go of the files. Runs that are not over show as interrupted from now on."""
        self._watches.stop()
        for writer in self._live.values():
            writer.close()
        self._live.clear()

    def _give_up(self, run_id: str, error: OSError) -> None:
        """Write no more of this run, which goes on in memory."""
        self._broken.add(run_id)
        reason = error.strerror or str(error)
        self._log.error("run is kept in memory only", run_id=run_id, reason=reason)

    async def _let_go(self) -> None:
        """Leave the files of runs that broke to the others, once memory has forgotten those."""
        for run_id in tuple(self._broken - self._live.keys()):
            try:
                await self._memory.find(run_id)
            except Missing:
                self._broken.discard(run_id)

    async def _completed(self, record: Record) -> Record:
        """The same with what can be read from the file."""
        run_id = record.head.run_id
        if not record.begins or run_id in self._broken:
            return record
        if run_id not in self._live:
            try:
                kept = await self._desk.does(partial(self._shelf.find, run_id))
            except Missing:
                return record
            if kept.next != record.next:
                return record
        return msgspec.structs.replace(record, begins=0)

    def _to_be_synced(self, run_id: str) -> bool:
        """Whether a run that is over can wait for the disk."""
        if len(self._unsynced) < UNSYNCED:
            self._unsynced.add(run_id)
            return True
        if not self._lagging:
            reason = f"the disk is too slow, {UNSYNCED} runs wait for it"
            self._log.warning("runs may not outlast a power loss", run_id=run_id, reason=reason)
        self._lagging = True
        return False

    async def _settle(self, run_id: str, writer: Writer, sync: bool) -> None:
        """Bring the file of a run that is over to the disk, and make room for it."""
        try:
            if sync:
                await self._desk.does(writer.sync)
        except OSError as error:
            reason = error.strerror or str(error)
            self._log.error("run may not outlast a power loss", run_id=run_id, reason=reason)
        finally:
            writer.close()
            self._unsynced.discard(run_id)
            self._lagging = self._lagging and bool(self._unsynced)
        self._added += writer.size
        if not self._pruning:  # or else this one counts from the next time on
            await self._prune()

    async def _prune(self, *, thorough: bool = False) -> None:
        await self._let_go()
        live = sum(writer.size for writer in self._live.values())
        added, self._added = self._added, 0
        prune = partial(self._shelf.prune, live, added=added, thorough=thorough)
        self._pruning = True
        try:
            await self._desk.does_alone(prune)
        finally:
            self._pruning = False

    def _ours(self, run_id: str) -> bool:
        """Whether the file of a run is ours alone: one that is written, or that was given up."""
        return run_id in self._live or run_id in self._broken
