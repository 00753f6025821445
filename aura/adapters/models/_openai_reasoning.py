"""What a model thought, where a compatible service wants it back with the next request. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Literal, TypeAlias

import msgspec

from aura.adapters.models.complaints import UNREADABLE
from aura.adapters.models.halves import Halves
from aura.events import AnyEvent, ReasoningDelta, Thought
from aura.pipeline.ports import Assistant

Keeps: TypeAlias = Literal["nothing", "text", "details"]
"""Nothing; the text of what was thought before a call; or the blocks that OpenRouter streams beside
the text, for the providers behind it."""

PROVIDERS: dict[Keeps, str] = {"text": "openai", "details": "openrouter"}
"""Whose thoughts these are."""

GROWING = ("text", "summary")
"""Fields of a block that come in pieces."""

Piece = dict[str, object]

_encode = msgspec.json.Encoder().encode
_decode_text = msgspec.json.Decoder(dict[str, str]).decode
_decode_details = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_pieces = msgspec.json.Decoder(list[Piece] | None).decode


class Reasoning:
    """What one answer has to be put back with."""

    def __init__(self, agent_id: str, keeps: Keeps) -> None:
        self._agent_id = agent_id
        self._keeps: Keeps = keeps
        self._texts: list[str] = []
        self._details: list[bytes] = []

    def heard(self, events: Iterable[AnyEvent]) -> None:
        """Take in what was thought."""
        if self._keeps == "text":
            self._texts += [each.content for each in events if isinstance(each, ReasoningDelta)]

    def add(self, details: msgspec.Raw) -> None:
        """Take in a list of pieces of blocks, which are put together when all of them are there."""
        if self._keeps == "details":
            self._details.append(bytes(details))

    def thoughts(self, *, called: bool) -> list[Thought]:
        """All of it as one thought, if there is any that is wanted."""
        kept: object = _blocks(self._pieces())
        if called and self._texts:
            kept = {"reasoning_content": "".join(self._texts)}
        if not kept:
            return []
        block, provider = _encode(kept).decode(), PROVIDERS[self._keeps]
        return [Thought(agent_id=self._agent_id, provider=provider, block=block)]

    def _pieces(self) -> Iterator[Piece]:
        """The pieces, but for what is none."""
        halves = Halves()
        for details in self._details:
            with suppress(*UNREADABLE):
                yield from halves.read(_decode_pieces, details) or ()


class _Block:
    """A block, and the pieces of the fields that grow."""

    def __init__(self, piece: Piece) -> None:
        self.fields: Piece = {}
        self._grown: dict[str, list[str]] = {}
        self.add(piece)

    def goes_on_with(self, piece: Piece) -> bool:
        """Whether a piece of its kind belongs to it: those with the same index do, and what has
        none. Nothing follows a signature: some streams number all blocks alike."""
        index, mine = piece.get("index"), self.fields
        same = index is None or mine.get("index") == index
        other = mine.get("id") and piece.get("id") and mine["id"] != piece["id"]
        return same and not other and not mine.get("signature")

    def add(self, piece: Piece) -> None:
        """Take a piece in."""
        for name, value in piece.items():
            if name in GROWING and isinstance(value, str):
                self._grown.setdefault(name, []).append(value)
            if value is not None or name not in self.fields:
                self.fields[name] = value

    def whole(self) -> Piece:
        """All of it."""
        return {**self.fields, **{name: "".join(texts) for name, texts in self._grown.items()}}


def _blocks(pieces: Iterable[Piece]) -> list[Piece]:
    """The blocks that the pieces make; one that is sealed comes whole."""
    blocks: list[_Block] = []
    for piece in pieces:
        kind = piece.get("type")
        last = next((each for each in reversed(blocks) if each.fields.get("type") == kind), None)
        if last is None or piece.get("data") or not last.goes_on_with(piece):
            blocks.append(_Block(piece))
        else:
            last.add(piece)
    return [block.whole() for block in blocks]


def put_back(message: Assistant, keeps: Keeps) -> dict[str, object]:
    """What goes back with an answer. With a call there has to be a text, be it empty."""
    provider = PROVIDERS.get(keeps)
    blocks = [thought.block for thought in message.thoughts if thought.provider == provider]
    if keeps == "details" and blocks:
        return {"reasoning_details": [each for block in blocks for each in _decode_details(block)]}
    if keeps == "text" and message.calls:
        return dict(_decode_text(blocks[0])) if blocks else {"reasoning_content": ""}
    return {}
