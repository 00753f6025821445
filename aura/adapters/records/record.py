"""Records that are written beside everything else, each by a task of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from aura.adapters.records.folder import Folder, Write
from aura.pipeline.ports import Log

MOST_WAITING = 256 * 1024 * 1024
"""Bytes of one record that may wait for a disk; what is more is lost, and the log says so."""

READING = 5.0
"""Seconds to wait for what was written before something is read."""


class FileRecords:
    """Implements `Records` of `aura.pipeline.ports` with files below a directory.

    Writers are `tasks` of the server, so that a record is complete when its run is cancelled. A
    session keeps the `most_runs` newest, 0 for all.
    """

    def __init__(self, root: Path, *, most_runs: int, tasks: TaskGroup) -> None:
        self._root = root
        self._most_runs = most_runs
        self._tasks = tasks
        self._open: set[FileRecord] = set()

    @contextmanager
    def open(
        self, *, session_id: str, run_id: str, tasks: TaskGroup, log: Log
    ) -> Iterator[FileRecord]:
        """The record of a run that begins."""
        del tasks  # those of the run end too early
        begin = partial(Folder, self._root, session_id, run_id)
        record = FileRecord(log)
        self._open.add(record)
        self._tasks.start_soon(self._written, record, begin)
        try:
            yield record
        finally:
            record.close()

    async def _written(self, record: FileRecord, begin: partial[Folder]) -> None:
        try:
            await record.written(begin, self._most_runs)
        finally:
            self._open.discard(record)

    async def quiet(self) -> None:
        """Wait, not for long, until the records of runs that are over are complete."""
        for record in tuple(self._open):
            await record.settled(READING)


class FileRecord:
    """Implements `Record`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: list[Write] = []
        self._bytes = 0
        self._busy = True
        self._closed = False
        self._broken = False
        self._folder: Folder | None = None
        self._wake = anyio.Event()
        self._idle = anyio.Event()

    def keep(self, name: str, data: bytes) -> None:
        """Have a file written, or written anew."""
        if any(each.name == name and each.whole for each in self._waiting):
            self._drop(name)
        self._add(Write(name, data, whole=True))

    def append(self, name: str, line: bytes) -> None:
        """Have a line added to a file."""
        self._add(Write(name, line, whole=False))

    async def settled(self, seconds: float) -> bool:
        """Wait, not longer than that, until everything is written; whether it is."""
        with anyio.move_on_after(seconds):
            while self._waiting or self._busy:
                await self._idle.wait()
        return not (self._waiting or self._busy)

    async def read(self, name: str, run_id: str | None = None) -> bytes | None:
        """A file of this run, or of another one of the session. Raises `OSError`."""
        await self.settled(READING)
        if self._folder is None:
            return None
        return await anyio.to_thread.run_sync(self._folder.read, name, run_id)

    async def manifests(self, most: int) -> tuple[bytes, ...]:
        """Those of other runs of the session, the newest first."""
        await self.settled(READING)
        if self._folder is None:
            return ()
        return tuple(await anyio.to_thread.run_sync(self._folder.manifests, most))

    def close(self) -> None:
        """Nothing more will be written or read."""
        self._closed = True
        self._wake.set()

    async def written(self, begin: partial[Folder], most_runs: int) -> None:
        """Write everything, until the record is closed and nothing is left."""
        try:
            self._folder = await anyio.to_thread.run_sync(begin)
            await anyio.to_thread.run_sync(self._folder.prune, most_runs)
        except OSError as error:
            self._fail(error)
        try:
            while await self._more():
                self._busy = True
                writes, self._waiting, self._bytes = self._waiting, [], 0
                await self._write(writes)
                self._rest()
        finally:
            if self._folder is not None:
                self._folder.close()

    async def _more(self) -> bool:
        """Wait for something to write; whether there is anything, or nothing will come."""
        self._rest()
        while not self._waiting and not self._closed:
            self._wake = anyio.Event()
            await self._wake.wait()
        return bool(self._waiting)

    async def _write(self, writes: list[Write]) -> None:
        if self._folder is None:
            return
        try:
            await anyio.to_thread.run_sync(self._folder.write, writes)
        except OSError as error:
            self._fail(error)

    def _add(self, write: Write) -> None:
        self._bytes += len(write.data)
        if self._bytes > MOST_WAITING:
            self._fail(OSError("the disk is too slow"))
            self._bytes -= len(write.data)
            return
        self._waiting.append(write)
        self._idle = anyio.Event() if self._idle.is_set() else self._idle
        self._wake.set()

    def _drop(self, name: str) -> None:
        dropped = [each for each in self._waiting if each.name == name and each.whole]
        self._bytes -= sum(len(each.data) for each in dropped)
        self._waiting = [each for each in self._waiting if each not in dropped]

    def _rest(self) -> None:
        """Everything that was there to write is written."""
        self._busy = False
        if not self._waiting:
            self._idle.set()

    def _fail(self, error: OSError) -> None:
        """Say once that the record is not complete."""
        if not self._broken:
            self._broken = True
            self._log.error(
                "record of the run cannot be written", error=error.strerror or str(error)
            )
