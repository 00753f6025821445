"""AWS's frames: what botocore reads in them is what we read."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models._bedrock_frames import Frames

TEXTS = st.text(max_size=20)
NAMES = st.text(alphabet="abc:-", min_size=1, max_size=12)


def text(words: str) -> bytes:
    data = words.encode()
    return struct.pack("!BH", 7, len(data)) + data


VALUES = st.one_of(
    TEXTS.map(text),
    st.binary(max_size=9).map(lambda data: struct.pack("!BH", 6, len(data)) + data),
    st.sampled_from([b"\x00", b"\x01"]),
    st.integers(-100, 100).map(lambda number: struct.pack("!Bb", 2, number)),
    st.integers(-9, 9).map(lambda number: struct.pack("!Bh", 3, number)),
    st.integers(-9, 9).map(lambda number: struct.pack("!Bi", 4, number)),
    st.integers(-9, 9).map(lambda number: struct.pack("!Bq", 5, number)),
    st.integers(0, 9).map(lambda number: struct.pack("!Bq", 8, number)),
    st.binary(min_size=16, max_size=16).map(lambda data: b"\x09" + data),
)


def framed(headers: dict[str, bytes], payload: bytes) -> bytes:
    head = b"".join(
        struct.pack("!B", len(name.encode())) + name.encode() + value
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return message + struct.pack("!I", crc32(message))


MESSAGES = st.lists(
    st.tuples(st.dictionaries(NAMES, VALUES, max_size=4), st.binary(max_size=40)), max_size=5
)


@given(MESSAGES, st.data())
def test_what_botocore_reads_is_what_we_read(
    messages: list[tuple[dict[str, bytes], bytes]], data: st.DataObject
) -> None:
    stream = b"".join(framed(headers, payload) for headers, payload in messages)
    theirs = EventStreamBuffer()
    theirs.add_data(stream)
    expected = [
        ({name: each for name, each in found.headers.items() if isinstance(each, str)}, found)
        for found in theirs
    ]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=9)))
    frames = Frames()
    read = [
        frame
        for first, last in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for frame in frames.read(stream[first:last])
    ]
    assert [frame.payload for frame in read] == [found.payload for _, found in expected]
    texts = [dict(frame.headers) for frame in read]
    assert texts == [only_texts(headers) for headers, _ in messages]
    assert all(
        each.items() <= headers.items() for each, (headers, _) in zip(texts, expected, strict=True)
    )


def only_texts(headers: dict[str, bytes]) -> dict[str, str]:
    return {name: value[3:].decode() for name, value in headers.items() if value[0] == 7}


GOOD = framed({"a": text("b")}, b"{}")


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_a_bit_that_changed_is_noticed(place: int) -> None:
    changed = bytearray(GOOD)
    changed[place] ^= 1
    with pytest.raises(ValueError, match="event stream"):
        list(Frames().read(bytes(changed)))


@pytest.mark.parametrize(
    "headers",
    [{"a": b"\x0a"}, {"a": struct.pack("!BH", 7, 99)}, {"a": b"\x05\x00"}],
    ids=["type", "length", "end"],
)
def test_headers_that_make_no_sense_are_noticed(headers: dict[str, bytes]) -> None:
    with pytest.raises((ValueError, struct.error, IndexError)):
        list(Frames().read(framed(headers, b"{}")))
