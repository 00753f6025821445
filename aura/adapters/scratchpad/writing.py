"""Filing away a text without keeping the rest of the process from its work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Lock

import anyio.to_thread
import msgspec

from aura.adapters.scratchpad import filing
from aura.adapters.scratchpad.filing import FULL, Filed, Full, file_away

LARGE = 512 * 1024
"""Bytes from which on a text is formatted by a process of its own: it takes a while during which
no other thread of the process that does it can run."""

ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG")
"""What that process gets to see of ours."""


async def filed_away(directory: int, base: str, data: bytes, room: int | None) -> Filed:
    """Write a text and its companions into an open directory. Raises `Full` and `OSError`."""
    if len(data) >= LARGE and sys.executable:
        try:
            return await _apart(directory, base, data, room)
        except FileNotFoundError:  # whatever runs us, it is no interpreter to start again
            pass
    return await anyio.to_thread.run_sync(partial(file_away, directory, base, data, room))


REAPING = 5.0
"""Seconds that a process gets to be gone once it was killed."""


async def _apart(directory: int, base: str, data: bytes, room: int | None) -> Filed:
    process = await anyio.to_thread.run_sync(_started, directory, base, data, room)
    said = partial(_said, process, Lock())
    try:
        # Abandoned when the run ends: the process is killed below, and with it the wait is over.
        output = await anyio.to_thread.run_sync(said, abandon_on_cancel=True)
    finally:
        if process.poll() is None:
            process.kill()
            # Somebody has to take note of its end, or it stays in the table of processes.
            with anyio.move_on_after(REAPING, shield=True):
                await anyio.to_thread.run_sync(said, abandon_on_cancel=True)
    if process.returncode == FULL:
        raise Full
    if process.returncode:
        known = process.returncode > 1  # 1 is an error of Python's, less a signal
        number = process.returncode if known else errno.EIO
        raise OSError(number, os.strerror(number))
    return msgspec.json.decode(output, type=Filed)


def _said(process: subprocess.Popen[bytes], alone: Lock) -> bytes:
    """What the process wrote until its end, for the first who asks."""
    with alone:
        if process.stdout is None or process.stdout.closed:
            return b""
        output, _ = process.communicate()
        return output


def _started(directory: int, base: str, data: bytes, room: int | None) -> subprocess.Popen[bytes]:
    """The process at work. It is started in a thread and by the standard library: event loops copy
    the tables of our whole memory for it, which takes as long as there is much of that."""
    libraries = str(Path(msgspec.__file__).parents[1])
    limit = str(-1 if room is None else room)
    program = [sys.executable, "-I", "-S", filing.__file__, str(directory), base, limit, libraries]
    source = _nameless(directory, data)
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and file
            program,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            pass_fds=(directory,),
        )
    finally:
        os.close(source)


def _nameless(directory: int, data: bytes) -> int:
    """A descriptor of a file with this content that has no name: it is gone when it is closed."""
    name = f".{os.urandom(8).hex()}.raw"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        os.unlink(name, dir_fd=directory)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
