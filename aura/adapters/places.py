"""Directories for what sessions and runs leave behind, named so that no id leads elsewhere."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", re.ASCII)


def directory_name(identifier: str, taken: Collection[str] = ()) -> str:
    """The name of a directory for an id that may have been chosen by a client: the id itself, or a
    part of it and a digest. It is none of those that are `taken` for something else."""
    if _PLAIN.fullmatch(identifier) and identifier.lower() not in taken:
        return identifier
    readable = re.sub(r"[^A-Za-z0-9]+", "_", identifier, flags=re.ASCII).strip("_")[:32]
    digest = hashlib.blake2s(identifier.encode("utf-8", "surrogatepass"), digest_size=12)
    return f"{readable or 'id'}.{digest.hexdigest()}"


@contextmanager
def opened(name: Path | str, parent: int | None = None) -> Iterator[int]:
    """A directory, open for the time of the block; below a parent no link is followed. Raises
    `OSError`."""
    descriptor = os.open(name, DIRECTORY if parent is not None else os.O_RDONLY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def made(name: str, parent: int) -> Iterator[int]:
    """The same for one that need not be there yet."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    with opened(name, parent) as descriptor:
        yield descriptor
