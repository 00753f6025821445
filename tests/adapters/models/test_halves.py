"""Texts that were cut within a character, as JavaScript can."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models.halves import Halves
from tests.adapters.models.chunks import delta, fragment, frames, merged, parse, said

_decode = msgspec.json.Decoder(str).decode


def cut(text: str, size: int) -> list[bytes]:
    """The JSON of pieces of so many UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    pieces = [units[place : place + 2 * size] for place in range(0, len(units), 2 * size)]
    return [json.dumps(each.decode("utf-16-le", "surrogatepass")).encode() for each in pieces]


@given(st.text(alphabet=st.sampled_from('aä👋🙂\\"\n'), max_size=30), st.integers(1, 5))
def test_characters_are_put_together_again(text: str, size: int) -> None:
    halves = Halves()
    assert "".join(halves.read(_decode, each) for each in cut(text, size)) == text


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (rb'"\udc4b"', "\ufffd"),
        (rb'"a\ud83d"', "a"),
        (rb'"\ud83d\ud83d\udc4b"', "👋"),
        (rb'"\\ud83d \\"', "\\ud83d \\"),
    ],
)
def test_what_is_left_of_a_character(payload: bytes, expected: str) -> None:
    assert Halves().read(_decode, payload) == expected


@pytest.mark.parametrize("payload", [b"", b'"a', rb'"\ud83d', b"{}", rb"[\udc4b]"])
def test_what_is_no_json_stays_so(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Halves().read(_decode, payload)


def test_a_completion_of_single_units() -> None:
    def payload(piece: bytes, member: dict[str, Any]) -> bytes:
        return msgspec.json.encode(member).replace(b'"?"', piece)

    words = [payload(piece, delta(content="?")) for piece in cut("Hi 👋!", 1)]
    calls = [
        payload(piece, fragment(0, "?", "look", "c"))  # type: ignore[arg-type]
        for piece in cut('{"a":"👋"}', 1)
    ]
    events = merged(parse(frames(*words, *calls, delta("tool_calls"), b"[DONE]")))
    assert events[0] == said("Hi 👋!")
    assert events[1].arguments == '{"a":"👋"}'  # type: ignore[union-attr]
