"""Filing away a text without keeping the rest of the process from its work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import anyio
import anyio.to_thread
import msgspec

from aura.adapters.scratchpad.filing import AT_ONCE, FULL, Filed, Full, Order, file_away

LARGE = 512 * 1024
"""Characters from which on a text is formatted by a process of its own: it takes a while during
which no other thread of the process that does it can run."""

PROGRAM = Path(__file__).with_name("apart.py")

ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG")
"""What that process gets to see of ours."""

UNCAUGHT = 1
"""The exit status of Python when an exception was not caught."""

REAPING = 5.0
"""Seconds that a process gets to be gone once it was killed."""

File: TypeAlias = Callable[[str, Sequence[bytes], int | None], Awaitable[Filed]]
"""Writes a text and its companions, given their base name, the text in pieces, and how many bytes
there is room for. Raises `Full` and `OSError`."""


@asynccontextmanager
async def filer(directory: int, size: int) -> AsyncGenerator[File, None]:
    """Something that files away one text of about so many characters in an open directory. For a
    large one a process is started, which gets ready while the text is still looked at."""
    started = await _started(directory) if size >= LARGE and sys.executable else None
    if started is None:
        yield partial(_here, directory)
        return
    try:
        yield partial(_there, started, directory)
    finally:
        if not started.over:
            started.kill()
            # Somebody has to take note of its end, or it stays in the table of processes.
            with anyio.move_on_after(REAPING, shield=True):
                await anyio.to_thread.run_sync(started.end, abandon_on_cancel=True)


async def _started(directory: int) -> Apart | None:
    try:
        return await anyio.to_thread.run_sync(Apart, directory)
    except FileNotFoundError:  # whatever runs us, it is no interpreter to start again
        return None


async def _here(directory: int, base: str, pieces: Sequence[bytes], room: int | None) -> Filed:
    return await anyio.to_thread.run_sync(
        partial(file_away, directory, base, b"".join(pieces), room)
    )


async def _there(
    apart: Apart, directory: int, base: str, pieces: Sequence[bytes], room: int | None
) -> Filed:
    work = partial(apart.file, Order(base, room), pieces)
    try:
        # Abandoned when the run ends: the process is killed then, and with it the wait is over.
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except Died:
        return await _here(directory, base, pieces, room)


class Died(Exception):
    """Raised when a process ended without saying anything."""


class Apart:
    """A process that waits for an order, carries it out and ends. Everything here blocks.

    It is started in a thread and by the standard library: event loops copy the tables of our whole
    memory for it, which takes as long as there is much of that.
    """

    def __init__(self, directory: int) -> None:
        self.over = False
        self._alone = Lock()
        self._source = _nameless(directory)
        descriptors = (directory, self._source)
        found_in = (PROGRAM.parent, Path(msgspec.__file__).parents[1])
        try:
            # With -B, as what Python keeps of compiled modules would be cut off, and be
            # of no use to anybody, where the disk is full.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [sys.executable, "-I", "-S", "-B", PROGRAM, *map(str, descriptors), *found_in],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
                pass_fds=descriptors,
            )
        except BaseException:
            os.close(self._source)
            raise

    def file(self, order: Order, pieces: Sequence[bytes]) -> Filed:
        """Have a text filed away. Raises `Full`, `OSError` and `Died`."""
        with self._alone:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self._source, rest[:AT_ONCE]) :]
            output, _ = self._process.communicate(msgspec.json.encode(order))
            self._close()
        code = self._process.returncode
        if code == FULL:
            raise Full
        if code < 0 or code == UNCAUGHT:
            raise Died
        if code:
            raise OSError(code, os.strerror(code))
        return msgspec.msgpack.decode(output, type=Filed)

    def kill(self) -> None:
        """Let it end whatever it is doing, and with it whoever waits for it."""
        self._process.kill()

    def end(self) -> None:
        """Wait until it is gone."""
        with self._alone:
            if not self.over:
                self._process.communicate()
                self._close()

    def _close(self) -> None:
        os.close(self._source)
        self.over = True


def _nameless(directory: int) -> int:
    """A descriptor of an empty file that has no name: it is gone when it is closed."""
    name = f".{os.urandom(8).hex()}.raw"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        os.unlink(name, dir_fd=directory)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
