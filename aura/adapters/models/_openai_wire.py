"""The chunks of a chat completion, as far as we use them, and how they are decoded. Pure."""

from __future__ import annotations

import msgspec

from aura.adapters.models._openai_calls import CallFragment, FunctionFragment
from aura.adapters.models.complaints import UNREADABLE
from aura.adapters.models.halves import Halves


class Part(msgspec.Struct, gc=False):
    """A piece of text or of reasoning, where the content is a list; reasoning is one, too."""

    text: str | None = None
    thinking: str | list[Part] | None = None

    @property
    def thought(self) -> str:
        """The reasoning in it."""
        if isinstance(self.thinking, list):
            return "".join(part.text or "" for part in self.thinking)
        return self.thinking or ""


class Delta(msgspec.Struct, gc=False):
    """A piece of the answer, or the whole of one that is not streamed."""

    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[CallFragment] | None = None
    function_call: FunctionFragment | None = None
    reasoning_details: msgspec.Raw = msgspec.Raw()


class PromptDetails(msgspec.Struct, gc=False):
    """What the prompt's tokens were."""

    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """What the answer's tokens were."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    """What was billed; tokens from the cache have several names."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers; we ask for one."""

    delta: Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0
    message: Delta | None = None
    usage: Usage | None = None
    error: object = None


class Chunk(msgspec.Struct, gc=False):
    """What we use of a chunk; `error`, or `message` without choices, is a failure."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: object = None
    message: object = None
    type: object = None
    code: object = None


decode_chunk = msgspec.json.Decoder(Chunk).decode


def decoded(payloads: list[bytes], halves: Halves) -> tuple[list[Chunk], bytes | None]:
    """The chunks, up to the first payload that is none, and that payload."""
    chunks: list[Chunk] = []
    for payload in payloads:
        try:
            chunks.append(halves.read(decode_chunk, payload))
        except UNREADABLE:
            if payload.strip():
                return chunks, payload
    return chunks, None


def alone(payloads: list[bytes]) -> Chunk | None:
    """The chunk that a read consists of, if it is one whole chunk: slow providers send them one at
    a time."""
    if len(payloads) != 1:
        return None
    try:
        return decode_chunk(payloads[0])
    except UNREADABLE:
        return None


def plain(chunk: Chunk) -> Delta | None:
    """The delta of a chunk that holds nothing that we use but a piece of text or of reasoning, as
    most do."""
    if not chunk.choices or len(chunk.choices) > 1 or chunk.usage is not None or chunk.error:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if delta is None or choice.finish_reason is not None or choice.index:
        return None
    if choice.usage or choice.error or delta.refusal or delta.tool_calls or delta.function_call:
        return None
    return None if isinstance(delta.content, list) else delta
