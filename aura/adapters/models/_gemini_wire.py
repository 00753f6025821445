"""The chunks that answer Gemini's streamGenerateContent, as far as we use them. Pure."""

from __future__ import annotations

import msgspec


class FunctionCall(msgspec.Struct, gc=False):
    """A call, which comes whole."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class Part(msgspec.Struct, rename="camel", gc=False):
    """A piece of the answer; a `thought` is text that is no part of what is said."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(msgspec.Struct, gc=False):
    """What a candidate says."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, rename="camel", gc=False):
    """One of the answers; we ask for one."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None


class Feedback(msgspec.Struct, rename="camel", gc=False):
    """Why a prompt is not answered."""

    block_reason: str | None = None


class Usage(msgspec.Struct, rename="camel", gc=False):
    """What was billed up to now."""

    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None


class Chunk(msgspec.Struct, rename="camel", gc=False):
    """What we use of a chunk; `error` is a failure."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Usage | None = None
    error: object = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_chunks = msgspec.json.Decoder(list[Chunk]).decode
