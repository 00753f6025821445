"""Server-sent events as bytes: what arrived goes in, the data of whole events comes out."""

from __future__ import annotations

MAX_EVENT = 64 * 1024 * 1024
"""Bytes that one event may take."""

_BOM = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """Raised when an event grows beyond `MAX_EVENT`."""


class Splitter:
    """Cuts a byte stream into the `data` of its events, wherever the reads fall.

    Comments and all other fields are dropped; events without `data` are none. After
    normalising the line ends an event ends at the first empty line, so nothing but whole events
    is ever looked at. Reads of whole events, the normal case, are not copied; plain `data: ...`
    frames are cut by one `split`.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._held = 0
        self._after_cr = False
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that `data` completes, in order. Raises `EventTooLarge`."""
        if not self._rest and not self._after_cr:
            whole = data.replace(b"\r\n", b"\n") if data.endswith(b"\r\n") else data
            if whole.endswith(b"\n\n") and b"\r" not in whole:
                return self._events(whole[:-2])
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not data:
            return []
        across = bool(self._rest) and data[0] == 0x0A and self._rest[-1][-1] == 0x0A
        if not across and b"\n\n" not in data:
            self._hold(data)
            return []
        if self._rest:
            data = b"".join((*self._rest, data))
            self._rest.clear()
            self._held = 0
        end = data.rfind(b"\n\n")
        self._hold(data[end + 2 :])
        return self._events(data[:end])

    def flush(self) -> list[bytes]:
        """The data of a last event that no empty line has ended."""
        rest = b"".join(self._rest)
        self._rest.clear()
        self._held = 0
        return self._events(rest)

    def _hold(self, data: bytes) -> None:
        if data:
            self._held += len(data)
            self._rest.append(data)
        if self._held > MAX_EVENT:
            raise EventTooLarge(f"a server-sent event is larger than {MAX_EVENT} bytes")

    def _events(self, block: bytes) -> list[bytes]:
        events = _plain(block)
        if events is not None:
            self._begun = True
            return events
        if not self._begun and block:
            self._begun = True
            block = block.removeprefix(_BOM)
        return [data for event in block.split(b"\n\n") if (data := _data(event)) is not None]


def _plain(block: bytes) -> list[bytes] | None:
    """The data of a block of nothing but `data: ...` lines, one to an event."""
    if not block.startswith(b"data: "):
        return None
    events = block[6:].split(b"\n\ndata: ")
    text = events[0] if len(events) == 1 else b"".join(events)
    return None if b"\n" in text or b"\r" in text else events


def _data(event: bytes) -> bytes | None:
    """The `data` lines of one event, joined, or `None` when it has none.

    Most have one, behind their name. Servers that fail may send their error as a field of its own,
    or bare.
    """
    head, _, line = event.partition(b"\n")
    if head.startswith(b"event:") and line.startswith(b"data: ") and b"\n" not in line:
        return line[6:]
    lines = [
        line[5:].removeprefix(b" ")
        for line in event.split(b"\n")
        if line.startswith(b"data:") or line == b"data"
    ]
    if lines:
        return b"\n".join(lines)
    bare = event.strip().removeprefix(b"error:").lstrip()
    return bare if bare.startswith(b"{") else None
