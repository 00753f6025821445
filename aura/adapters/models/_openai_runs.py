"""Chunks that differ in nothing but a piece of text, decoded together. Pure.

Providers send the same object for every piece of an answer: id, model and nulls never change. What
stands around the text is learnt from one chunk; a read that holds many of the kind is then cut by
one `split`, and its text is decoded as one JSON string, several times faster than chunk by chunk.
"""

from __future__ import annotations

import re

import msgspec

from aura.adapters.models._openai_wire import Choice, Chunk, Delta, decode_chunk
from aura.adapters.models.complaints import UNREADABLE

SHORTEST = 8
"""Chunks from which a run is worth looking for."""

_TEXT = re.compile(rb'"((?:reasoning_)?content|reasoning)": ?"((?:[^"\\]|\\.)*+)"')
_MEETS = re.compile(rb"\\\Z|\A\\u[dD][c-fC-F]")
"""What is not whole without the text before or after it."""

_decode_text = msgspec.json.Decoder(str).decode


class Run(msgspec.Struct, frozen=True):
    """The text of the payloads from `start` to `end`."""

    start: int
    end: int
    text: str
    thought: bool


class Shape(msgspec.Struct, frozen=True):
    """What stands before and after the text of a chunk, and whether the text is reasoning."""

    before: bytes
    after: bytes
    thought: bool

    def fits(self, payload: bytes) -> bool:
        """Whether a payload looks like this; only `text` is certain of it."""
        return payload.startswith(self.before) and payload.endswith(self.after)

    def text(self, payloads: list[bytes]) -> str | None:
        """The text of all payloads, or `None` when one of them has another shape.

        A quotation mark in what is taken for text would end the JSON string early, and a
        backslash at its end would swallow the next character: neither is let through. Nor is a
        character that one chunk begins and the next one ends, which is put together elsewhere.
        """
        start, end = len(self.before), -len(self.after)
        pieces = [payload[start:end] for payload in payloads]
        between = b"%b,%b" % (self.after, self.before)
        rebuilt = b"%b%b%b" % (self.before, between.join(pieces), self.after)
        if rebuilt != b",".join(payloads):
            return None
        text = b"".join(pieces)
        if b"\\" in text and any(map(_MEETS.search, pieces)):
            return None
        try:
            rebuilt.decode()
            return _decode_text(b'"%b"' % text)
        except ValueError:
            return None


def learnt(payload: bytes) -> Shape | None:
    """The shape of a chunk that holds a piece of text and nothing else that we use."""
    found = _TEXT.search(payload)
    if found is None:
        return None
    before, after = payload[: found.start(2)], payload[found.end(2) :]
    member = found[1].decode()
    plain = Chunk(choices=[Choice(delta=msgspec.convert({member: "?"}, Delta))])
    try:
        if decode_chunk(b"%b?%b" % (before, after)) != plain:
            return None
    except UNREADABLE:
        return None
    return Shape(before=before, after=after, thought=member != "content")


class Runs:
    """Finds runs in the reads of one stream; the shape is kept from one read to the next."""

    def __init__(self) -> None:
        self._shape: Shape | None = None

    def found(self, payloads: list[bytes]) -> Run | None:
        """The run that the read consists of, save for other chunks at its beginning and end."""
        if len(payloads) < SHORTEST:
            return None
        middle = payloads[len(payloads) // 2]
        if self._shape is None or not self._shape.fits(middle):
            self._shape = learnt(middle)
        if (shape := self._shape) is None:
            return None
        start, end = 0, len(payloads)
        while not shape.fits(payloads[start]):
            start += 1
        while not shape.fits(payloads[end - 1]):
            end -= 1
        text = shape.text(payloads[start:end])
        return Run(start=start, end=end, text=text, thought=shape.thought) if text else None
