"""A provider that asks for one tool again and again before it answers, as cheaply as Python can.

    python -m benchmarks.tool_upstream PORT

The messages of a request say how often it has asked already; after `DEPTH` times it answers.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import msgspec
import uvloop

from benchmarks.client import dechunked
from benchmarks.upstream import HEAD, HEALTHY, ROLE, STOP, chunked, ending, frame, writes

DEPTH = 5
"""Times that it asks for the tool."""

TOKENS = 16
"""Chunks of the answer."""

TOOL = "bench_search"
PIECES = ('{"query":', '"bolts and', ' nuts"', ',"limit":', "10}")
"""The arguments, one piece a chunk."""

RESULT = "\n".join(f"bolts M{size}, {size * 100} pieces, warehouse north" for size in range(3, 15))
"""What the tool says; it has to reach the model unchanged."""

CALLED = frame("{}", finish='"tool_calls"')
REFUSAL = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"


class Message(msgspec.Struct, frozen=True):
    """A message of the request."""

    role: str
    content: str | None = None


class Request(msgspec.Struct, frozen=True):
    """The part of a request that matters here."""

    messages: list[Message]


_decode = msgspec.json.Decoder(Request).decode


def asking(index: int) -> bytes:
    """The answer that asks for the tool for the time with this number, in one write."""
    call = f'{{"index":0,"id":"call_{index}","type":"function","function":%s}}'
    pieces = [_fragment(call % f'{{"name":"{TOOL}","arguments":""}}')]
    for piece in PIECES:
        arguments = msgspec.json.encode(piece).decode()
        pieces.append(_fragment(f'{{"index":0,"function":{{"arguments":{arguments}}}}}'))
    end = dechunked(HEAD + ending(TOKENS)).replace(STOP, CALLED)
    return HEAD + ROLE + chunked(b"".join(pieces) + end) + b"0\r\n\r\n"


def _fragment(call: str) -> bytes:
    return frame(f'{{"tool_calls":[{call}]}}')


ASKING = tuple(asking(index) for index in range(DEPTH))
ANSWER = HEAD + ROLE + b"".join(writes(1, pad=False)[:TOKENS]) + ending(TOKENS)


def answer(body: bytes) -> bytes:
    """What a request gets; a refusal when a tool did not say what it should have."""
    results = [message.content for message in _decode(body).messages if message.role == "tool"]
    if any(result != RESULT for result in results):
        return REFUSAL
    return ASKING[len(results)] if len(results) < DEPTH else ANSWER


class ToolUpstream(asyncio.Protocol):
    """One connection: a request at a time, kept alive, each answered in one write."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer once the request is complete."""
        self._received += data
        if self._received.startswith(b"GET "):
            self._transport.write(HEALTHY)
            self._transport.close()
            return
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if end and len(body) >= int(length):
            self._received = b""
            self._transport.write(answer(body))


async def serve(port: int) -> None:
    """Serve on the loopback interface until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(ToolUpstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
