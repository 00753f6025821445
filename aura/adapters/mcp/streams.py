"""The streams of a connection: noticing that one ended, and what a child complains about."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TextIO

import anyio
from mcp.client._transport import ReadStream, TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from aura.masking import Mask
from aura.pipeline.ports import Log

LONGEST_LINE = 8192
LARGEST = 10**300


class Watched:
    """What the server sends, as the SDK reads it; sets `ended` when nothing more will come."""

    def __init__(self, stream: ReadStream[SessionMessage | Exception], ended: anyio.Event) -> None:
        self._stream = stream
        self._ended = ended

    @property
    def last_context(self) -> object:
        """The context that the SDK's HTTP transport sends along with each message."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message that the SDK can stand."""
        try:
            while True:
                message = await self._stream.receive()
                if not _overflows(message):
                    return message
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._ended.set()
            raise

    async def aclose(self) -> None:
        """Read no more."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> Coroutine[Any, Any, bool | None]:
        return self._stream.__aexit__(exc_type, exc_val, exc_tb)


def _overflows(message: SessionMessage | Exception) -> bool:
    """Whether it is progress in whole numbers that no float holds: the SDK would end over it."""
    match message:
        case SessionMessage(message=JSONRPCNotification(params=dict(params))):
            numbers = (params.get("progress"), params.get("total"))
            return any(isinstance(each, int) and abs(each) > LARGEST for each in numbers)
        case _:
            return False


def watched(streams: TransportStreams, ended: anyio.Event) -> TransportStreams:
    """The same streams; `ended` is set when the other side will say nothing more."""
    read, write = streams
    return Watched(read, ended), write


@asynccontextmanager
async def drained_stderr(log: Log, mask: Mask) -> AsyncIterator[TextIO]:
    """A file for a child to complain to; each line becomes a line of our log, without secrets."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_forward, reading, log, mask)
            with os.fdopen(writing, "w") as errors:
                yield errors
            tasks.cancel_scope.cancel()
    finally:
        os.close(reading)


async def _forward(reading: int, log: Log, mask: Mask) -> None:
    """Log line by line until the pipe ends; what is already in it when cancelled, too."""
    lines = Lines(log, mask)
    try:
        while True:
            await anyio.wait_readable(reading)
            if not lines.feed(os.read(reading, 65536)):
                return
    finally:
        with suppress(BlockingIOError):
            while lines.feed(os.read(reading, 65536)):
                pass


class Lines:
    """Text that arrives in pieces, logged in lines; the rest of a line that is too long is cut."""

    def __init__(self, log: Log, mask: Mask) -> None:
        self._log = log
        self._mask = mask
        self._rest = b""

    def feed(self, data: bytes) -> bool:
        """Log the lines that are complete now; no data means the end, and gives false."""
        *lines, rest = (self._rest + data).split(b"\n")
        if not data:
            lines, rest = [rest], b""
        for line in lines:
            if line.strip():
                text = self._mask(line.decode("utf-8", "replace"))[:LONGEST_LINE].rstrip()
                self._log.debug("MCP server says", line=text)
        self._rest = rest[:LONGEST_LINE]
        return bool(data)
