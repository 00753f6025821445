"""Server-sent events, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models import sse
from aura.adapters.models.sse import EventTooLarge, Splitter


def split(*reads: bytes) -> list[bytes]:
    splitter = Splitter()
    events = [event for read in reads for event in splitter.feed(read)]
    return events + splitter.flush()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\n\ndata: b\ndata: c\n\ndata: d\n\n", [b"a", b"b\nc", b"d"]),
        (b"data\n\ndata:\n\n", [b"", b""]),
        (b": ping\n\ndata: a\n\n", [b"a"]),
        (b": ping\ndata: a\n: pong\n\n", [b"a"]),
        (b"event: x\ndata: a\n\nevent: y\ndata: \n\nevent:z\ndata:b\n\n", [b"a", b"", b"b"]),
        (b"event: error\ndata: a\nid: 1\nretry: 5\n\n", [b"a"]),
        (b"event: ping\n\n", []),
        (b"data: a\nevent: x\n\ndata: b\n\n", [b"a", b"b"]),
        (b"database: a\n\ndata: b\n\n", [b"b"]),
        (b'data: a\n\nerror: {"x": 1}\n\n', [b"a", b'{"x": 1}']),
        (b'data: a\n\n\n{"x":\n1}\n\n\n', [b"a", b'{"x":\n1}']),
        (b'{"x": 1}\ndata: a\n\nerror: no\n\n', [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\ndata: b\n\n\n", [b"a", b"b"]),
        (b"data: a\n\ndata: b", [b"a", b"b"]),
        (b"data: a\n\ndata: b\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r", [b"a", b"b"]),
        (b"", []),
        ("data: ü\u2028x\x85\x0b\n\n".encode(), ["ü\u2028x\x85\x0b".encode()]),
    ],
)
def test_events_are_the_same_however_they_are_cut(stream: bytes, events: list[bytes]) -> None:
    assert events == split(stream)
    assert events == split(*(stream[at : at + 1] for at in range(len(stream))))
    for at in range(len(stream)):
        assert events == split(stream[:at], stream[at:])


def test_an_event_is_given_as_soon_as_its_empty_line_is_there() -> None:
    assert Splitter().feed(b"data: a\n\n") == [b"a"]
    assert Splitter().feed(b"data: a\r\r") == [b"a"]
    splitter = Splitter()
    assert splitter.feed(b"data: a\n") == []
    assert splitter.feed(b"\n") == [b"a"]


def test_an_event_cannot_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    splitter = Splitter()
    splitter.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLarge, match="larger than 100 bytes"):
        splitter.feed(b"x" * 5)


LINE = st.one_of(
    st.just(b""),
    st.just(b"data"),
    st.just(b": c"),
    st.binary(max_size=6).map(
        lambda text: b"data: " + text.replace(b"\r", b"").replace(b"\n", b"")
    ),
)


def naive(lines: list[bytes]) -> list[bytes]:
    events: list[bytes] = []
    data: list[bytes] = []
    for line in [*lines, b""]:
        if line.startswith(b"data"):
            data.append(line[5:].removeprefix(b" "))
        if not line and data:
            events.append(b"\n".join(data))
            data.clear()
    return events


@given(st.data(), st.lists(LINE, max_size=12), st.sampled_from([b"\n", b"\r", b"\r\n"]))
def test_any_stream_in_any_pieces_against_a_naive_reader(
    data: st.DataObject, lines: list[bytes], end: bytes
) -> None:
    stream = b"".join(line + end for line in lines)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=6)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert naive(lines) == split(*reads)
