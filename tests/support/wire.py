"""Server-sent events as a client reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its event name, its id, and its data, decoded."""

    event: str | None
    id: str | None
    data: Any


def frames(body: bytes) -> list[Frame]:
    """The frames of a stream, comments left out; `[DONE]` stays text."""
    assert body.endswith(b"\n\n")
    blocks = body.decode().removesuffix("\n\n").split("\n\n")
    return [_frame(block) for block in blocks if not block.startswith(":")]


def _frame(block: str) -> Frame:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    data = fields["data"]
    decoded = data if data == "[DONE]" else msgspec.json.decode(data)
    return Frame(fields.get("event"), fields.get("id"), decoded)


def text(body: bytes) -> str:
    """The answer that the chunks of a stream add up to."""
    chunks = [frame.data for frame in frames(body) if frame.data != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
