"""What is in an open directory, as JSON for a model."""

from __future__ import annotations

import os
import stat
from typing import Literal

import msgspec

from aura.adapters.filesystem.names import names

MOST_ENTRIES = 1000
MOST_SCANNED = 20_000
"""Entries of a listing, and names in a directory that are looked at to make one."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One name in a directory; links are not followed. Only files have a size.

    `other` is what cannot be read: devices, pipes, sockets and names that are not UTF-8.
    """

    name: str
    type: Literal["file", "directory", "link", "other"]
    size: int | None = None


class Listing(msgspec.Struct, frozen=True):
    """A directory: `total` names that are not hidden, the first of which are the entries.

    `truncated` if there are more than these, or more than were looked at.
    """

    path: str
    entries: tuple[Entry, ...]
    total: int
    hidden: int
    truncated: bool


def listing(directory: int, path: str) -> str:
    """An open directory under the path that the model knows it by."""
    seen = names(directory, most=MOST_SCANNED)
    shown = seen.visible[:MOST_ENTRIES]
    described = Listing(
        path=path,
        entries=tuple(_entry(directory, name) for name in shown),
        total=len(seen.visible),
        hidden=seen.hidden,
        truncated=seen.more or len(shown) < len(seen.visible),
    )
    return msgspec.json.encode(described).decode()


def _entry(directory: int, name: str) -> Entry:
    written = os.fsencode(name)
    try:
        text = written.decode()
        info = os.stat(written, dir_fd=directory, follow_symlinks=False)
    except (UnicodeDecodeError, OSError):  # removed since, or of no use to a model
        return Entry(written.decode(errors="replace"), "other")
    if stat.S_ISREG(info.st_mode):
        return Entry(text, "file", info.st_size)
    if stat.S_ISDIR(info.st_mode):
        return Entry(text, "directory")
    return Entry(text, "link" if stat.S_ISLNK(info.st_mode) else "other")
