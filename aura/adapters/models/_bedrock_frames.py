"""AWS's event stream encoding: lengths, checksums, headers and a payload. Pure and incremental.

botocore has a decoder, too, which takes several times as long for each piece of text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

LONGEST = 16 * 1024 * 1024
"""Bytes of a message: what AWS allows, and its checksums."""

MOST_KNOWN = 32
"""Different headers that are remembered."""

_PRELUDE = struct.Struct("!III")
_CHECKSUM = struct.Struct("!I")
_LENGTH = struct.Struct("!H")

_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the values whose types have a fixed size."""

BYTES, TEXT = 6, 7


class Frame(NamedTuple):
    """A message: the headers that are texts, and the payload."""

    headers: Mapping[str, str]
    payload: bytes


class Frames:
    """Reads the messages of one answer. Raises `ValueError` for bytes that are none."""

    def __init__(self) -> None:
        self._rest = b""
        self._known: dict[bytes, Mapping[str, str]] = {}

    def read(self, data: bytes) -> Iterator[Frame]:
        """The messages that `data` completes."""
        data = self._rest + data
        self._rest, place = b"", 0
        while (end := self._end(data, place)) is not None:
            headers = place + _PRELUDE.size
            payload = headers + _PRELUDE.unpack_from(data, place)[1]
            (checksum,) = _CHECKSUM.unpack_from(data, end - 4)
            if payload > end - 4 or crc32(data[place : end - 4]) != checksum:
                raise ValueError("a message of the event stream is damaged")
            frame = Frame(self._headers(data[headers:payload]), data[payload : end - 4])
            place = end
            yield frame
        self._rest = data[place:]

    def _end(self, data: bytes, place: int) -> int | None:
        """The place behind the message that begins here, once all of it is there."""
        if len(data) - place < _PRELUDE.size:
            return None
        length, _, checksum = _PRELUDE.unpack_from(data, place)
        if crc32(data[place : place + 8]) != checksum or not 16 <= length <= LONGEST:
            raise ValueError("this is no event stream")
        return place + length if len(data) - place >= length else None

    def _headers(self, data: bytes) -> Mapping[str, str]:
        """The headers, which are the same in most messages of an answer."""
        headers = self._known.get(data)
        if headers is None:
            headers = dict(_texts(data))
            if len(self._known) < MOST_KNOWN:
                self._known[data] = headers
        return headers


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(data):
        begin = place + 1
        end = begin + data[place]
        name, kind = data[begin:end].decode(), data[end]
        start = end + 1
        if kind in {BYTES, TEXT}:
            start += _LENGTH.size
            place = start + _LENGTH.unpack_from(data, end + 1)[0]
        elif kind in _SIZES:
            place = start + _SIZES[kind]
        else:
            raise ValueError("a header of the event stream has an unknown type")
        if place > len(data):
            raise ValueError("a header of the event stream is cut off")
        if kind == TEXT:
            yield name, data[start:place].decode()
