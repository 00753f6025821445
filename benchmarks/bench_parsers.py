"""Parsers: CPU microseconds that a chunk of each provider costs until it is an event."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import cycle, islice
from time import process_time_ns
from zlib import crc32

import msgspec

from aura.adapters.models._anthropic_events import MessageParser
from aura.adapters.models._bedrock_events import EventParser
from aura.adapters.models._gemini_chunks import ChunkParser as GeminiParser
from aura.adapters.models._ollama_lines import LineParser
from aura.adapters.models._openai_chunks import ChunkParser
from aura.adapters.models.exchange import Parser
from aura.pipeline.run import fresh_id
from benchmarks.lane import measured
from benchmarks.table import Row, middle
from benchmarks.upstream import CYCLE, frames, word

CHUNKS = 8192
ROUNDS = 9

TARGET = 5.0

READS = (1, 4, 32)
"""Chunks that one read gives."""


def _anthropic() -> MessageParser:
    return MessageParser("main", model="bench", ids=fresh_id)


def _openai() -> ChunkParser:
    return ChunkParser("main", model="bench", ids=fresh_id)


def _reasoning(index: int) -> bytes:
    """A chunk as vLLM sends it while the model thinks."""
    choice = {"index": 0, "delta": {"reasoning_content": word(index)}, "finish_reason": None}
    return b"data: %b\n\n" % msgspec.json.encode(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    )


def _arguments(index: int) -> bytes:
    """A piece of a call that goes on and on."""
    text = msgspec.json.encode(word(index)).decode()[1:-1]
    call = {"index": 0, "function": {"arguments": text}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
    return b"data: %b\n\n" % msgspec.json.encode(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    )


def _block_delta(index: int) -> bytes:
    delta = {"type": "text_delta", "text": word(index)}
    frame = msgspec.json.encode({"type": "content_block_delta", "index": 0, "delta": delta})
    return b"event: content_block_delta\ndata: %b\n\n" % frame


def _gemini() -> GeminiParser:
    return GeminiParser("main", model="bench", ids=fresh_id)


def _part(index: int) -> bytes:
    content = {"parts": [{"text": word(index)}], "role": "model"}
    counts = {"promptTokenCount": 9, "candidatesTokenCount": index, "totalTokenCount": 9 + index}
    chunk = {
        "candidates": [{"content": content, "index": 0}],
        "usageMetadata": counts,
        "modelVersion": "m",
        "responseId": "r",
    }
    return b"data: %b\r\n\r\n" % msgspec.json.encode(chunk)


def _ollama() -> LineParser:
    return LineParser("main", model="bench", ids=fresh_id)


def _line(index: int) -> bytes:
    message = {"role": "assistant", "content": word(index)}
    head = {"model": "m", "created_at": "2026-01-01T00:00:00.000000Z"}
    return msgspec.json.encode({**head, "message": message, "done": False}) + b"\n"


def _openrouter() -> ChunkParser:
    return ChunkParser("main", model="bench", ids=fresh_id, keeps="details")


def _detailed(index: int) -> bytes:
    """A chunk as OpenRouter sends it while the model thinks."""
    text = word(index)
    detail = {"type": "reasoning.text", "text": text, "index": 0, "format": None}
    delta = {"role": "assistant", "content": "", "reasoning": text, "reasoning_details": [detail]}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: %b\n\n" % msgspec.json.encode(
        {"id": "gen-1", "provider": "p", "model": "m", "choices": [choice]}
    )


def _bedrock() -> EventParser:
    return EventParser("main", model="bench", ids=fresh_id)


def _message(index: int) -> bytes:
    """A message of AWS's event stream: lengths, checksums, headers, and the piece of text."""
    given = {
        ":event-type": "contentBlockDelta",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(text)) + text
        for name, text in ((name, value.encode()) for name, value in given.items())
    )
    block = {"contentBlockIndex": 0, "delta": {"text": word(index)}, "p": "abcdefghijkl"}
    payload = msgspec.json.encode(block)
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))


KINDS: tuple[tuple[str, Callable[[], Parser], Callable[[int], bytes]], ...] = (
    ("openai, text", _openai, lambda index: frames(pad=False)[index]),
    ("openai, reasoning", _openai, _reasoning),
    ("openai, a long call", _openai, _arguments),
    ("anthropic, text", _anthropic, _block_delta),
    ("gemini, text", _gemini, _part),
    ("ollama, text", _ollama, _line),
    ("openrouter, reasoning", _openrouter, _detailed),
    ("bedrock, text", _bedrock, _message),
)
"""What is read, by what, and a chunk of it by its number."""


def measure() -> list[Row]:
    """Every provider's chunks, one and several a read."""
    return [
        Row(
            what=f"{what}, {count} a read",
            value=_microseconds(parser, chunk, count),
            unit="us/chunk",
            target=TARGET,
        )
        for what, parser, chunk in KINDS
        for count in READS
    ]


def _microseconds(parser: Callable[[], Parser], chunk: Callable[[int], bytes], count: int) -> float:
    """CPU time for each chunk, the median of some rounds after one to warm up."""
    chunks = list(islice(cycle([chunk(index) for index in range(CYCLE)]), CHUNKS))
    reads = [b"".join(chunks[start : start + count]) for start in range(0, CHUNKS, count)]
    costs: list[float] = []
    for _ in range(1 + ROUNDS):
        feed = parser().feed
        begun = process_time_ns()
        for read in reads:
            feed(read)
        costs.append((process_time_ns() - begun) / CHUNKS / 1000)
    return middle(costs[1:])


if __name__ == "__main__":
    measured(__doc__, measure)
