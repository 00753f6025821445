"""Putting the text of a result into files: the result itself, and companions for long texts in it.

The program `apart` does it, too: formatting and searching a large text would keep the whole process
from doing anything else. So this imports nothing of ours but its neighbours `formats` and `survey`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress

import msgspec

if __package__:
    from aura.adapters.scratchpad.formats import (
        EXTENSIONS,
        Format,
        is_markdown,
        laid_out,
        pretty_json,
    )
    from aura.adapters.scratchpad.survey import Survey, surveyed
else:  # the program `apart` has said where its neighbours are
    from formats import (  # type: ignore[import-not-found, no-redef]
        EXTENSIONS,
        Format,
        is_markdown,
        laid_out,
        pretty_json,
    )
    from survey import Survey, surveyed  # type: ignore[import-not-found, no-redef]

SHORTEST_COMPANION = 10
"""Lines that a text in JSON must have to get a file of its own."""

MOST_COMPANIONS = 16

AT_ONCE = 256 * 1024
"""Bytes that are written at once. With many more Linux takes several times as long: it looks for
memory in large pieces then."""

WINDOW = 4096
"""Bytes behind a backslash that are searched for those that matter."""

FULL = 200
"""The exit status of the program when there is not enough room for the files."""

_TEXT = re.compile(rb'^( +)(?:"((?:[^"\\]|\\.)*+)": )?("(?:[^"\\]|\\.)*+"),?$', re.MULTILINE)
_SIGN = re.compile(rb'\\[n"]')
_CONTAINER = re.compile(rb'( *)(?:"((?:[^"\\]|\\.)*+)": )?[{\[]$')


class Companion(msgspec.Struct, frozen=True):
    """The file of a text that is a value in JSON; `path` says which one."""

    file: str
    path: str
    lines: int
    format: Format


class Filed(msgspec.Struct, frozen=True):
    """The file of a result. `size` counts bytes, those of companions included; `survey` says where
    things are in the file."""

    file: str
    size: int
    format: Format
    survey: Survey
    records: int | None = None
    companions: tuple[Companion, ...] = ()

    @property
    def lines(self) -> int:
        """How many it has."""
        return self.survey.lines


class Order(msgspec.Struct, frozen=True):
    """What the program is to do: the name without its extension, and how many bytes there is room
    for, if that is limited."""

    base: str
    room: int | None


class Full(Exception):
    """Raised when the files would take more room than there is."""


def file_away(directory: int, base: str, data: bytes, room: int | None) -> Filed:
    """Write a text and its companions into an open directory, with at most `room` bytes in all;
    `base` is the name without its extension. A name that is taken gets the new content.

    Raises `Full` and `OSError`; then nothing is left of it.
    """
    laid = laid_out(data)
    texts = list(_companions(laid.data, base)) if laid.format == "json" else []
    size = len(laid.data) + sum(len(text) for _, text in texts)
    if room is not None and size > room:
        raise Full
    name = f"{base}.{EXTENSIONS[laid.format]}"
    written: list[str] = []
    try:
        for companion, text in texts:
            written.append(companion.file)
            write(directory, companion.file, text)
        written.append(name)
        write(directory, name, laid.data)
    except BaseException:
        for each in written:
            discard(directory, each)
        raise
    survey = surveyed(laid.data, is_json=laid.format == "json")
    companions = tuple(companion for companion, _ in texts)
    return Filed(name, size, laid.format, survey, laid.records, companions)


def write(directory: int, name: str, data: bytes) -> None:
    """Write a file whole or not at all: nobody sees it before it is complete."""
    beginning = f".{os.urandom(8).hex()}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(beginning, flags, 0o600, dir_fd=directory)
    try:
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest[:AT_ONCE]) :]
        os.rename(beginning, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        discard(directory, beginning)
        raise


def discard(directory: int, name: str) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def lines_of(data: bytes) -> int:
    """How many lines a text has; the end of the last one need not be marked."""
    return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def _companions(pretty: bytes, base: str) -> Iterator[tuple[Companion, bytes]]:
    """The texts of several lines in pretty-printed JSON, where each is on one line."""
    found = 0
    taken = set[str]()
    for match in _long_texts(pretty):
        text = msgspec.json.decode(match[3], type=str).encode("utf-8", "replace")
        pretty_text = pretty_json(text)
        data = pretty_text or text
        if lines_of(data) < SHORTEST_COMPANION:
            continue
        form: Format = "json" if pretty_text else "markdown" if is_markdown(text) else "text"
        path = _path_of(pretty, match)
        slug = _slug(path, taken)
        yield Companion(f"{base}.{slug}.{EXTENSIONS[form]}", path, lines_of(data), form), data
        found += 1
        if found == MOST_COMPANIONS:
            return


def _long_texts(pretty: bytes) -> Iterator[re.Match[bytes]]:
    """The lines with a text that has line breaks in it; or JSON, which may have had none."""
    place = 0
    while sign := _sign(pretty, place):
        start = pretty.rfind(b"\n", 0, sign.start()) + 1
        place = pretty.find(b"\n", start)
        place = len(pretty) if place < 0 else place
        if match := _TEXT.match(pretty, start, place):
            yield match


def _sign(pretty: bytes, place: int) -> re.Match[bytes] | None:
    """The next line break or quote in a text. Where there are no backslashes, as in most of most
    documents, one sign is looked for, which is many times as fast."""
    while (place := pretty.find(b"\\", place)) >= 0:
        if sign := _SIGN.search(pretty, place, place + WINDOW):
            return sign
        place += WINDOW - 1
    return None


def _path_of(pretty: bytes, match: re.Match[bytes]) -> str:
    """Where in the document a value is: the containers around it are the lines above that are
    indented less."""
    steps: list[str] = []
    depth, key, line = len(match[1]), match[2], match.start()
    while True:
        parent = _line_above(pretty, line, depth - 2)
        steps.append(_index_or_key(pretty, key, parent, line, depth))
        if depth <= 2:
            return "$" + "".join(reversed(steps))
        opened = _CONTAINER.match(pretty, parent, pretty.index(b"\n", parent))
        if opened is None:
            return "$" + "".join(reversed(steps))
        depth, key, line = depth - 2, opened[2], parent


def _line_above(pretty: bytes, line: int, depth: int) -> int:
    """The start of the nearest line above that opens something at this depth."""
    if not depth:
        return 0
    margin = b"\n" + b" " * depth
    place = line
    while (place := pretty.rfind(margin, 0, place)) > 0:
        if pretty[place + len(margin)] not in b" ]}":
            return place + 1
    return 0


def _index_or_key(pretty: bytes, key: bytes | None, parent: int, line: int, depth: int) -> str:
    if key is None:
        elements = re.compile(rb"\n {%d}(?=[^ \]}])" % depth)
        return f"[{len(elements.findall(pretty, parent, line))}]"
    name = msgspec.json.decode(b'"' + key + b'"', type=str)
    if re.fullmatch(r"[A-Za-z_][\w-]*", name):
        return f".{name}"
    return f"[{msgspec.json.encode(name).decode()}]"


def _slug(path: str, taken: set[str]) -> str:
    """A part of a file name for a path; two paths never share one."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", path.lstrip("$.")).strip("_")[:60] or "_"
    slug, copy = plain, 1
    while slug in taken:
        copy += 1
        slug = f"{plain}-{copy}"
    taken.add(slug)
    return slug


def main() -> int:
    """The program: file away a text as the order on standard input says, once there is one. The
    answer goes to standard output."""
    order = sys.stdin.buffer.read()
    if not order:
        return 0
    wanted = msgspec.json.decode(order, type=Order)
    with open(int(sys.argv[2]), "rb", buffering=0) as source:  # noqa: PTH123 - a descriptor
        source.seek(0)
        data = source.read()
    try:
        filed = file_away(int(sys.argv[1]), wanted.base, data, wanted.room)
    except Full:
        return FULL
    except OSError as error:
        return error.errno or 1
    sys.stdout.buffer.write(msgspec.msgpack.encode(filed))
    sys.stdout.buffer.flush()
    return 0
