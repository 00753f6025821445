"""Blocks of reasoning that a compatible service streams beside an answer, to be put back. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Detail = dict[str, object]

GROWING = ("text", "summary", "data")
"""Fields that come in pieces."""

_encode = msgspec.json.Encoder().encode


class Details:
    """The blocks of one answer, put together from their pieces: those of a kind with the same index
    are one block, and what has no index goes on with the last one of its kind."""

    def __init__(self) -> None:
        self._blocks: list[Detail] = []

    def add(self, pieces: list[Detail]) -> None:
        """Take pieces in."""
        for piece in pieces:
            block = self._continued(piece)
            if block is None:
                self._blocks.append(dict(piece))
            else:
                _grow(block, piece)

    def block(self) -> str:
        """All of them as a JSON array, and nothing when there are none; takes them out."""
        blocks, self._blocks = self._blocks, []
        return _encode(blocks).decode() if blocks else ""

    def _continued(self, piece: Mapping[str, object]) -> Detail | None:
        """The block that a piece belongs to, if it does not begin one."""
        for block in reversed(self._blocks):
            if block.get("type") == piece.get("type"):
                index = piece.get("index")
                same = index is None or block.get("index") == index
                other = block.get("id") and piece.get("id") and block["id"] != piece["id"]
                return block if same and not other else None
        return None


def _grow(block: Detail, piece: Mapping[str, object]) -> None:
    for name, value in piece.items():
        before = block.get(name)
        if name in GROWING and isinstance(before, str) and isinstance(value, str):
            block[name] = before + value
        elif value is not None:
            block[name] = value
