"""The line of every key of a TOML text; the text has already been found valid."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect
from typing import Final

from aura.config.source import KeyPath

_BLANKS: Final = re.compile(r"[ \t]*")
_GAP: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)


def lines(text: str) -> dict[KeyPath, int]:
    """Map each key path to the line, counted from 1, on which the key is written.

    Elements of arrays are keyed by position; tables that are only implied have the line of the
    first key that implies them.
    """
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return scan.found


class _Scan:
    """One pass over a text; trusts it to be valid TOML."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, int] = {}
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._sizes: dict[KeyPath, int] = {}

    def document(self) -> None:
        """Every header and every key below it."""
        table: KeyPath = ()
        self._take(_GAP)
        while self.at < len(self.text):
            if self._skip("[["):
                table = self._element()
            elif self._skip("["):
                table = self._table()
            else:
                self._pair(table)
            self._take(_GAP)

    def _element(self) -> KeyPath:
        start = self.at
        *parents, last = self._key()
        array = (*self._within(parents, start), last)
        position = self._sizes.get(array, 0)
        self._sizes[array] = position + 1
        self._note(array, start)
        self._note((*array, position), start)
        self.at += len("]]")
        return (*array, position)

    def _table(self) -> KeyPath:
        start = self.at
        *parents, last = self._key()
        path = (*self._within(parents, start), last)
        self.found[path] = self._line(start)
        self.at += len("]")
        return path

    def _within(self, parents: list[str], start: int) -> KeyPath:
        """The path of a header's parents: of an array of tables, its last element is meant."""
        path: KeyPath = ()
        for part in parents:
            path = (*path, part)
            self._note(path, start)
            if path in self._sizes:
                path = (*path, self._sizes[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        path, start = table, self.at
        for part in self._key():
            path = (*path, part)
            self._note(path, start)
        self.at += len("=")
        self._take(_BLANKS)
        self._value(path)

    def _key(self) -> list[str]:
        """A dotted key and the blanks around it."""
        parts = []
        while True:
            self._take(_BLANKS)
            if self.text[self.at] in "\"'":
                parts.append(str(tomllib.loads(f"key = {self._take(_STRING)}")["key"]))
            else:
                parts.append(self._take(_WORD))
            self._take(_BLANKS)
            if not self._skip("."):
                return parts

    def _value(self, path: KeyPath) -> None:
        if self._skip("["):
            self._array(path)
        elif self._skip("{"):
            self._inline(path)
        else:
            self._take(_STRING if self.text[self.at] in "\"'" else _SCALAR)

    def _array(self, path: KeyPath) -> None:
        position = 0
        self._take(_GAP)
        while not self._skip("]"):
            self._note((*path, position), self.at)
            self._value((*path, position))
            position += 1
            self._take(_GAP)
            self._skip(",")
            self._take(_GAP)

    def _inline(self, path: KeyPath) -> None:
        self._take(_GAP)
        while not self._skip("}"):
            self._pair(path)
            self._take(_GAP)
            self._skip(",")
            self._take(_GAP)

    def _note(self, path: KeyPath, start: int) -> None:
        self.found.setdefault(path, self._line(start))

    def _line(self, start: int) -> int:
        return bisect(self._ends, start - 1) + 1

    def _skip(self, mark: str) -> bool:
        skipped = self.text.startswith(mark, self.at)
        self.at += len(mark) if skipped else 0
        return skipped

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not valid TOML at character {self.at}")
        self.at = match.end()
        return match.group()
