"""Files by lines: positions, pieces, and the tools head, slice and read against naive models."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aura.adapters.scratchpad.extract import Advice, Oversized
from aura.adapters.scratchpad.parts import Bytes, head, part, whole
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import BLOCK, PIECE
from tests.adapters.scratchpad.opened import long_files, opened

BYTES = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"word ", "é日".encode(), b"\xff", b"\xe6\x97"])
    | st.binary(max_size=6),
    max_size=40,
).map(b"".join)
FILES = BYTES | long_files()
ENOUGH = 10**6


def lines_in(data: bytes) -> list[str]:
    """The lines of a file as section 9.1 defines them."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]


def starts_in(data: bytes) -> list[int]:
    """Where each line begins, and where one behind the last would."""
    return [0, *(match.end() for match in re.finditer(b"\n", data))]


def numbered_from(lines: list[str], first: int) -> str:
    return "\n".join(f"{first + at:6d}\t{line}" for at, line in enumerate(lines))


@settings(max_examples=60, deadline=None)
@given(data=FILES, places=st.lists(st.integers(0, 2**21), max_size=10))
@example(data=b"", places=[0])
@example(data=b"x" * (BLOCK - 1) + b"\n" + b"y", places=[BLOCK - 1, BLOCK])
@example(data=b"\n" * (PIECE + 1), places=[BLOCK - 1, BLOCK, BLOCK + 1, PIECE, PIECE + 1])
def test_lines_and_bytes_are_found_where_they_are(data: bytes, places: list[int]) -> None:
    starts = starts_in(data)
    with opened(data) as text:
        assert text.size == len(data)
        assert text.lines == len(lines_in(data))
        wanted = {1, 2, len(starts), len(starts) // 2 + 1, *(1 + at % len(starts) for at in places)}
        for line in wanted:
            found = text.start_of(line)
            assert found == (starts[line - 1] if line <= len(starts) else len(data))
            assert text.line_at(found) == min(line, len(starts))
        for place in (at % (len(data) + 1) for at in places):
            assert text.line_at(place) == data.count(b"\n", 0, place) + 1
        assert text.start_of(len(starts) + 1) == text.start_of(10**30) == len(data)


@settings(max_examples=60, deadline=None)
@given(data=FILES, line=st.integers(1, 40), until=st.integers(1, 40))
def test_pieces_are_whole_lines_that_give_the_file(data: bytes, line: int, until: int) -> None:
    with opened(data) as text:
        first, last = text.start_of(line), text.start_of(line + until)
        for start, end, expected in ((0, None, data), (first, last, data[first:last])):
            found, place = b"", start
            for piece in text.pieces(start, end):
                assert piece.start == place
                assert piece.length > 0
                found += piece.data[: piece.length]
                place += piece.length
                assert found.endswith(b"\n") or place == len(data)
            assert found == expected


@settings(max_examples=60, deadline=None)
@given(data=FILES, first=st.integers(1, 40), count=st.integers(0, 20), most=st.integers(0, 2**18))
def test_lines_are_read_only_if_they_are_few_bytes(
    data: bytes, first: int, count: int, most: int
) -> None:
    expected = b"".join(data.splitlines(keepends=True)[0:0]) + b"".join(
        line + b"\n" for line in data.split(b"\n")
    )
    starts = [*starts_in(expected)]
    start, end = (starts[min(at, len(starts)) - 1] for at in (first, first + count + 1))
    wanted = data[start:end]
    with opened(data) as text:
        found = text.between(first, first + count, most)
        assert found == (wanted if len(wanted) <= most else None)


@settings(max_examples=80, deadline=None)
@given(data=FILES, cut=st.integers(1, 9))
def test_slices_joined_are_the_lines_of_the_file(data: bytes, cut: int) -> None:
    lines = lines_in(data)
    with opened(data) as text:
        parts = [
            part(text, first, first + cut - 1, per_call=ENOUGH)
            for first in range(1, len(lines) + 1, cut)
        ]
    assert "\n".join(each.body for each in parts) == numbered_from(lines, 1)
    assert "\n".join(each.plain for each in parts) == "\n".join(lines)


@settings(max_examples=60, deadline=None)
@given(data=BYTES, first=st.integers(1, 30), last=st.integers(1, 10**12))
def test_a_slice_says_which_lines_it_has(data: bytes, first: int, last: int) -> None:
    lines = lines_in(data)
    with opened(data) as text:
        if last < first:
            with pytest.raises(ToolFailed, match="counted from 1"):
                part(text, first, last, per_call=ENOUGH)
            return
        found = part(text, first, last, per_call=ENOUGH)
    expected = lines[first - 1 : last]
    assert found.body == numbered_from(expected, first)
    until = min(last, len(lines))
    said = f"lines {first}-{until} of {len(lines)}" if expected else f"no lines of {len(lines)}"
    assert found.shown == said


@settings(max_examples=60, deadline=None)
@given(data=FILES, wanted=st.integers(0, 50) | st.just(2**64))
def test_head_and_read_give_the_lines_from_the_first_on(data: bytes, wanted: int) -> None:
    lines = lines_in(data)
    with opened(data) as text:
        beginning = head(text, wanted, per_call=ENOUGH)
        everything = whole(text, per_call=ENOUGH)
    assert beginning.body == numbered_from(lines[:wanted], 1)
    assert beginning.shown == f"showing {min(wanted, len(lines))}/{len(lines)} lines"
    assert everything.body == numbered_from(lines, 1)
    assert everything.shown == f"text.txt, {len(lines)} lines"


LINES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12), max_size=8
)


