"""What the tests of Anthropic's messages write down again and again."""

from __future__ import annotations

from typing import Any

import msgspec

from aura.adapters.models._anthropic_events import MessageParser
from aura.events import AnyEvent, Thought
from aura.masking import Mask
from tests.adapters.models.chunks import counted


def parser(**options: Any) -> MessageParser:
    return MessageParser(
        "main", model="anthropic/claude", ids=counted(), mask=Mask(["sk-secret"]), **options
    )


def parse(*reads: bytes, **options: Any) -> list[AnyEvent]:
    messages = parser(**options)
    events = [event for read in reads for event in messages.feed(read)]
    return events + messages.finish()


def frame(kind: str, **fields: object) -> bytes:
    data = msgspec.json.encode({"type": kind, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def begun(**usage: object) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    return frame("message_start", message={**message, "usage": usage})


def block(index: int, content_block: dict[str, object], *deltas: dict[str, object]) -> bytes:
    return b"".join(
        (
            frame("content_block_start", index=index, content_block=content_block),
            *(frame("content_block_delta", index=index, delta=delta) for delta in deltas),
            frame("content_block_stop", index=index),
        )
    )


def text(index: int, *pieces: str) -> bytes:
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return block(index, {"type": "text", "text": ""}, *deltas)


def call(index: int, tool_id: str, name: str, *pieces: str) -> bytes:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    start = {"type": "tool_use", "id": tool_id, "name": name, "input": {}}
    return block(index, start, *deltas)


def thinking(index: int, signature: str, *pieces: str) -> bytes:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    signed = {"type": "signature_delta", "signature": signature}
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas, signed)


def ended(reason: str | None = "end_turn", **usage: object) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return frame("message_delta", delta=delta, usage=usage) + frame("message_stop")


def kept(block: object) -> Thought:
    encoded = block if isinstance(block, str) else msgspec.json.encode(block).decode()
    return Thought(agent_id="main", provider="anthropic", block=encoded)
