"""An open directory that threads may still be using when everybody else is done with it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Handle:
    """A descriptor that is closed when it is not wanted any more and the last thread is through
    with it: a number that was given away too early could come to mean another directory."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = Lock()
        self._users = 0
        self._closed = False

    @contextmanager
    def lent(self) -> Iterator[int]:
        """The descriptor, for the time of the block. Raises `OSError` (EBADF) after `close`."""
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._users += 1
        try:
            yield self._descriptor
        finally:
            with self._lock:
                self._users -= 1
                last = self._closed and not self._users
            if last:
                os.close(self._descriptor)

    def close(self) -> None:
        """Close it as soon as nobody uses it."""
        with self._lock:
            unused = not self._closed and not self._users
            self._closed = True
        if unused:
            os.close(self._descriptor)
