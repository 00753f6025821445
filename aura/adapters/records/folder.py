"""The directory of one run. Everything here blocks.

It is locked while the run goes on, also against other processes and until the death of ours, so
that nobody removes it. Files appear whole: they are written beside their place and renamed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from typing import NamedTuple

from aura.adapters.places import DIRECTORY, directory_name, made, opened

TAKEN = ("scratchpad",)
"""Directories of `memory_dir` that are not those of sessions."""

LATEST = "latest"
MANIFEST = "manifest.json"
MOST_READ = 64 * 1024 * 1024
"""Bytes read of one file."""

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class Write(NamedTuple):
    """Something to be written: a whole file, or a line of one."""

    name: str
    data: bytes
    whole: bool


class Folder:
    """The directory of a run, opened and locked. Raises `OSError`."""

    def __init__(self, root: Path, session_id: str, run_id: str) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._name = directory_name(run_id)
        with opened(root) as top:
            session = directory_name(session_id, TAKEN)
            with suppress(FileExistsError):
                os.mkdir(session, 0o700, dir_fd=top)
            self._session = os.open(session, DIRECTORY, dir_fd=top)
        try:
            with made(self._name, self._session) as run:
                self._run = os.dup(run)
            flock(self._run, LOCK_SH)
        except OSError:
            os.close(self._session)
            raise
        with suppress(OSError):  # a convenience for people
            _linked(self._name, self._session)

    def close(self) -> None:
        """Unlock the directory."""
        os.close(self._run)
        os.close(self._session)

    def write(self, writes: Iterable[Write]) -> None:
        """Write these in their order. Raises `OSError`."""
        for write in writes:
            with self._parent(write.name) as (parent, name):
                if write.whole:
                    _replaced(parent, name, write.data)
                else:
                    _extended(parent, name, write.data)

    def read(self, name: str, run_id: str | None) -> bytes | None:
        """A file of this run, or of another one of the session. Raises `OSError`."""
        parts = name.split("/")
        if not all(map(_PART.fullmatch, parts)):
            return None
        with suppress(FileNotFoundError, NotADirectoryError):
            if run_id is None:
                return _read(self._run, parts)
            with opened(directory_name(run_id), self._session) as run:
                return _read(run, parts)
        return None

    def manifests(self, most: int) -> list[bytes]:
        """The manifests of other runs of the session, the newest first."""
        found: list[bytes] = []
        for name in self._others():
            with suppress(OSError), opened(name, self._session) as run:
                found.append(_read(run, [MANIFEST]))
            if len(found) == most:
                break
        return found

    def prune(self, most: int) -> None:
        """Remove the oldest runs of the session that are over, so that there are no more than that
        with this one, 0 for no limit."""
        if not most:
            return
        for name in self._others()[most - 1 :]:
            with suppress(OSError):  # it goes on, or somebody else removes it
                _removed(name, self._session)

    def _others(self) -> list[str]:
        """The other runs of the session, the newest first: ids begin with their time."""
        names = os.listdir(self._session)  # noqa: PTH208 - of a descriptor
        return sorted((each for each in names if each not in (LATEST, self._name)), reverse=True)

    @contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        *folders, last = name.split("/")
        descriptor = os.dup(self._run)
        try:
            for folder in folders:
                with made(folder, descriptor) as below:
                    os.close(descriptor)
                    descriptor = os.dup(below)
            yield descriptor, last
        finally:
            os.close(descriptor)


def _linked(name: str, session: int) -> None:
    """Make `latest` lead to this run."""
    temporary = f".{LATEST}-{name}"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=session)
    os.symlink(name, temporary, dir_fd=session)
    os.replace(temporary, LATEST, src_dir_fd=session, dst_dir_fd=session)


def _replaced(parent: int, name: str, data: bytes) -> None:
    part = f".{name}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(part, flags, 0o600, dir_fd=parent), "wb") as file:
        file.write(data)
    os.replace(part, name, src_dir_fd=parent, dst_dir_fd=parent)


def _extended(parent: int, name: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "ab") as file:
        file.write(data)


def _read(run: int, parts: list[str]) -> bytes:
    *folders, last = parts
    descriptor = os.dup(run)
    try:
        for folder in folders:
            below = os.open(folder, DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor)
        with os.fdopen(file, "rb") as opened_file:
            return opened_file.read(MOST_READ)
    finally:
        os.close(descriptor)


def _removed(name: str, session: int) -> None:
    """Remove the directory of a run. Raises `OSError` when the run goes on."""
    with opened(name, session) as run:
        flock(run, LOCK_EX | LOCK_NB)
        _emptied(run)
        os.rmdir(name, dir_fd=session)


def _emptied(directory: int) -> None:
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if is_directory:
            with opened(name, directory) as below:
                _emptied(below)
            os.rmdir(name, dir_fd=directory)
        else:
            os.unlink(name, dir_fd=directory)
