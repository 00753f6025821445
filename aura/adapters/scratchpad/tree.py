"""JSON that was written with two blanks of indentation, explored without reading all of it.

In such a file every value begins on a line of its own and its depth is its indentation, so the
members of a container are the lines that are indented by two more than it.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from aura.adapters.patterns import Expression, in_lines, literal
from aura.adapters.scratchpad.index import breathe
from aura.adapters.scratchpad.paths import Step
from aura.adapters.scratchpad.refusals import ToolFailed, changed
from aura.adapters.scratchpad.survey import KEY, WORTH_KEEPING, Members, decoded
from aura.adapters.scratchpad.text import Piece, Text

Kind: TypeAlias = Literal["object", "array", "string", "number", "bool", "null"]

KINDS: dict[int, Kind] = {
    ord("{"): "object",
    ord("["): "array",
    ord('"'): "string",
    ord("t"): "bool",
    ord("f"): "bool",
    ord("n"): "null",
}

BATCH = 2 * 1024 * 1024
"""Bytes of elements that are read at once."""

LONGEST_KEY = 100
"""Characters of a key that an error shows."""

USUAL_KEY = 256
"""Bytes of a line that are read to learn its key, unless that takes more."""

CLOSING = {b"{": b"}", b"[": b"]"}

ESCAPE = r"\\(?:u00[2-7]|/)"
ANY_ESCAPE = r"\\"
"""Regular expressions for what a sign of ASCII may be written as: the second one also for those
that have to be."""


class Node(NamedTuple):
    """A value: the bytes that it is written in, how deep it is, what it is, and its key in an
    object."""

    start: int
    end: int
    depth: int
    kind: Kind
    key: str = ""

    @property
    def size(self) -> int:
        """The length of its JSON text in bytes, indentation included."""
        return self.end - self.start


NO_MEMBERS = Members(array("Q"), {})


class Missing(Exception):
    """Raised when a path leads nowhere: `at` is the last value on it, reached by `done` steps."""

    def __init__(self, at: Node, done: int) -> None:
        super().__init__(at, done)
        self.at = at
        self.done = done


class Tree:
    """The document in a file. Raises `ToolFailed` if there is none; every method can raise
    `OSError`."""

    def __init__(self, text: Text) -> None:
        first = text.read(0, 1)
        if first not in (b"{", b"[") or not text.name.endswith(".json"):
            raise ToolFailed(
                f"{text.name!r} is not JSON. Explore it with head, grep, slice or read"
                " (and with schema, if it is markdown)."
            )
        self.root = Node(0, text.size, 0, KINDS[first[0]])
        self._text = text

    def at(self, steps: Sequence[Step]) -> Node:
        """The value at the end of a path. Raises `Missing`."""
        node = self.root
        for done, step in enumerate(steps):
            found = self._member(node, step)
            if found is None:
                raise Missing(node, done)
            node = found
        return node

    def count(self, node: Node) -> int:
        """How many members an object or a list has."""
        return len(self._members(node).starts)

    def members(self, node: Node, first: int = 0, last: int | None = None) -> Iterator[Node]:
        """The members of a container in their order, or those of a range, the last one left out."""
        starts = self._members(node).starts
        for number in range(first, len(starts) if last is None else min(last, len(starts))):
            yield self._node(node, starts, number)

    def keys(self, node: Node, most: int) -> list[str]:
        """The first keys of an object, to be shown: of long ones the beginning."""
        keys = (member.key for member in self.members(node, 0, most))
        return [key if len(key) <= LONGEST_KEY else f"{key[:LONGEST_KEY]}..." for key in keys]

    def items(
        self, node: Node, first: int, last: int, word: bytes | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """The elements of a list from one to another, the last one left out, with their numbers.
        With a `word` only those in whose text it is, and those that may have it written in another
        way."""
        starts = self._members(node).starts
        narrow = None if word is None else Narrow(word)
        indent = 2 * node.depth + 2
        while first < last:
            stop = bisect_left(starts, starts[first] + BATCH, first + 1, last)
            end = starts[stop] if stop < len(starts) else node.end - 2 * node.depth
            base = starts[first]
            data = self._text.read(base, end - base)
            numbers = range(first, stop)
            for number in numbers if narrow is None else narrow.within(data, starts, numbers):
                begin = starts[number] - base + indent
                until = starts[number + 1] - base if number + 1 < stop else end - base
                if begin >= until - 2:
                    raise changed()
                yield number, data[begin : until - 2]
            if narrow is None:  # else others can run while the word is searched for
                breathe()
            first = stop

    def raw(self, node: Node) -> bytes:
        """The JSON text of a value, indented as it is in the file."""
        return self._text.read(node.start, node.size)

    def lines(self, node: Node) -> tuple[int, int]:
        """The lines that a value is on, from first to last."""
        return self._text.line_at(node.start), self._text.line_at(node.end)

    def _member(self, node: Node, step: Step) -> Node | None:
        members = self._members(node)
        number: int | None = None
        if node.kind == "object":
            number = members.numbers.get(str(step))
        elif node.kind == "array" and step.number is not None:
            count = len(members.starts)
            number = step.number + count if step.number < 0 else step.number
            number = number if 0 <= number < count else None
        return None if number is None else self._node(node, members.starts, number)

    def _node(self, parent: Node, starts: array[int], number: int) -> Node:
        """One of the members of a container."""
        start = starts[number] + 2 * (parent.depth + 1)
        last = number + 1 == len(starts)
        end = parent.end - 2 * parent.depth - 2 if last else starts[number + 1] - 2
        if parent.kind == "array":
            return Node(start, end, parent.depth + 1, _kind(self._text.read(start, 1)))
        match = KEY.match(self._text.read(start, min(USUAL_KEY, end - start)))
        if match is None:
            match = KEY.match(self._text.read(start, end - start))
        if match is None:
            raise changed()
        value = start + match.end() - 1
        return Node(value, end, parent.depth + 1, _kind(match[2]), decoded(match[1]))

    def _members(self, node: Node) -> Members:
        """What is in a container; of a large one it is remembered."""
        if node.kind not in ("object", "array") or node.size <= 2:
            return NO_MEMBERS
        if node.size < WORTH_KEEPING:
            return self._scanned(node)
        known = self._text.index.members
        found = known.get(node.start)
        if found is None:
            found = known[node.start] = self._scanned(node)
        return found

    def _scanned(self, node: Node) -> Members:
        """Look at the first line of each member only: the last one of a container is the next that
        closes something at the same depth."""
        scan = _Scan(2 * node.depth + 2, keys=node.kind == "object")
        for piece in self._text.pieces(node.start + 2, node.end - 2 * node.depth - 1):
            scan.feed(piece)
            breathe()
        return Members(scan.starts, scan.numbers)


class _Scan:
    """The search for the members of a container, which are indented by so many blanks."""

    def __init__(self, indent: int, *, keys: bool) -> None:
        self.starts = array("Q")
        self.numbers: dict[str, int] = {}
        self._keys = keys
        self._margin = b"\n" + b" " * indent
        self._closings = {
            opening: re.compile(self._margin + re.escape(closing))  # faster than `bytes.find`
            for opening, closing in CLOSING.items()
        }
        self._closing: re.Pattern[bytes] | None = None

    def feed(self, piece: Piece) -> None:
        """Look at some more lines."""
        data = b"\n" + piece.data[: piece.length]
        place, end = 0, len(data) - 1
        while place < end:
            if self._closing is not None:
                closed = self._closing.search(data, place)
                if closed is None:
                    return
                self._closing = None
                place = data.find(b"\n", closed.end())
            else:
                self.starts.append(piece.start + place)
                place = self._behind(data, place + len(self._margin))
            if place < 0:
                return

    def _behind(self, data: bytes, value: int) -> int:
        """The end of a member's first line."""
        if self._keys:
            match = KEY.match(data, value)
            if match is None:
                raise changed()
            self.numbers[decoded(match[1])] = len(self.starts) - 1
            value = match.end() - 1
        closing = self._closings.get(data[value : value + 1])
        if closing is not None and data.startswith(b"\n", value + 1):
            self._closing = closing
            return value + 1
        return data.find(b"\n", value)


class Narrow:
    """The search for elements that have a word in their text, or may have it in it written in
    another way."""

    def __init__(self, word: bytes) -> None:
        self._word = literal(word)
        escapes = ANY_ESCAPE if any(sign in word for sign in (b'"', b"\\")) else ESCAPE
        self._escape = in_lines(escapes)[0]

    def within(self, data: bytes, starts: array[int], numbers: range) -> Iterable[int]:
        """Which elements of a part of a list they are."""
        found = set(_having(self._word, data, starts, numbers))
        if b"\\" in data:
            found.update(_having(self._escape, data, starts, numbers))
        return sorted(found)


def _having(
    expression: Expression, data: bytes, starts: array[int], numbers: range
) -> Iterator[int]:
    """The elements in whose text there is a match."""
    base, place, end = starts[numbers.start], 0, len(data)
    while (match := expression.search(data, place, end)) is not None:
        number = bisect_right(starts, base + match.span()[0], numbers.start, numbers.stop) - 1
        yield number
        if number + 1 == numbers.stop:
            return
        place = starts[number + 1] - base


def _kind(first: bytes) -> Kind:
    return KINDS.get(first[0], "number") if first else "null"
