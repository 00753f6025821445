"""The files of a directory: what is known of each, and which of them go. Everything here blocks."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock

from aura.errors import ConfigError, Problem
from aura.pipeline.ports import Log
from aura.runs.entry import Entry
from aura.runs.files import Summary, Write, ended, locked, may_hold, missing_end, summary
from aura.runs.lines import Unreadable, encoded
from aura.runs.log import Missing, Record
from aura.runs.remembered import Remembered
from aura.runs.room import FRESH, Room

SUFFIX = ".jsonl"

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FILE = re.compile(rf"({_RUN_ID.pattern}){re.escape(SUFFIX)}")


class Shelf:
    """The files of runs, of this process and of others that share the directory. What they say is
    read when somebody asks: of files that are finished nothing is remembered, however many.

    `ours` says of which runs this process writes the files, or has given up to. All calls come
    from threads, those of `prune` one at a time.
    """

    def __init__(
        self,
        path: Path,
        *,
        ours: Callable[[str], bool],
        most_bytes: int,
        lifetime: float,
        now: Callable[[], float],
        log: Log,
        write: Write,
    ) -> None:
        self._path = path
        self._ours = ours
        self._now = now
        self._log = log
        self._write = write
        self._room = Room(
            path,
            counts=self._counts,
            remove=self._remove,
            most_bytes=most_bytes,
            lifetime=lifetime,
            now=now,
        )
        self._expired = Remembered()
        self._complained = Remembered()
        self._spoiled = Remembered()
        self._ending = Lock()

    def file(self, run_id: str) -> Path:
        """Where a run is kept. Raises `Missing` for what cannot be the id of one."""
        if not _RUN_ID.fullmatch(run_id):
            raise Missing(run_id)
        return self._path / f"{run_id}{SUFFIX}"

    def find(self, run_id: str) -> Record:
        """How a run stands. Raises `Missing`."""
        found = self._look(run_id)
        if found is None:
            raise Missing(run_id, expired=run_id in self._expired)
        return found.record

    def list(
        self, owner: str, *, limit: int, before: str | None, session: str | None
    ) -> list[Record]:
        """The runs of an owner, the newest first, without those that this process still writes."""
        names = [encoded(name) for name in (owner, session) if name is not None]
        mine = (
            found.record
            for run_id in sorted(self._names(before), reverse=True)
            if not self._ours(run_id)
            and self._may_hold(run_id, names)
            and (found := self._look(run_id)) is not None
            and found.record.head.owner == owner
            and session in (None, found.record.head.session_id)
        )
        return list(islice(mine, limit))

    def missing_end(self, run_id: str) -> Sequence[Entry]:
        """What ends an interrupted run and could not be written to its file."""
        path = self.file(run_id)
        try:
            found = summary(path)
            if found is not None and not found.record.over and not self._ours(run_id):
                return missing_end(path)
        except (OSError, Unreadable) as error:
            self._complain("run cannot be read", run_id, error)
        return ()

    def prune(self, live: int, *, added: int = 0, thorough: bool) -> None:
        """Count a file of so many bytes that is finished, and remove finished runs that are too old
        and, the oldest first, those for which there is no room beside the `live` bytes of this
        process. What other processes did in the last moments is seen by a `thorough` look only."""
        self._room.add(added)
        try:
            self._room.make(live, thorough=thorough)
        except OSError as error:
            self._complain("run log cannot be listed", "", error)

    def spoil(self, run_id: str, error: Unreadable) -> None:
        """Leave a file alone from now on."""
        self._complain("run cannot be read", run_id, error)
        self._spoiled.add(run_id)

    def _names(self, before: str | None) -> Iterator[str]:
        """The ids of runs that are older than this one."""
        try:
            names = os.listdir(self._path)  # noqa: PTH208 - ten thousand names need no paths
        except OSError as error:
            self._complain("run log cannot be listed", "", error)
            return
        for found in map(_FILE.fullmatch, names):
            if found is not None and (before is None or found[1] < before):
                yield found[1]

    def _may_hold(self, run_id: str, names: Sequence[bytes]) -> bool:
        """Whether it is worth while to look closer, which takes ten times as long."""
        try:
            return may_hold(f"{self._path}/{run_id}{SUFFIX}", names)
        except OSError:
            return True  # what is wrong is said then

    def _look(self, run_id: str) -> Summary | None:
        """What the file of a run says, if it is there and can be read."""
        if run_id in self._spoiled:
            return None
        try:
            found = self._summary(run_id)
        except FileNotFoundError:
            return None
        except Unreadable as error:
            self.spoil(run_id, error)
            return None
        except OSError as error:
            self._complain("run cannot be read", run_id, error)
            return None
        if found is not None and found.record.over and self._room.too_old(over_at(found.record)):
            self._remove(f"{run_id}{SUFFIX}")
            return None
        return found

    def _summary(self, run_id: str) -> Summary | None:
        path = self.file(run_id)
        found = summary(path)
        if found is None:
            self._sweep(path)
            return None
        if found.record.head.run_id != run_id:
            raise Unreadable(f"it is of the run {found.record.head.run_id!r}")
        if found.record.over or self._ours(run_id):
            return found
        try:
            with self._ending:  # or else one thread would take the other for the run's writer
                return summary(path) if ended(path, write=self._write) else found
        except OSError as error:
            self._complain("run cannot be given its end", run_id, error)
            record = reduce(Record.after, missing_end(path), found.record)
            return found._replace(record=record)

    def _counts(self, name: str) -> bool:
        found = _FILE.fullmatch(name)
        return found is not None and not self._ours(found[1])

    def _remove(self, name: str) -> bool:
        """Remove a file, unless its run goes on; tells whether it is gone."""
        run_id = name.removesuffix(SUFFIX)
        path = self.file(run_id)
        try:
            with locked(path) as alone:
                if alone:
                    path.unlink(missing_ok=True)
                    self._expired.add(run_id)
                return alone
        except FileNotFoundError:
            return True
        except OSError as error:
            self._complain("run cannot be removed", run_id, error)
            return False

    def _sweep(self, path: Path) -> None:
        """Remove a file that was never begun."""
        if path.stat().st_mtime + FRESH <= self._now():
            path.unlink(missing_ok=True)

    def _complain(self, what: str, run_id: str, error: Exception) -> None:
        if f"{what}: {run_id}" not in self._complained:
            self._complained.add(f"{what}: {run_id}")
            path = str(self.file(run_id) if run_id else self._path)
            self._log.warning(what, path=path, reason=str(error))


def over_at(record: Record) -> float:
    """When a run that is over was."""
    return record.head.created + record.seconds


def prepared(path: Path, log: Log) -> None:
    """Make the directory, for nobody else to read. Raises `ConfigError` when that, or writing to
    it, is not possible."""
    try:
        _make(path)
        with TemporaryFile(dir=path):
            pass
        others = stat.S_IMODE(path.stat().st_mode) & 0o077
    except OSError as error:
        message = f"{str(path)!r} cannot be used as a directory for runs: {error.strerror}"
        raise ConfigError([Problem("--run-log", 0, "", message, "io")]) from error
    if others:
        log.warning("run log can be read by others", path=str(path), remedy="chmod 700")


def _make(path: Path) -> None:
    if not path.exists():
        _make(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
