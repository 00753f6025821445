"""The files of a directory: what is known of each, and which of them go. Everything here blocks."""

from __future__ import annotations

import math
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile

import msgspec

from aura.errors import ConfigError, Problem
from aura.pipeline.ports import Log
from aura.runs.files import Summary, ended, summary
from aura.runs.lines import Unreadable
from aura.runs.log import Missing, Record
from aura.runs.memory import TOMBSTONES

SUFFIX = ".jsonl"

FRESH = 60.0
"""Seconds for which what is known of the files of other processes is good enough to decide which
ones go, and for which a file without a head may be one that is just being made."""

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FILE = re.compile(rf"({_RUN_ID.pattern}){re.escape(SUFFIX)}")


class Over(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of the file of a run that is over: its bytes, and what stands for whose
    run it was and for its session. There can be very many, so the rest stays in the file."""

    size: int
    owner: int
    session: int


class Shelf:
    """The files of runs, of this process and of others that share the directory.

    `ours` says of which runs this process writes the files, or has given up to. All calls come
    from threads, one at a time; only `file` and `stop` may be called in between.
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
    ) -> None:
        self._path = path
        self._ours = ours
        self._most_bytes = most_bytes
        self._lifetime = lifetime
        self._now = now
        self._log = log
        self._known: dict[str, Summary] = {}
        self._over: dict[str, Over] = {}
        self._size = 0
        self._oldest: list[tuple[float, str]] = []
        self._expired: OrderedDict[str, None] = OrderedDict()
        self._complained: set[tuple[str, str]] = set()
        self._spoiled: set[str] = set()
        self._surveyed = -math.inf
        self._stopped = False

    def file(self, run_id: str) -> Path:
        """Where a run is kept. Raises `Missing` for what cannot be the id of one."""
        if not _RUN_ID.fullmatch(run_id):
            raise Missing(run_id)
        return self._path / f"{run_id}{SUFFIX}"

    def stop(self) -> None:
        """Let a survey that is under way come to an end."""
        self._stopped = True

    def survey(self) -> None:
        """Look at every file that is new or whose run was not over. Runs whose processes are gone
        are given an end."""
        try:
            names = os.listdir(self._path)  # noqa: PTH208 - ten thousand names need no paths
        except OSError as error:
            self._complain("run log cannot be listed", "", error)
            return
        there = {found[1] for found in map(_FILE.fullmatch, names) if found is not None}
        for run_id in (self._known.keys() | self._over.keys()) - there:
            self._forget(run_id)
        for run_id in there - self._over.keys():
            if self._stopped:
                return
            if not self._ours(run_id):
                self._look(run_id)
        self._surveyed = self._now()

    def add(self, record: Record, size: int) -> None:
        """Take in a run of this process that is over and closed."""
        self._keep(Summary(msgspec.structs.replace(record, begins=0), size))

    def find(self, run_id: str) -> Record:
        """How a run stands. Raises `Missing`."""
        found = self._look(run_id)
        self._discard(math.inf)
        if found is None or not (run_id in self._known or run_id in self._over):
            raise Missing(run_id, expired=run_id in self._expired)
        return found.record

    def list(
        self, owner: str, *, limit: int, before: str | None, session: str | None
    ) -> list[Record]:
        """The runs of an owner, the newest first."""
        self.survey()
        self._discard(math.inf)
        names = [
            run_id
            for run_id, over in self._over.items()
            if over.owner == hash(owner) and (session is None or over.session == hash(session))
        ]
        mine = (
            found.record
            for run_id in sorted([*names, *self._known], reverse=True)
            if (before is None or run_id < before)
            and (found := self._known.get(run_id) or self._look(run_id)) is not None
            and found.record.head.owner == owner
            and session in (None, found.record.head.session_id)
        )
        return list(islice(mine, limit))

    def prune(self, live: int, *, thorough: bool) -> None:
        """Remove finished runs that are too old and, the oldest first, those for which there is no
        room beside the `live` bytes of this process. What other processes did in the last moments
        is seen by a `thorough` look only."""
        if thorough or not 0 <= self._now() - self._surveyed < FRESH:
            self.survey()
        self._discard(self._most_bytes - live if self._most_bytes else math.inf)

    def spoil(self, run_id: str, error: Unreadable) -> None:
        """Leave a file alone from now on."""
        self._complain("run cannot be read", run_id, error)
        self._spoiled.add(run_id)
        self._drop(run_id)

    def _look(self, run_id: str) -> Summary | None:
        """What the file of a run says, if it can be read; remembers what has to be."""
        if run_id in self._spoiled:
            return None
        try:
            found = self._summary(run_id)
        except FileNotFoundError:
            self._forget(run_id)
        except Unreadable as error:
            self.spoil(run_id, error)
        except OSError as error:
            self._complain("run cannot be read", run_id, error)
            self._drop(run_id)
        else:
            if found is not None and run_id not in self._over:
                self._keep(found)
            return found
        return None

    def _summary(self, run_id: str) -> Summary | None:
        path = self.file(run_id)
        found = summary(path)
        if found is None:
            self._sweep(path)
            return None
        if found.record.head.run_id != run_id:
            raise Unreadable(f"it is of the run {found.record.head.run_id!r}")
        return summary(path) if not found.record.over and ended(path) else found

    def _keep(self, found: Summary) -> None:
        head = found.record.head
        self._drop(head.run_id)
        self._size += found.size
        if not found.record.over:
            self._known[head.run_id] = found
            return
        self._over[head.run_id] = Over(found.size, hash(head.owner), hash(head.session_id))
        heappush(self._oldest, (_over_at(found.record), head.run_id))

    def _drop(self, run_id: str) -> None:
        known = self._known.pop(run_id, None) or self._over.pop(run_id, None)
        if known is not None:
            self._size -= known.size

    def _forget(self, run_id: str) -> None:
        if run_id in self._known or run_id in self._over:
            self._drop(run_id)
            self._expired[run_id] = None
            if len(self._expired) > TOMBSTONES:
                self._expired.popitem(last=False)

    def _discard(self, room: float) -> None:
        """Remove what is too old and what there is no room for."""
        since = self._now() - self._lifetime if self._lifetime else -math.inf
        while self._oldest and (self._oldest[0][0] <= since or self._size > room):
            _, run_id = heappop(self._oldest)
            if run_id in self._over:
                self._remove(run_id)

    def _remove(self, run_id: str) -> None:
        try:
            self.file(run_id).unlink(missing_ok=True)
        except OSError as error:
            self._complain("run cannot be removed", run_id, error)
        self._forget(run_id)

    def _sweep(self, path: Path) -> None:
        """Remove a file that was never begun."""
        if path.stat().st_mtime + FRESH <= self._now():
            path.unlink(missing_ok=True)

    def _complain(self, what: str, run_id: str, error: Exception) -> None:
        if (what, run_id) not in self._complained:
            self._complained.add((what, run_id))
            path = str(self.file(run_id) if run_id else self._path)
            self._log.warning(what, path=path, reason=str(error))


def _over_at(record: Record) -> float:
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
