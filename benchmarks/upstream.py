"""A provider that streams what the last user message asks for, as cheaply as Python can.

    python -m benchmarks.upstream PORT

The message is a few words such as `tokens=2000 pace=0 pack=4`; `Script` says what each one means.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import cycle, islice
from typing import cast

import msgspec
import uvloop

CYCLE = 1024
"""Different chunks; longer answers repeat them."""

BATCH = 64
"""Writes of one stream before the others get their turn."""

SENTENCE = (
    "the a stream of tokens that never waits , for anyone to count them ; every word is here and"
    " read once more because order matters — “quoted” café naïve 東京 \n\n"
)
WORDS = SENTENCE.split(" ")

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_0f4f6a1cd1b94aa8a6d3b3b0b4ad1fbe\r\ntransfer-encoding: chunked\r\n\r\n"
)

HEALTHY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_CHUNK = (
    '{"id":"chatcmpl-CfT2hLx0Jw8dVn3Rk5SyQm7Zb1Ge9","object":"chat.completion.chunk",'
    '"created":1795392000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default",'
    '"system_fingerprint":"fp_560af6e559","choices":[%s],"usage":%s}'
)
_CHOICE = '{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}'
_USAGE = (
    '{"prompt_tokens":24,"completion_tokens":%d,"total_tokens":%d,'
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}'
)


class Script(msgspec.Struct, frozen=True):
    """What to stream.

    `pace` is the seconds between two writes, 0 for as fast as they are taken; `pack` how many
    chunks share one write, a divisor of `CYCLE` and `tokens`. `pad` ends every chunk with random
    characters as OpenAI does unless asked not to, `stamp` makes each text the clock's nanoseconds,
    `silent` leaves the answer open without an end.
    """

    tokens: int = 16
    pace: float = 0.0
    pack: int = 1
    pad: bool = False
    stamp: bool = False
    silent: bool = False


class Asked(msgspec.Struct, frozen=True):
    """A message of the request."""

    content: str


class Request(msgspec.Struct, frozen=True):
    """The part of a request that matters here."""

    messages: list[Asked]


_decode = msgspec.json.Decoder(Request).decode


def script(body: bytes) -> Script:
    """The script in the last message of a request."""
    words = _decode(body).messages[-1].content.split()
    return msgspec.convert(dict(word.split("=") for word in words), Script, strict=False)


def word(index: int) -> str:
    """The text of the chunk with this number."""
    return " " + WORDS[index * 7 % CYCLE % len(WORDS)]


def text(tokens: int) -> str:
    """The whole text of an answer."""
    return "".join(islice(cycle(word(index) for index in range(CYCLE)), tokens))


def frame(delta: str, *, finish: str = "null", pad: str = "") -> bytes:
    """One chunk as a server-sent event."""
    chunk = _CHUNK % (_CHOICE % (delta, finish), "null")
    if pad:
        chunk = f'{chunk[:-1]},"obfuscation":"{pad}"}}'
    return f"data: {chunk}\n\n".encode()


@lru_cache
def frames(*, pad: bool) -> tuple[bytes, ...]:
    """One round of chunks; padding fills up each to the length of the longest, as OpenAI's."""
    texts = [msgspec.json.encode(word(index)).decode() for index in range(CYCLE)]
    letters = random.Random(1)
    return tuple(
        frame(
            f'{{"content":{content}}}',
            pad="".join(letters.choices("abcdefghijkXYZ0123456789", k=max(1, 14 - len(content))))
            if pad
            else "",
        )
        for content in texts
    )


def chunked(data: bytes) -> bytes:
    """Data as one chunk of an HTTP body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache
def writes(pack: int, *, pad: bool) -> tuple[bytes, ...]:
    """One round of writes with `pack` chunks in each."""
    found = frames(pad=pad)
    return tuple(chunked(b"".join(found[start : start + pack])) for start in range(0, CYCLE, pack))


ROLE = chunked(frame('{"role":"assistant","content":"","refusal":null}'))
STOP = frame("{}", finish='"stop"')
STAMPED = frame('{"content":" %019d"}')


def ending(tokens: int) -> bytes:
    """Everything after the last text: reason, usage, the end of the stream and of the body."""
    usage = f"data: {_CHUNK % ('', _USAGE % (tokens, tokens + 24))}\n\n".encode()
    return chunked(STOP + usage + b"data: [DONE]\n\n") + b"0\r\n\r\n"


def answer(asked: Script) -> Iterator[bytes]:
    """The writes of one answer; the first one carries the head and the first text."""
    parts: Iterator[bytes]
    if asked.stamp:
        parts = (chunked(STAMPED % time.perf_counter_ns()) for _ in range(asked.tokens))
    else:
        parts = islice(cycle(writes(asked.pack, pad=asked.pad)), asked.tokens // asked.pack)
    yield HEAD + ROLE + next(parts)
    yield from parts
    if not asked.silent:
        yield ending(asked.tokens)


class Upstream(asyncio.Protocol):
    """One connection: a request at a time, kept alive."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._writes: Iterator[bytes] = iter(())
        self._pace = 0.0
        self._due = 0.0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write at once: one `write` is one system call as long as the client reads."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Begin the answer once the request is complete."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if head.startswith(b"GET "):
            self._transport.write(HEALTHY)
            self._transport.close()
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length):
            return
        self._received = b""
        asked = script(body)
        self._writes = answer(asked)
        self._pace = asked.pace
        self._due = self._loop.time()
        self._go_on()

    def _go_on(self) -> None:
        if self._pace:
            self._write_one()
        else:
            self._write_many()

    def _write_one(self) -> None:
        if self._transport.is_closing():
            return
        for data in islice(self._writes, 1):
            self._transport.write(data)
            self._due += self._pace
            self._loop.call_at(self._due, self._write_one)

    def _write_many(self) -> None:
        if self._transport.is_closing():
            return
        write, count = self._transport.write, 0
        for count, data in enumerate(islice(self._writes, BATCH), 1):  # noqa: B007
            write(data)
            if self._paused:
                return
        if count == BATCH:
            self._loop.call_soon(self._write_many)

    def pause_writing(self) -> None:
        """Stop: the client does not keep up."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on: the client took everything."""
        self._paused = False
        if not self._pace:
            self._write_many()


async def serve(port: int) -> None:
    """Serve on the loopback interface until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
