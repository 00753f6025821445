"""What a model thought, where a compatible service wants it back with the next request. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import msgspec

from aura.events import AnyEvent, ReasoningDelta, Thought
from aura.pipeline.ports import Assistant

Keeps: TypeAlias = Literal["nothing", "text", "details"]
"""Nothing; the text of what was thought before a call; or the blocks that OpenRouter streams beside
the text, for the providers behind it."""

PROVIDERS: dict[Keeps, str] = {"text": "openai", "details": "openrouter"}
"""Whose thoughts these are."""

GROWING = ("text", "summary")
"""Fields of a block that come in pieces."""

Detail = dict[str, object]

_encode = msgspec.json.Encoder().encode
_decode_text = msgspec.json.Decoder(dict[str, str]).decode
_decode_details = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Reasoning:
    """What one answer has to be put back with."""

    def __init__(self, agent_id: str, keeps: Keeps) -> None:
        self._agent_id = agent_id
        self._keeps: Keeps = keeps
        self._texts: list[str] = []
        self._blocks: list[Detail] = []

    def heard(self, events: Iterable[AnyEvent]) -> None:
        """Take in what was thought."""
        if self._keeps == "text":
            self._texts += [each.content for each in events if isinstance(each, ReasoningDelta)]

    def add(self, pieces: Iterable[Detail]) -> None:
        """Take in pieces of blocks: those of a kind with the same index are one block, and what
        has no index goes on with the last one of its kind. One that is sealed comes whole, and
        nothing follows a signature: some streams number all blocks alike."""
        for piece in pieces if self._keeps == "details" else ():
            block = self._continued(piece)
            if block is None:
                self._blocks.append(dict(piece))
            else:
                _grow(block, piece)

    def thoughts(self, *, called: bool) -> list[Thought]:
        """All of it as one thought, if there is any that is wanted."""
        kept: object = self._blocks
        if called and self._texts:
            kept = {"reasoning_content": "".join(self._texts)}
        if not kept:
            return []
        block, provider = _encode(kept).decode(), PROVIDERS[self._keeps]
        return [Thought(agent_id=self._agent_id, provider=provider, block=block)]

    def _continued(self, piece: Mapping[str, object]) -> Detail | None:
        """The block that a piece belongs to, if it does not begin one."""
        if piece.get("data"):
            return None
        for block in reversed(self._blocks):
            if block.get("type") == piece.get("type"):
                index = piece.get("index")
                same = index is None or block.get("index") == index
                other = block.get("id") and piece.get("id") and block["id"] != piece["id"]
                return block if same and not other and not block.get("signature") else None
        return None


def _grow(block: Detail, piece: Mapping[str, object]) -> None:
    for name, value in piece.items():
        before = block.get(name)
        if name in GROWING and isinstance(before, str) and isinstance(value, str):
            block[name] = before + value
        elif value is not None:
            block[name] = value


def put_back(message: Assistant, keeps: Keeps) -> dict[str, object]:
    """What goes back with an answer. With a call there has to be a text, be it empty."""
    provider = PROVIDERS.get(keeps)
    blocks = [thought.block for thought in message.thoughts if thought.provider == provider]
    if keeps == "details" and blocks:
        return {"reasoning_details": [each for block in blocks for each in _decode_details(block)]}
    if keeps == "text" and message.calls:
        return dict(_decode_text(blocks[0])) if blocks else {"reasoning_content": ""}
    return {}
