"""Opening what a path names without ever leaving the root. POSIX only.

A path is walked one name at a time. Each is opened relative to the directory before it, and never
followed: links are read and walked in the same way. So nothing depends on what was true a moment
ago, and whoever changes the tree meanwhile cannot lead a reader out of it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aura.adapters.filesystem.names import hidden, similar
from aura.adapters.filesystem.refusals import Refused

MOST_LINKS = 40
MOST_STEPS = 1000
LONGEST_PATH = 4096
"""Links that are followed for one path, names that are looked up for it, and bytes it may have."""

THROUGH: int = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
"""How directories on the way are opened: where the system can, without the right to list them."""

TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
"""How the end of the way is opened: a pipe that took the place of a file must not block."""

OUTSIDE = "leads out of the root directory. Give a path relative to it."
HIDDEN = "is hidden: names that start with a dot cannot be read."
SPECIAL = "is neither a file nor a directory and cannot be read."


@dataclass(frozen=True, slots=True)
class Root:
    """A directory below which everything may be read that is not hidden.

    `known_as` are the names on the absolute paths that lead to it, as given and without links.
    """

    path: bytes
    known_as: tuple[list[bytes], ...]

    def open(self) -> int:
        """A descriptor of the directory."""
        return os.open(self.path, THROUGH)

    def below(self, path: bytes) -> list[bytes]:
        """The names on an absolute path from the root on. Raises `Refused`."""
        written = split(path)
        for known in self.known_as:
            if written[: len(known)] == known:
                return written[len(known) :]
        raise Refused(OUTSIDE)


def root_at(path: Path) -> Root:
    """The root that a path names, which may be a link. Raises `OSError` if it is no directory."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    given = os.fsencode(Path.cwd() / path)
    real = os.path.realpath(given, strict=True)
    root = Root(real, (split(real), split(given)))
    os.close(root.open())
    return root


def split(path: bytes) -> list[bytes]:
    """The names on a path, without those that lead nowhere."""
    return [name for name in path.split(b"/") if name not in {b"", b"."}]


@dataclass(frozen=True, slots=True)
class Found:
    """An open file or directory."""

    descriptor: int
    size: int
    is_directory: bool


@contextmanager
def found(root: Root, path: str) -> Iterator[Found]:
    """Open what a path names for the time of the block. Raises `Refused` and `OSError`."""
    with closing(_Walk(root, _names(root, path))) as walk:
        descriptor = walk.end()
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) and not stat.S_ISDIR(info.st_mode):
            raise Refused(SPECIAL)
        yield Found(descriptor, info.st_size, stat.S_ISDIR(info.st_mode))
    finally:
        os.close(descriptor)


def _names(root: Root, path: str) -> list[bytes]:
    try:
        written = path.encode()
    except UnicodeEncodeError:
        raise Refused("is not valid Unicode.") from None
    if b"\0" in written:
        raise Refused("has a NUL character in it, which no path has.")
    if len(written) > LONGEST_PATH:
        raise Refused(f"is too long: a path has at most {LONGEST_PATH} bytes.")
    return root.below(written) if written.startswith(b"/") else split(written)


class _Walk:
    """The way from the root to what a path names. Holds the directory that it has come to."""

    def __init__(self, root: Root, ahead: list[bytes]) -> None:
        self._root = root
        self._ahead = deque(ahead)
        self._behind: list[bytes] = []
        self._links = 0
        self._here = root.open()

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._here)

    def end(self) -> int:
        """A descriptor of what the path names. Raises `Refused` and `OSError`."""
        for _ in range(MOST_STEPS):
            if not self._ahead:
                return os.open(b".", TO_READ | os.O_DIRECTORY, dir_fd=self._here)
            name = self._ahead.popleft()
            if name == b"..":
                self._leave()
                continue
            if hidden(name):
                raise Refused(HIDDEN)
            mode = self._mode(name)
            if stat.S_ISLNK(mode):
                self._follow(os.readlink(name, dir_fd=self._here))
            elif stat.S_ISDIR(mode):
                self._move(os.open(name, THROUGH, dir_fd=self._here))
                self._behind.append(name)
            elif not stat.S_ISREG(mode):  # opening a device can have effects: only if swapped in
                raise Refused(SPECIAL)
            elif self._ahead:
                raise Refused(f"was not found: {_text(name)!r} in it is a file, not a directory.")
            else:
                return os.open(name, TO_READ, dir_fd=self._here)
        raise Refused("has too many names in it.")

    def _leave(self) -> None:
        """Go to the directory above: from the root again, as the one here may have been moved."""
        if not self._behind:
            raise Refused(OUTSIDE)
        self._restart(self._behind[:-1])

    def _follow(self, target: bytes) -> None:
        self._links += 1
        if self._links > MOST_LINKS:
            raise Refused("goes through too many links, perhaps in a circle.")
        if target.startswith(b"/"):
            self._restart(self._root.below(target))
        else:
            self._ahead.extendleft(reversed(split(target)))

    def _restart(self, names: Iterable[bytes]) -> None:
        self._move(self._root.open())
        self._behind.clear()
        self._ahead.extendleft(reversed(list(names)))

    def _move(self, descriptor: int) -> None:
        os.close(self._here)
        self._here = descriptor

    def _mode(self, name: bytes) -> int:
        """What a name is just now: tells how to go on, and is not relied on."""
        try:
            return os.stat(name, dir_fd=self._here, follow_symlinks=False).st_mode
        except FileNotFoundError:
            raise Refused(self._missing(_text(name))) from None

    def _missing(self, name: str) -> str:
        where = repr(_text(b"/".join(self._behind))) if self._behind else "the root directory"
        meant = ", ".join(map(repr, self._similar(name)))
        hint = f"Similar names there: {meant}." if meant else "Use list_directory."
        return f"was not found: there is no {name!r} in {where}. {hint}"

    def _similar(self, name: str) -> tuple[str, ...]:
        try:
            directory = os.open(b".", TO_READ | os.O_DIRECTORY, dir_fd=self._here)
        except OSError:
            return ()
        try:
            return similar(directory, name)
        finally:
            os.close(directory)


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
