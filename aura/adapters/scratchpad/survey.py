"""Where things are in a text: how many lines end up to each of its parts, and for JSON the members
of its large containers. Pure.

Imports nothing of ours: `filing` runs in a process of its own for large texts.
"""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

import msgspec

BLOCK = 16 * 1024
"""Bytes between two entries of an index."""

WORTH_KEEPING = 64 * 1024
"""Bytes of a container whose members are remembered."""

DEEPEST = 6
"""Levels of a document that are surveyed."""

MOST_ENTERED = 200
"""Containers that are looked into; of the others only the end is searched for."""

KEY = re.compile(rb'"((?:[^"\\]|\\.)*+)": (.)', re.DOTALL)

_OPENINGS = (b"{\n", b"[\n")


class Members(NamedTuple):
    """Where the lines of the members of a container begin, and for an object the number of the
    last one under each key."""

    starts: array[int]
    numbers: dict[str, int]


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """Members, as they go from one process to another."""

    starts: bytes
    numbers: dict[str, int]

    def members(self) -> Members:
        """They."""
        return Members(_unpacked(self.starts), self.numbers)


class Survey(msgspec.Struct, frozen=True):
    """What is known of a text: its bytes, its lines, how many have ended up to the end of each
    block, and the containers that are worth it by the byte at which each begins."""

    size: int
    lines: int
    ends: bytes
    containers: dict[int, Packed]

    def ends_of_blocks(self) -> array[int]:
        """How many lines have ended up to the end of each block."""
        return _unpacked(self.ends)


def surveyed(data: bytes, *, is_json: bool, least: int = WORTH_KEEPING) -> Survey:
    """Look through a text; JSON has to be pretty-printed with two blanks of indentation, and its
    containers are worth it from so many bytes on."""
    ends, ended = array("Q"), 0
    for block in range(0, len(data), BLOCK):
        ended += data.count(b"\n", block, block + BLOCK)
        ends.append(ended)
    lines = ended + (bool(data) and not data.endswith(b"\n"))
    containers = _Walk(data, least).containers() if is_json else {}
    return Survey(len(data), lines, ends.tobytes(), containers)


def decoded(key: bytes) -> str:
    """A key from between its quotes."""
    if b"\\" not in key:
        return key.decode(errors="replace")
    return msgspec.json.decode(b'"' + key + b'"', type=str)


def _unpacked(numbers: bytes) -> array[int]:
    unpacked = array("Q")
    unpacked.frombytes(numbers)
    return unpacked


class _Walk:
    """The way through a document from its first byte to its last, which is passed only once: the
    end of a container is behind the end of its last member."""

    def __init__(self, data: bytes, least: int) -> None:
        self._data = data
        self._least = least
        self._found: dict[int, Packed] = {}
        self._entered = 0

    def containers(self) -> dict[int, Packed]:
        """Those that are large."""
        self._container(0, 0)
        return self._found

    def _container(self, start: int, depth: int) -> int:
        """The byte behind a container."""
        self._entered += 1
        data, margin = self._data, b" " * (2 * depth + 2)
        keys = data.startswith(b"{", start)
        starts, numbers = array("Q"), dict[str, int]()
        line = start + 2
        while data.startswith(margin, line):
            value = line + len(margin)
            if keys and (match := KEY.match(data, value)):
                numbers[decoded(match[1])] = len(starts)
                value = match.end() - 1
            starts.append(line)
            if data.startswith(_OPENINGS, value):
                if depth < DEEPEST and self._entered < MOST_ENTERED and (keys or len(starts) == 1):
                    value = self._container(value, depth + 1)
                elif keys:
                    value = self._closed(value, margin)
                else:
                    value = self._alike(value, margin, starts)
            line = data.find(b"\n", value) + 1
        end = line + 2 * depth + 1
        if end - start >= self._least:
            self._found[start] = Packed(starts.tobytes(), numbers)
        return end

    def _closed(self, opening: int, margin: bytes) -> int:
        """The byte behind the closing sign of something that opens."""
        sign = b"}" if self._data.startswith(b"{", opening) else b"]"
        return self._data.index(b"\n" + margin + sign, opening) + len(margin) + 2

    def _alike(self, opening: int, margin: bytes, starts: array[int]) -> int:
        """The same for an element of a list, and for all behind it that are of the same kind."""
        data = self._data
        pair = b"{}" if data.startswith(b"{", opening) else b"[]"
        closing = re.compile(b"\n" + margin + re.escape(pair[1:]))
        behind = b",\n" + margin + pair[:1] + b"\n"
        for match in closing.finditer(data, opening):
            end = match.end()
            if not data.startswith(behind, end):
                return end
            starts.append(end + 2)
        return len(data)
