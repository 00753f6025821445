"""The frames of an answer of Anthropic's messages API, as far as we use them. Pure."""

from __future__ import annotations

import msgspec


class OutputDetails(msgspec.Struct, gc=False):
    """What the answer's tokens were."""

    thinking_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    """What was billed so far; the three kinds of input exclude each other."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class Container(msgspec.Struct, gc=False):
    """Where the provider runs its own tools."""

    id: str | None = None


class Delta(msgspec.Struct, gc=False):
    """A piece of a block, or what became of the message."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: msgspec.Raw = msgspec.Raw()
    stop_reason: str | None = None
    container: Container | None = None


class Message(msgspec.Struct, gc=False):
    """The beginning of a message, or the whole of one that is not streamed."""

    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    container: Container | None = None
    error: object = None


class Frame(msgspec.Struct, gc=False):
    """One event of the stream; types that are not known mean nothing to us."""

    type: str = ""
    index: int = 0
    message: Message | None = None
    content_block: msgspec.Raw = msgspec.Raw()
    delta: Delta | None = None
    usage: Usage | None = None
    error: object = None


class Start(msgspec.Struct, gc=False):
    """A content block as it begins."""

    type: str = ""
    id: str | None = None
    name: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    input: msgspec.Raw = msgspec.Raw()


decode_frame = msgspec.json.Decoder(Frame).decode
decode_message = msgspec.json.Decoder(Message).decode
decode_start = msgspec.json.Decoder(Start).decode
