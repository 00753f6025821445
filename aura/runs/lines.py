"""A run as lines of JSON: the first is its head, every other one an entry. No file is touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar, get_args

import msgspec

from aura.events import AnyEvent, RunFailed
from aura.runs.entry import Ended, Entry, Numbering
from aura.runs.log import INTERRUPTED, Head
from aura.runs.unfinished import Unfinished

VERSION = 1
"""Of the format; a file of another one is not read."""

INTERRUPTION = RunFailed(
    code=INTERRUPTED,
    message="The server stopped before the answer was done.",
    status=503,
    retryable=True,
)
"""What became of a run whose process is gone."""

E = TypeVar("E")


class Unreadable(ValueError):
    """Raised for a line that is damaged, or that another version wrote."""


class _HeadLine(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    head: Head


class _EntryLine(msgspec.Struct, Generic[E], frozen=True, kw_only=True, omit_defaults=True):
    seq: int  # comes first, so that a place is found without decoding the rest
    at: float
    kind: str
    event: E
    first: bool = False
    index: int = -1
    ended: Ended | None = None


_encode = msgspec.json.Encoder().encode
_decode_head = msgspec.json.Decoder(_HeadLine).decode
_decode_entry = msgspec.json.Decoder(_EntryLine[msgspec.Raw]).decode
_decode_event: dict[str, msgspec.json.Decoder[AnyEvent]] = {
    event.__name__: msgspec.json.Decoder(event) for event in get_args(AnyEvent)
}


def head_line(head: Head) -> bytes:
    """The first line of a run."""
    line = _encode(_HeadLine(version=VERSION, head=head))
    return line.replace(b"\n", b" ") + b"\n"  # `view` is as its writer spaced it


def encoded(text: str) -> bytes:
    """A text as it stands in a line."""
    return _encode(text)


def entry_line(entry: Entry) -> bytes:
    """An entry as a line."""
    line = _EntryLine(
        seq=entry.seq,
        at=entry.at,
        kind=type(entry.event).__name__,
        event=entry.event,
        first=entry.first,
        index=entry.index,
        ended=entry.ended,
    )
    return _encode(line) + b"\n"


def head_of(line: bytes) -> Head:
    """The head that a line holds. Raises `Unreadable`."""
    try:
        found = _decode_head(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"the head is damaged: {error}") from error
    if found.version != VERSION:
        raise Unreadable(f"the format has version {found.version}, not {VERSION}")
    return found.head


def entry_of(line: bytes) -> Entry:
    """The entry that a line holds. Raises `Unreadable`."""
    try:
        found = _decode_entry(line)
        decoder = _decode_event.get(found.kind)
        if decoder is None:
            raise Unreadable(f"events of the kind {found.kind!r} are not known")
        event = decoder.decode(found.event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"an entry is damaged: {error}") from error
    return Entry(
        seq=found.seq,
        at=found.at,
        event=event,
        first=found.first,
        index=found.index,
        ended=found.ended,
    )


def entries_of(data: bytes) -> tuple[list[Entry], int]:
    """The entries in the whole lines of `data`, and how many bytes those are: the rest is a line
    that is still being written, or never was. Raises `Unreadable`."""
    *lines, torn = data.split(b"\n")
    return list(map(entry_of, lines)), len(data) - len(torn)


def decoded(data: bytes) -> tuple[Head | None, list[Entry], int]:
    """The same for the beginning of a file, with the head once its line is whole."""
    line, newline, rest = data.partition(b"\n")
    if not newline:
        return None, [], 0
    head = head_of(line)
    entries, length = entries_of(rest)
    return head, entries, len(line) + 1 + length


def interrupted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """What ends a run of which there are only these entries; nothing when it is over.

    Everything that is open ends at the last moment of which there is word.
    """
    unfinished, at, begun = Unfinished(), 0.0, False
    numberings = {shown: Numbering(shows_calls=shown) for shown in (False, True)}
    for entry in entries:
        at, begun = entry.at, begun or entry.first
        unfinished.add(entry.event, at)
        for numbering in numberings.values():
            numbering.entry(entry.event, at)
    if unfinished.over:
        return ()
    numbering = numberings[begun]  # all that showing calls can still change is who comes first
    return tuple(
        numbering.entry(event, at)
        for event in unfinished.ends(INTERRUPTION, at)
        if event is not INTERRUPTION or unfinished.failed is None
    )
