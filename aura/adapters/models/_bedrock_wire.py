"""The messages of Bedrock's event stream, as far as we use them, and how they are decoded. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aura.adapters.models.complaints import UNREADABLE, Complaint


class ToolUse(msgspec.Struct, rename="camel", gc=False):
    """The head of a call, or a piece of its arguments. `type` tells tools that AWS runs."""

    tool_use_id: str | None = None
    name: str | None = None
    input: str | None = None
    type: str | None = None


class ReasoningPiece(msgspec.Struct, rename="camel", gc=False):
    """A piece of a reasoning block; what is redacted is base64."""

    text: str | None = None
    signature: str | None = None
    redacted_content: bytes | None = None


class Piece(msgspec.Struct, rename="camel", gc=False):
    """What a block begins with, or goes on with."""

    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: ReasoningPiece | None = None


class Block(msgspec.Struct, rename="camel", gc=False):
    """The begin, a piece or the end of a block of the answer."""

    content_block_index: int = 0
    start: Piece | None = None
    delta: Piece | None = None


class Usage(msgspec.Struct, rename="camel", gc=False):
    """What was billed."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class _Metadata(msgspec.Struct, gc=False):
    usage: Usage | None = None


class _Stop(msgspec.Struct, rename="camel", gc=False):
    stop_reason: str = ""


class _Trouble(msgspec.Struct, rename="camel", gc=False):
    message: str = ""
    original_message: str = ""


block_of = msgspec.json.Decoder(Block).decode
_metadata = msgspec.json.Decoder(_Metadata).decode
_stop = msgspec.json.Decoder(_Stop).decode
_trouble = msgspec.json.Decoder(_Trouble).decode


def stop_reason_of(payload: bytes) -> str:
    """The reason in a `messageStop`."""
    return _stop(payload).stop_reason


def usage_of(payload: bytes) -> Usage:
    """The usage in a `metadata`."""
    return _metadata(payload).usage or Usage()


def complaint_of(headers: Mapping[str, object], payload: bytes) -> Complaint:
    """What an exception says. In the stream its class begins with a small letter, elsewhere with a
    capital."""
    kind = str(headers.get(":exception-type") or headers.get(":error-code") or "")
    try:
        trouble = _trouble(payload)
    except UNREADABLE:
        trouble = _Trouble(message=payload.decode(errors="replace"))
    message = trouble.message or trouble.original_message or str(headers.get(":error-message", ""))
    return Complaint(message=message, type=kind[:1].upper() + kind[1:])