def within(line: str, first: int, last: int) -> str:
    """The characters of a line of which all bytes are in a range, counted from 1."""
    shown, place = "", 0
    for character in line:
        begin, place = place + 1, place + len(character.encode())
        shown += character if begin >= first and place <= last else ""
    return shown


@settings(max_examples=100, deadline=None)
@given(lines=LINES, first=st.integers(1, 15), last=st.none() | st.integers(1, 30))
def test_a_part_of_each_line_has_the_characters_that_are_in_it(
    lines: list[str], first: int, last: int | None
) -> None:
    with opened("".join(f"{line}\n" for line in lines).encode()) as text:
        if last is not None and last < first:
            with pytest.raises(ToolFailed, match="from_byte"):
                part(text, 1, max(1, len(lines)), Bytes(first, last), per_call=ENOUGH)
            return
        found = part(text, 1, max(1, len(lines)), Bytes(first, last), per_call=ENOUGH)
    expected = [within(line, first, 10**6 if last is None else last) for line in lines]
    assert found.plain == "\n".join(expected)
    assert found.body == numbered_from(expected, 1)


@pytest.mark.parametrize("cut", [1000, 4096, BLOCK])
def test_parts_of_a_long_line_joined_are_the_line(cut: int) -> None:
    line = "".join(f"{number}," for number in range(8000))
    with opened(f"first\n{line}\nlast\n".encode()) as text:
        parts = [
            part(text, 2, 2, Bytes(first, first + cut - 1), per_call=ENOUGH).plain
            for first in range(1, len(line) + 1, cut)
        ]
    assert "".join(parts) == line


@pytest.mark.parametrize("bound", [None, Bytes(1, None)])
def test_what_cannot_fit_is_not_even_read(bound: Bytes | None) -> None:
    data = b"some words and more\n" * 20_000
    with opened(data) as text, pytest.raises(Oversized) as caught:
        part(text, 1, 20_000, bound, per_call=10)
    assert caught.value.size >= len(data) / 2 if bound is None else caught.value.size > 0
    assert data.startswith(caught.value.sample)
    assert isinstance(caught.value.advice, Advice)
    assert caught.value.advice.facts == {"requested_lines": [1, 20_000]}
