"""What a text is, and how it is laid out in lines. Pure.

Imports nothing of ours: `filing` runs in a process of its own for large texts.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

import msgspec

Format: TypeAlias = Literal["json", "markdown", "text"]

EXTENSIONS: dict[Format, str] = {"json": "json", "markdown": "md", "text": "txt"}

LINES_LOOKED_AT = 50
"""Lines at the beginning of a text in which a markdown header has to be."""

_HEADER = re.compile(rb"[ \t]*(#{1,6})[ \t]+\S")
_FENCE = re.compile(rb"[ \t]*(```|~~~)")
_CODE = re.compile(
    rb"#!|[ \t]*(?:[\w.\"'-]+:(?:[ \t]|$)|[\w.-]+[ \t]*=[^=]|[}\])]"
    rb"|(?:import|from|def|class|function|export|set|if|for|while|return|echo)\b)"
)
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(\\u[dD][89a-fA-F][\da-fA-F]{2})"
)
"""Backslashes, whole characters in two halves, and halves alone."""

_OPENED = (b"{", b"[")
_CLOSED = (b"}", b"]")


class Laid(NamedTuple):
    """A text as it goes into a file. `records` is how many JSON lines it was made of, if any."""

    format: Format
    data: bytes
    records: int | None = None


def laid_out(data: bytes) -> Laid:
    """The text of a result, in UTF-8, in lines that can be told apart: JSON pretty-printed,
    everything else as it is. A JSON object that does nothing but wrap one text as `result` is that
    text."""
    pretty = pretty_json(data)
    if pretty is None:
        return _other(data)
    wrapped = _wrapped(pretty)
    return Laid("json", pretty) if wrapped is None else laid_out(wrapped)


def pretty_json(data: bytes) -> bytes | None:
    """A JSON object or list with two blanks of indentation, in the order and with the numbers that
    it came with; nothing when the text is no JSON, or nested too deeply to be read."""
    stripped = data.strip()
    if not stripped.startswith(_OPENED):
        return None
    try:
        return msgspec.json.format(stripped, indent=2)
    except RecursionError:
        return None
    except msgspec.DecodeError:
        mended = _SURROGATES.sub(_mended, stripped)
        return None if mended == stripped else pretty_json(mended)


def _mended(match: re.Match[bytes]) -> bytes:
    """Half a character, as texts have that were cut, as the sign for one that is unknown."""
    return rb"\ufffd" if match[1] else match[0]


def _wrapped(pretty: bytes) -> bytes | None:
    """The text in `{"result": "..."}`, as some servers send a plain text."""
    if not pretty.startswith(b'{\n  "result": "') or pretty.count(b"\n", 0, 4096) > 2:
        return None
    try:
        return str(msgspec.json.decode(pretty, type=_Result).result).encode("utf-8", "replace")
    except msgspec.DecodeError:
        return None


class _Result(msgspec.Struct, forbid_unknown_fields=True):
    result: str


def _other(data: bytes) -> Laid:
    if records := _records(data):
        listed = pretty_json(b"[" + b",".join(records) + b"]")
        if listed is not None and _elements(listed) == len(records):
            return Laid("json", listed, len(records))
    return Laid("markdown" if is_markdown(data) else "text", data)


def _records(data: bytes) -> list[bytes]:
    """The lines of a text of which every one could be JSON; empty unless there are several."""
    if not data.lstrip().startswith(_OPENED):
        return []
    lines = [line for line in map(bytes.strip, data.split(b"\n")) if line]
    each = all(line.startswith(_OPENED) and line.endswith(_CLOSED) for line in lines)
    return lines if each and len(lines) > 1 else []


def _elements(pretty: bytes) -> int:
    """How many elements a pretty-printed list has."""
    return len(re.findall(rb"\n  (?=[^ \]}])", pretty))


def is_markdown(data: bytes) -> bool:
    """Whether one of the first lines is a header, and the others do not look like code or
    configuration with comments."""
    headers = code = others = 0
    fence = b""
    for line in data[: 64 * 1024].split(b"\n", LINES_LOOKED_AT)[:LINES_LOOKED_AT]:
        if mark := _FENCE.match(line):
            fence = b"" if fence == mark[1] else fence or mark[1]
        elif fence or not line.strip():
            continue
        elif header := _HEADER.match(line):
            headers += 3 if len(header[1]) > 1 else 1  # comments seldom have two signs
        elif _CODE.match(line):
            code += 1
        else:
            others += 1
    return headers > 0 and code <= others + headers
