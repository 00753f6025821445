"""Where scratchpads are on disk: a directory for each run, below that of its session.

Everything here blocks. The directory of a run is locked until it is closed, also by the death of
the process, so that nobody removes it while the run goes on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from aura.adapters.places import DIRECTORY, directory_name, made, opened

BETWEEN_LOOKS = 60.0
"""Seconds for which the use of the disk is believed to be what was found plus what we added."""

ATTEMPTS = 3


class Kept(NamedTuple):
    """The directory of a run: its name, that of its session, its bytes, and when it was last
    changed, in seconds since the epoch."""

    session: str
    run: str
    size: int
    changed: float


class Place:
    """The directory below which all scratchpads of this process, and of others, are.

    `max_bytes` bounds the files of all of them, 0 for no limit; those of runs that are over are
    removed, the oldest first, when room is needed, or when they are older than `retention`
    seconds, 0 for never.
    """

    def __init__(
        self, root: Path, *, max_bytes: int, retention: float, now: Callable[[], float]
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._retention = retention
        self._now = now
        self._lock = Lock()
        self._used = 0
        self._looked = float("-inf")

    def prepare(self) -> None:
        """Make the directory, and see that files can be made in it. Raises `OSError`."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def open(self, session_id: str, run_id: str) -> int:
        """The directory of a run, open and locked. Raises `OSError`."""
        for _ in range(ATTEMPTS):
            with suppress(FileNotFoundError, BlockingIOError):  # another process is tidying up
                return self._opened(directory_name(session_id), directory_name(run_id))
        return self._opened(directory_name(session_id), directory_name(run_id))

    def find(self, session_id: str, run_id: str) -> int | None:
        """The directory of a run that is over, open and locked, if it is still there."""
        try:
            with (
                opened(self._root) as root,
                opened(directory_name(session_id), root) as session,
            ):
                return _locked(os.open(directory_name(run_id), DIRECTORY, dir_fd=session))
        except OSError:
            return None

    def _opened(self, session_name: str, run_name: str) -> int:
        self.prepare()
        with opened(self._root) as root, made(session_name, root) as session:
            with suppress(FileExistsError):
                os.mkdir(run_name, 0o700, dir_fd=session)
            return _locked(os.open(run_name, DIRECTORY, dir_fd=session))

    def room(self, wanted: int) -> int | None:
        """How many bytes may be added, or `None` for any number; makes room for those wanted if
        that can be done."""
        with self._lock:
            now = self._now()
            if now - self._looked >= BETWEEN_LOOKS or self._lacks(wanted):
                self._looked = now
                self._used = self._tidied(now, wanted)
            return max(0, self._max_bytes - self._used) if self._max_bytes else None

    def added(self, size: int) -> None:
        """So many bytes were added."""
        with self._lock:
            self._used += size

    def _lacks(self, wanted: int) -> bool:
        return bool(self._max_bytes) and self._used + wanted > self._max_bytes

    def _tidied(self, now: float, wanted: int) -> int:
        """Remove what is too old or too much. Gives the bytes of what is left."""
        kept = sorted(self._kept(), key=lambda each: each.changed)
        used = sum(each.size for each in kept)
        for each in kept:
            old = bool(self._retention) and now - each.changed > self._retention
            much = bool(self._max_bytes) and used + wanted > self._max_bytes
            if (old or much) and self._removed(each):
                used -= each.size
        return used

    def _kept(self) -> Iterator[Kept]:
        with suppress(OSError), os.scandir(self._root) as sessions:
            for session in sessions:
                with suppress(OSError), os.scandir(session.path) as runs:
                    for run in runs:
                        if run.is_dir(follow_symlinks=False):
                            yield _measured(session.name, run)

    def _removed(self, kept: Kept) -> bool:
        """Remove the directory of a run, unless the run goes on; whether it is gone."""
        try:
            with (
                opened(self._root) as root,
                opened(kept.session, root) as session,
                opened(kept.run, session) as run,
            ):
                flock(run, LOCK_EX | LOCK_NB)
                for name in os.listdir(run):  # noqa: PTH208 - of a descriptor
                    os.unlink(name, dir_fd=run)
                os.rmdir(kept.run, dir_fd=session)
                with suppress(OSError):  # other runs of the session are still there
                    os.rmdir(kept.session, dir_fd=root)
        except OSError:
            return False
        return True


def _locked(descriptor: int) -> int:
    """The same directory, locked. Raises `OSError` when somebody removes or has removed it."""
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
        if not os.fstat(descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _measured(session: str, run: os.DirEntry[str]) -> Kept:
    size, changed = 0, run.stat(follow_symlinks=False).st_mtime
    with os.scandir(run.path) as files:
        for file in files:
            info = file.stat(follow_symlinks=False)
            size += info.st_size
            changed = max(changed, info.st_mtime)
    return Kept(session, run.name, size, changed)


def obstacle(root: Path) -> str | None:
    """Why no files could be made below a directory that need not be there yet, if that is so."""
    there = root.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        return f"cannot be used: {str(there)!r} is no directory"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"cannot be used: nothing may be written in {str(there)!r}"
    return None
