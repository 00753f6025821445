"""What the tests of Bedrock's parser write down again and again."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from zlib import crc32

import msgspec

from aura.adapters.models._bedrock_events import EventParser
from aura.events import AnyEvent, Thought, ToolCallDelta
from aura.masking import Mask
from tests.adapters.models import chunks

USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}


def frame(headers: dict[str, str], payload: object) -> bytes:
    """A message as AWS frames it; a payload that is bytes stays as it is."""
    body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(text)) + text
        for name, text in ((name, value.encode()) for name, value in headers.items())
    )
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    prelude += struct.pack("!I", crc32(prelude))
    message = prelude + head + body
    return message + struct.pack("!I", crc32(message))


def event(kind: str, payload: object) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, payload)


def trouble(kind: str, payload: object) -> bytes:
    return frame({":exception-type": kind, ":message-type": "exception"}, payload)


def piece(index: int = 0, **delta: object) -> bytes:
    """A delta, with the padding that hides its length from listeners."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abcdef"})


def text(words: str, index: int = 0) -> bytes:
    return piece(index, text=words)


def reasoning(index: int = 0, **content: object) -> bytes:
    return piece(index, reasoningContent=content)


def call(index: int, tool_id: str, name: str, **more: str) -> bytes:
    use = {"toolUseId": tool_id, "name": name, **more}
    return event("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": use}})


def arguments(index: int, words: str) -> bytes:
    return piece(index, toolUse={"input": words})


def close(index: int = 0) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def stop(reason: str = "end_turn") -> bytes:
    return event("messageStop", {"stopReason": reason})


def metadata(**usage: int) -> bytes:
    return event("metadata", {"usage": usage or USAGE, "metrics": {"latencyMs": 7}})


BEGIN = event("messageStart", {"role": "assistant"})


def parser(*live: str) -> EventParser:
    return EventParser(
        "main",
        model="bedrock/claude",
        ids=chunks.counted(),
        mask=Mask(["AKIASECRET"]),
        live=live,
    )


def parse(*reads: bytes, live: tuple[str, ...] = ()) -> list[AnyEvent]:
    events = parser(*live)
    found = [each for read in reads for each in events.feed(read)]
    return found + events.finish()


def merged(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """The events with neighbouring pieces of a kind joined, those of a call included."""
    out: list[AnyEvent] = []
    for each in chunks.merged(events):
        last = out[-1] if out else None
        if (
            isinstance(each, ToolCallDelta)
            and isinstance(last, ToolCallDelta)
            and each.index == last.index
        ):
            out[-1] = msgspec.structs.replace(last, arguments=last.arguments + each.arguments)
        else:
            out.append(each)
    return out


def signed(words: str, signature: str) -> Thought:
    content = {"reasoningText": {"text": words, "signature": signature}}
    return kept(content)


def redacted(data: bytes) -> Thought:
    return kept({"redactedContent": base64.b64encode(data).decode()})


def kept(content: dict[str, object]) -> Thought:
    block = msgspec.json.encode({"reasoningContent": content}).decode()
    return Thought(agent_id="main", provider="bedrock", block=block)


def delta(name: str, index: int, words: str) -> ToolCallDelta:
    return ToolCallDelta(agent_id="main", tool_name=name, index=index, arguments=words)
