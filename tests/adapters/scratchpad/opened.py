"""Files that are open to be explored, and what they are made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import strategies as st

from aura.adapters.scratchpad.formats import laid_out
from aura.adapters.scratchpad.handle import Handle
from aura.adapters.scratchpad.paths import below
from aura.adapters.scratchpad.text import BLOCK, PIECE, Text, Texts

KEYS = st.sampled_from(
    ["a", "b", "items", "a.b", "a[0]", "[0]", "0", "-1", "007", "", " ", "$", "q'q", 'q"q', "\\", "é"]
) | st.text(st.characters(codec="utf-8"), max_size=6)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(["", "{", "]", '  "a": 1,', "\n  }\n", "x" * 60])
)

VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)

DOCUMENTS = st.lists(VALUES, max_size=4) | st.dictionaries(KEYS, VALUES, max_size=4)

LINE_LENGTHS = st.integers(0, 40) | st.sampled_from(
    [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1, PIECE - 1, PIECE, PIECE + 1]
)


@st.composite
def long_files(draw: st.DrawFn) -> bytes:
    """Files of which the lines end near the borders of blocks and pieces; the last line may lack
    its end."""
    lengths = draw(st.lists(LINE_LENGTHS, max_size=12)) * draw(st.integers(1, 3))
    data = b"".join(b"%d:".ljust(length, b"x") % (length % 7) + b"\n" for length in lengths)
    return data if draw(st.booleans()) else data + b"end"


@contextmanager
def opened(data: bytes, name: str = "text.txt") -> Iterator[Text]:
    """A file with this content, for the time of the block."""
    with TemporaryDirectory() as root:
        (Path(root) / name).write_bytes(data)
        handle = Handle(os.open(root, os.O_RDONLY))
        try:
            with Texts((handle,)).open(name) as text:
                yield text
        finally:
            handle.close()


@contextmanager
def opened_json(document: Any, name: str = "kept.json") -> Iterator[Text]:
    """A file with a document as it is laid out, for the time of the block; bytes are JSON."""
    data = document if isinstance(document, bytes) else msgspec.json.encode(document)
    laid = laid_out(data)
    assert laid.format == "json"
    with opened(laid.data, name) as text:
        yield text


def places(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Every path of a document, with what is there."""
    yield path, value
    if isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(member, below(path, key))
