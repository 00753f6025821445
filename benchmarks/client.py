"""A load client on raw connections: it takes the time of every read and parses next to nothing."""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TypeAlias, cast

import msgspec

Address: TypeAlias = tuple[str, int]

END = b"\r\n0\r\n\r\n"
"""How a chunked body ends after a last chunk that is not empty."""


class Delta(msgspec.Struct):
    """The text of a chunk."""

    content: str | None = None


class Choice(msgspec.Struct):
    """The one choice of a chunk."""

    delta: Delta


class Chunk(msgspec.Struct):
    """The part of a chunk that makes the text."""

    choices: list[Choice]


_decode = msgspec.json.Decoder(Chunk).decode


def body(words: str, model: str = "bench") -> bytes:
    """A request whose last message is the upstream's script."""
    return msgspec.json.encode(
        {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": words}],
        }
    )


@dataclass(slots=True, eq=False)
class Heard:
    """One answer: when the request left, when each read came (nanoseconds), and what it held."""

    begun: int
    times: array[int] = field(default_factory=lambda: array("q"))
    kept: list[bytes] = field(default_factory=list)

    @property
    def first(self) -> int:
        """Nanoseconds from the request to the first read."""
        return self.times[0] - self.begun

    @property
    def gaps(self) -> list[int]:
        """Nanoseconds between the reads."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]

    def events(self) -> list[bytes]:
        """The data of every server-sent event; only for answers that were kept."""
        return payloads(dechunked(b"".join(self.kept)))

    def text(self) -> str:
        """The text that a client would show; only for answers that were kept."""
        chunks = [_decode(payload) for payload in self.events() if payload != b"[DONE]"]
        return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def dechunked(answer: bytes) -> bytes:
    """The body of a chunked answer."""
    parts: list[bytes] = []
    position = answer.index(b"\r\n\r\n") + 4
    while True:
        end = answer.index(b"\r\n", position)
        length = int(answer[position:end], 16)
        if not length:
            return b"".join(parts)
        parts.append(answer[end + 2 : end + 2 + length])
        position = end + 4 + length


def payloads(stream: bytes) -> list[bytes]:
    """The `data` of each server-sent event."""
    lines = stream.split(b"\n")
    return [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]


class Connection(asyncio.Protocol):
    """One connection, kept alive: a request at a time."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._tail = b""
        self._heard = Heard(0)
        self._begun = asyncio.Event()
        self._done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, content: bytes) -> None:
        """Post a request; `first` and `rest` give the answer."""
        self._tail = b""
        self._begun.clear()
        self._done.clear()
        request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        ) % (len(content), content)
        self._heard = Heard(perf_counter_ns())
        self._transport.write(request)

    async def first(self) -> Heard:
        """What was heard so far, as soon as there is something."""
        await self._begun.wait()
        return self._heard

    async def rest(self) -> Heard:
        """The answer once it is whole."""
        await self._done.wait()
        if self._tail != END:
            message = "the connection was closed within an answer"
            raise RuntimeError(message)
        return self._heard

    async def ask(self, content: bytes) -> Heard:
        """Post a request and wait for the whole answer."""
        self.send(content)
        return await self.rest()

    def data_received(self, data: bytes) -> None:
        """Take the time and look for the end."""
        heard = self._heard
        heard.times.append(perf_counter_ns())
        if len(heard.times) == 1:
            if not data.startswith(b"HTTP/1.1 200"):
                message = f"the request was refused: {data!r}"
                raise RuntimeError(message)
            self._begun.set()
        if self._keep:
            heard.kept.append(data)
        if len(data) < len(END):
            data = self._tail + data
        self._tail = data[-len(END) :]
        if self._tail == END:
            self._done.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits, who finds the answer incomplete."""
        del exc
        self._begun.set()
        self._done.set()

    def close(self) -> None:
        """Leave."""
        self._transport.close()


async def connect(address: Address, *, keep: bool = False) -> Connection:
    """A connection; `keep` keeps every byte that is read."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(keep=keep), *address)
    return connection


async def connect_all(address: Address, count: int, *, keep: bool = False) -> list[Connection]:
    """Many connections, opened one after the other."""
    return [await connect(address, keep=keep) for _ in range(count)]
