"""The text of one argument of a tool call, while the model is still writing it. Pure."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4}")
_PLAIN: Final = re.compile(r'[^"\\]+')
_SPACE: Final = " \t\n\r"
_REPLACEMENT: Final = "\ufffd"


class SpokenArgument:
    """Reads the JSON object of a call in pieces of any size, and gives the text of the member
    `name` of the object itself as far as it is known.

    Gives nothing for what is no string, and nothing more once the text is no JSON; whoever decodes
    the whole call says what is wrong with it. A surrogate that stands alone becomes U+FFFD, as it
    cannot be sent to anyone (RFC 8259, section 8.2).
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._depth = 0
        self._key: str | None = None
        self._expects_key = False
        self._text: list[str] | None = None
        self._found = False
        self._rest = ""
        self._high = ""
        self._broken = False

    def feed(self, piece: str) -> str:
        """What the next piece of the call adds to the text."""
        if self._broken or not piece:
            return ""
        data, self._rest = self._rest + piece, ""
        said: list[str] = []
        place = 0
        while place < len(data) and not self._broken:
            if self._text is None:
                place = self._structure(data, place)
                continue
            after = self._character(data, place, said)
            if after is None:
                self._rest = data[place:]
                break
            place = after
        return "".join(said)

    def _structure(self, data: str, place: int) -> int:
        """One character outside of strings."""
        character = data[place]
        if character == '"':
            self._text = []
        elif character in "{[":
            self._depth += 1
            self._expects_key = character == "{" and self._depth == 1
        elif character in "}]":
            self._depth -= 1
        elif self._depth == 1 and character == ",":
            self._key, self._expects_key = None, True
        elif self._depth == 1 and character == ":":
            self._expects_key = False
        elif self._depth == 0 and character not in _SPACE:
            self._broken = True
        return place + 1

    def _character(self, data: str, place: int, said: list[str]) -> int | None:
        """Characters within a string; nothing when what follows has to be known first."""
        plain = _PLAIN.match(data, place)
        if plain is not None:
            self._add(plain.group(), said)
            return plain.end()
        if data[place] == '"':
            self._add("", said)
            self._end()
            return place + 1
        if place + 1 == len(data):
            return None
        escaped = data[place + 1]
        if escaped != "u":
            if escaped not in _ESCAPES:
                self._broken = True
            self._add(_ESCAPES.get(escaped, ""), said)
            return place + 2
        if len(data) < place + 6:
            return None
        digits = _HEX.match(data, place + 2)
        if digits is None:
            self._broken = True
            return place + 2
        self._unit(int(digits.group(), 16), said)
        return place + 6

    def _unit(self, unit: int, said: list[str]) -> None:
        """A UTF-16 code unit; the first half of a pair waits for the other one."""
        if self._high and 0xDC00 <= unit <= 0xDFFF:
            character = chr(0x10000 + ((ord(self._high) - 0xD800) << 10) + (unit - 0xDC00))
            self._high = ""
            self._add(character, said)
            return
        self._add("", said)
        if 0xD800 <= unit <= 0xDBFF:
            self._high = chr(unit)
        else:
            self._add(_REPLACEMENT if 0xDC00 <= unit <= 0xDFFF else chr(unit), said)

    def _add(self, text: str, said: list[str]) -> None:
        if self._high:
            self._high = ""
            text = _REPLACEMENT + text
        if self._is_wanted():
            said.append(text)
        elif self._text is not None and self._depth == 1 and self._expects_key:
            self._text.append(text)

    def _is_wanted(self) -> bool:
        return (
            not self._found
            and self._depth == 1
            and not self._expects_key
            and self._key == self._name
        )

    def _end(self) -> None:
        if self._expects_key and self._depth == 1:
            self._key = "".join(self._text or ())
        elif self._is_wanted():
            self._found = True
        self._text = None
