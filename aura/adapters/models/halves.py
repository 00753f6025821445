"""Characters that a server cut in two. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_ESCAPE = re.compile(
    rb"""\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})(?P<pair>\\u[dD][c-fC-F][0-9a-fA-F]{2})?
    |u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})
    |.)""",
    re.VERBOSE | re.DOTALL,
)


class Halves:
    """Reads the JSON of one answer, whose texts may be cut where JavaScript can cut them: within a
    surrogate pair (RFC 8259, section 8.2). A first half goes to where the second one is."""

    def __init__(self) -> None:
        self._high = b""

    def read(self, decode: Callable[[bytes], T], payload: bytes) -> T:
        """What a payload says. Raises `ValueError` when it is no JSON, or of another shape."""
        try:
            return decode(payload)
        except ValueError:
            mended = _ESCAPE.sub(self._mended, payload)
            if mended == payload:
                raise
            return decode(mended)

    def _mended(self, found: re.Match[bytes]) -> bytes:
        if found["high"] and not found["pair"]:
            self._high = found[0]
            return b""
        if found["low"]:
            high, self._high = self._high, b""
            return high + found[0] if high else rb"\ufffd"
        return found[0]
