"""Where in which file a key is, so that every message can say so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from aura.errors import Problem

KeyPath: TypeAlias = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """The path as TOML spells it; a position in an array counts from 0."""
    return ".".join(
        part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
        for part in map(str, path)
    )


class Source(msgspec.Struct, frozen=True):
    """A file and the line of each of its keys."""

    file: str = ""
    lines: Mapping[KeyPath, int] = {}

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest table around it; 0 when neither is known."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def problem(self, path: KeyPath, message: str, *, kind: str = "validation") -> Problem:
        """A problem with the key at `path`."""
        return Problem(self.file, self.line(path), dotted(path), message, kind)
