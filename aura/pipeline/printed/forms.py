"""The forms in which models write calls, while the text is still coming. Pure and incremental.

Each form is a generator that goes on when there is more text and returns what it found.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from aura.pipeline.printed.calls import NAME, Calls, PrintedCall, in_json, in_markup, in_python
from aura.pipeline.printed.scan import Brackets, ObjectScan

TOOL_CALL = "<tool_call>"
TOOL_CALL_END = "</tool_call>"
FUNCTION = "<function="

LONGEST_NAME = 128
"""Characters in which the name of a function ends."""

_NAME = re.compile(NAME)
_FUNCTION_END = re.compile(rf"</function>|{TOOL_CALL_END}")
_OVERLAP = len(TOOL_CALL_END)


class Outcome(NamedTuple):
    """The calls that were found, which end at `end`, or none. With `brackets` it is something else
    in brackets, all of which is text."""

    calls: Calls | None = None
    end: int = 0
    brackets: bool = False


NONE = Outcome()
DATA = Outcome(brackets=True)

Form: TypeAlias = Generator[None, None, Outcome]


class Source(Protocol):
    """Where the text comes from; it grows at its end."""

    text: str

    def more(self) -> Generator[None, None, bool]:
        """Wait for more of it; false when there will be none."""
        ...


class Forms:
    """Recognises calls of `names` in the text of a source."""

    def __init__(self, names: Sequence[str], source: Source) -> None:
        self._names = names
        self._source = source

    def call(self, place: int) -> Form:
        """Calls in any form that begins here."""
        match self._source.text[place]:
            case "{":
                return self._object(place)
            case "[":
                return self._list(place)
            case _:
                return self._markup(place)

    def block(self, place: int, fence: str) -> Form:
        """A block of code with nothing but calls in it, up to the fence that ends it."""
        calls: list[PrintedCall] = []
        while True:
            place = yield from self._visible(place)
            if calls and (yield from self._is_at(place, fence)):
                return Outcome(calls, place + len(fence))
            if self._source.text[place : place + 1] not in {"{", "[", "<"}:
                at_end = place == len(self._source.text)
                return Outcome(calls, place) if calls and at_end else NONE
            found = yield from self.call(place)
            if found.calls is None:
                return NONE
            calls += found.calls
            place = found.end

    def _object(self, place: int) -> Form:
        """A call as a JSON object."""
        scan, end = ObjectScan(self._names), place
        while True:
            end = scan.go(self._source.text, end)
            if scan.state != "open":
                break
            if not (yield from self._source.more()):
                return DATA
        if scan.state == "broken":
            return NONE
        calls = (
            in_json(self._source.text[place:end], self._names) if scan.state == "closed" else None
        )
        return DATA if calls is None else Outcome(calls, end)

    def _list(self, place: int) -> Form:
        """Calls in a list: of JSON objects, or as in Python."""
        inner = yield from self._visible(place + 1)
        first = self._source.text[inner : inner + 1]
        if first == "{":
            return (yield from self._objects(inner))
        if first.isdigit() or first in {'"', "[", "-"}:
            return DATA
        return (yield from self._expressions(inner))

    def _objects(self, place: int) -> Form:
        calls: list[PrintedCall] = []
        while True:
            found = yield from self._object(place)
            if found.calls is None:
                return found
            calls += found.calls
            place = yield from self._visible(found.end)
            after = self._source.text[place : place + 1]
            if after == "]":
                return Outcome(calls, place + 1)
            if after != ",":
                return NONE
            place = yield from self._visible(place + 1)
            if self._source.text[place : place + 1] != "{":
                return NONE

    def _expressions(self, place: int) -> Form:
        names: list[str] = []
        arguments: list[str] = []
        while True:
            name = yield from self._name(place)
            if not name:
                return NONE
            begin = yield from self._visible(place + len(name))
            if self._source.text[begin : begin + 1] != "(":
                return NONE
            end = yield from self._closed(begin)
            if not end:
                return NONE
            names.append(name)
            arguments.append(self._source.text[begin + 1 : end - 1])
            place = yield from self._visible(end)
            after = self._source.text[place : place + 1]
            if after == "]":
                return Outcome(in_python(names, arguments), place + 1)
            if after != ",":
                return NONE
            place = yield from self._visible(place + 1)

    def _name(self, place: int) -> Generator[None, None, str]:
        """The name of a tool; empty when another one is written here, or none."""
        while True:
            found = _NAME.match(self._source.text, place)
            word = found[0] if found else ""
            whole = place + len(word) < len(self._source.text)
            if whole or not any(name.startswith(word) for name in self._names):
                return word if word in self._names else ""
            if not (yield from self._source.more()):
                return ""

    def _closed(self, place: int) -> Generator[None, None, int]:
        """The place behind the bracket that closes the one here; 0 when there is none."""
        brackets, end = Brackets("\"'"), place
        while True:
            end = brackets.go(self._source.text, end)
            if brackets.state != "open":
                return end if brackets.state == "closed" else 0
            if not (yield from self._source.more()):
                return 0

    def _markup(self, place: int) -> Form:
        """A call between tags."""
        if (yield from self._is_at(place, FUNCTION)):
            found = yield from self._function(place)
            if found.calls is None:
                return found
            after = yield from self._visible(found.end)  # some models end twice
            stray = yield from self._is_at(after, TOOL_CALL_END)
            return Outcome(found.calls, after + len(TOOL_CALL_END)) if stray else found
        if (yield from self._is_at(place, TOOL_CALL)):
            return (yield from self._wrapped(place + len(TOOL_CALL)))
        return NONE

    def _wrapped(self, place: int) -> Form:
        """Calls within `<tool_call>`, whose end may be missing where the text ends."""
        calls: list[PrintedCall] = []
        while True:
            place = yield from self._visible(place)
            if calls and (yield from self._is_at(place, TOOL_CALL_END)):
                return Outcome(calls, place + len(TOOL_CALL_END))
            if self._source.text[place : place + 1] == "{":
                found = yield from self._object(place)
            elif (yield from self._is_at(place, FUNCTION)):
                found = yield from self._function(place)
            else:
                return Outcome(calls, place) if calls else NONE
            if found.calls is None:
                return NONE
            calls += found.calls
            ended = self._source.text.endswith(TOOL_CALL_END, place, found.end)
            place = found.end
            if ended:
                return Outcome(calls, place)

    def _function(self, place: int) -> Form:
        """One `<function=NAME>` with its parameters."""
        begin = place + len(FUNCTION)
        while (close := self._source.text.find(">", begin)) < 0:
            word = self._source.text[begin:].strip()
            known = any(name.startswith(word) for name in self._names)
            if not known or len(self._source.text) - begin > LONGEST_NAME:
                return NONE
            if not (yield from self._source.more()):
                return NONE
        if self._source.text[begin:close].strip() not in self._names:
            return NONE
        searched = close
        while (found := _FUNCTION_END.search(self._source.text, searched)) is None:
            searched = max(close, len(self._source.text) - _OVERLAP)
            if not (yield from self._source.more()):
                return NONE
        text = self._source.text[place : found.end()]
        return Outcome(in_markup(text, self._names), found.end())

    def _visible(self, place: int) -> Generator[None, None, int]:
        """The place of the next character that can be seen, or the end of all text."""
        while True:
            text = self._source.text
            while place < len(text) and text[place].isspace():
                place += 1
            if place < len(text) or not (yield from self._source.more()):
                return place

    def _is_at(self, place: int, word: str) -> Generator[None, None, bool]:
        """Whether a word is written here."""
        while True:
            written = self._source.text[place : place + len(word)]
            if written == word or not word.startswith(written):
                return written == word
            if not (yield from self._source.more()):
                return False
