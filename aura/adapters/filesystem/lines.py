"""Parts of an open text file, by lines, in bounded memory and time."""

from __future__ import annotations

import codecs
import os
from bisect import bisect_left

from aura.adapters.filesystem.refusals import Refused
from aura.adapters.filesystem.walk import Found

LARGEST = 1024 * 1024
"""Bytes of a file that one call gives."""

MOST_SKIPPED = 256 * 1024 * 1024
"""Bytes before the first line that is given. What lies deeper in a file cannot be read."""

MOST_COUNTED = 16 * 1024 * 1024
"""Bytes of a file whose lines are counted to tell the model."""

CHUNK = 64 * 1024


def text_of(file: Found, *, offset: int, limit: int) -> str:
    """At most so many lines from line `offset` on, counted from 1, as long as they fit; a line
    that does not is cut. A notice at the end says that there is more. Raises `Refused`."""
    data, more = _taken(file.descriptor, _skipped(file.descriptor, offset), limit)
    if not data and offset > 1:
        raise Refused(_past(offset, last=offset - 1))
    cut = more and not data.endswith(b"\n")
    text = _decoded(data, file.size, cut=cut)
    if offset == 1:
        text = text.removeprefix("\ufeff")
    if not text:
        return "[The file is empty.]"
    return text + _notice(file, offset, text, cut=cut) if more else text


def _skipped(descriptor: int, offset: int) -> bytes:
    """Read up to a line. Gives what has been read from there on."""
    left, end = offset - 1, b"\n"
    if not left:
        return b""
    for _ in range(0, MOST_SKIPPED, CHUNK):
        chunk = os.read(descriptor, CHUNK)
        if not chunk:
            raise Refused(_past(offset, last=offset - 1 - left + (not end.endswith(b"\n"))))
        newlines = chunk.count(b"\n")
        if newlines >= left:
            return chunk[_after(chunk, left) :]
        left -= newlines
        end = chunk
    raise Refused(
        f"is too large: line {offset} does not begin in its first {MOST_SKIPPED} bytes, and only"
        " those are searched. Use a smaller offset."
    )


def _taken(descriptor: int, start: bytes, limit: int) -> tuple[bytes, bool]:
    """Go on from what has been read. Gives the lines asked for, or as many as fit, and whether
    something comes after them."""
    data = bytearray(start)
    lines = data.count(b"\n")
    while len(data) <= LARGEST and lines < limit:
        chunk = os.read(descriptor, CHUNK)
        if not chunk:
            break
        data += chunk
        lines += chunk.count(b"\n")
    end = len(data) if lines < limit else _after(data, limit)
    if end > LARGEST:
        end = data.rfind(b"\n", 0, LARGEST) + 1 or LARGEST
    return bytes(data[:end]), end < len(data) or bool(os.read(descriptor, 1))


def _after(data: bytes | bytearray, lines: int) -> int:
    """Where the next line begins after so many, of which there are enough."""
    return bisect_left(range(len(data)), lines, key=lambda at: data.count(b"\n", 0, at))


def _decoded(data: bytes, size: int, *, cut: bool) -> str:
    """The text; a character at the end that was cut in two is left out."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, final=not cut)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Refused(f"is a binary file of {size} bytes. Only UTF-8 text can be read.")
    return text


def _notice(file: Found, offset: int, text: str, *, cut: bool) -> str:
    lines = _counted(file) if file.size <= MOST_COUNTED else None
    whole = f"{file.size} bytes" if lines is None else f"{lines} lines and {file.size} bytes"
    if not cut:
        last = offset + text.count("\n") - 1
        return f"[Lines {offset} to {last}. The file has {whole}. To go on, use offset {last + 1}.]"
    after = "" if lines == offset else f" The next line is at offset {offset + 1}."
    return (
        f"\n[The first {len(text.encode())} bytes of line {offset}, which is too long: the rest of"
        f" it cannot be read. The file has {whole}.{after}]"
    )


def _counted(file: Found) -> int:
    newlines, end = 0, b""
    for at in range(0, file.size, CHUNK):
        end = os.pread(file.descriptor, CHUNK, at)
        newlines += end.count(b"\n")
    return newlines + (not end.endswith(b"\n"))


def _past(offset: int, *, last: int) -> str:
    end = f"ends with line {last}" if last else "is empty"
    return f"{end}: offset {offset} is past its end."
