"""Finding where a bracketed piece of text ends, or that it is no call. Pure and incremental."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, TypeAlias

from aura.pipeline.printed.calls import KEYS

State: TypeAlias = Literal["open", "closed", "broken", "other"]

PAIRS = {"{": "}", "[": "]", "(": ")"}

_UNTIL = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_SPACE = " \t\r\n"


class Brackets:
    """Goes through text from an opening bracket, or quotation mark, to the one that closes it;
    brackets in strings do not count. `quotes` are the characters that begin a string."""

    def __init__(self, quotes: str) -> None:
        self.state: State = "open"
        self._special = re.compile(rf"[{quotes}{{}}\[\]()]")
        self._closing: list[str] = []
        self._quote = ""
        self._escaped = False

    def go(self, text: str, place: int) -> int:
        """Go on from here; gives the place behind what was read, which is the end of the text as
        long as the piece is open."""
        while place < len(text) and self.state == "open":
            place = self._string(text, place) if self._quote else self._plain(text, place)
        return place

    def _plain(self, text: str, place: int) -> int:
        found = self._special.search(text, place)
        if found is None:
            return len(text)
        if found[0] in PAIRS:
            self._closing.append(PAIRS[found[0]])
        elif found[0] not in "}])":
            self._quote = found[0]
        elif self._closing.pop() != found[0]:
            self.state = "broken"
        elif not self._closing:
            self.state = "closed"
        return found.end()

    def _string(self, text: str, place: int) -> int:
        if self._escaped:
            self._escaped = False
            return place + 1
        found = _UNTIL[self._quote].match(text, place)
        end = place if found is None else found.end()
        if end == len(text):
            return end
        if text[end] == "\\":
            self._escaped = True
        else:
            self._quote = ""
            if not self._closing:
                self.state = "closed"
        return end + 1


class ObjectScan:
    """Goes through a JSON object that may be a call of one of `names`. The state is "other" as soon
    as it is certainly something else: it has a member that no call has, or another name."""

    def __init__(self, names: Collection[str]) -> None:
        self.state: State = "open"
        self._names = names
        self._inner: Brackets | None = None
        self._expects: Literal["begin", "key", "colon", "value", "scalar", "comma"] = "begin"
        self._word: str | None = None
        self._key: str | None = None

    def go(self, text: str, place: int) -> int:
        """Go on from here; gives the place behind what was read."""
        while place < len(text) and self.state == "open":
            if self._inner is not None:
                place = self._within(self._inner, text, place)
            elif self._word is not None:
                place = self._spell(self._word, text, place)
            else:
                self._take(text[place])
                place += self._inner is None
        return place

    def _within(self, inner: Brackets, text: str, place: int) -> int:
        """In the value of a member."""
        place = inner.go(text, place)
        if inner.state == "broken":
            self.state = "broken"
        elif inner.state == "closed":
            self._inner = None
        return place

    def _spell(self, word: str, text: str, place: int) -> int:
        """In the name of a member or of the tool, of which each piece is looked at."""
        end = text.find('"', place)
        self._word = word = word + text[place : None if end < 0 else end]
        known = KEYS if self._key is None else self._names
        if end < 0:
            if not any(each.startswith(word) for each in known):
                self.state = "other"
            return len(text)
        if word not in known:
            self.state = "other"
        self._key = word if self._key is None else None
        self._expects = "comma" if self._key is None else "colon"
        self._word = None
        return end + 1

    def _take(self, char: str) -> None:
        """A character between the members of the object."""
        expects = self._expects
        if char in _SPACE:
            return
        if char == "}" and expects in {"key", "scalar", "comma"}:
            self.state = "closed"
        elif expects == "begin" and char == "{":
            self._expects = "key"
        elif expects == "key" and char == '"':
            self._word, self._key = "", None
        elif expects == "colon" and char == ":":
            self._expects = "value"
        elif expects in {"scalar", "comma"} and char == ",":
            self._expects = "key"
        elif expects == "value":
            self._value(char)
        elif expects != "scalar" or not (char.isalnum() or char in "+-."):
            self.state = "broken"

    def _value(self, char: str) -> None:
        if self._key == "name":
            if char == '"':
                self._word = ""
            else:
                self.state = "other"
            return
        self._key = None
        self._expects = "comma"
        if char in '"{[':
            self._inner = Brackets('"')
        elif char.isalnum() or char == "-":
            self._expects = "scalar"
        else:
            self.state = "broken"
