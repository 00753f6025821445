"""The streams of a child process: what it complains about, and that it is gone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Self, TextIO, cast

import anyio
from mcp.client._transport import ReadStream, TransportStreams
from mcp.shared.message import SessionMessage

from aura.pipeline.ports import Log

LONGEST_LINE = 8192


class Watched:
    """A stream that sets an event when it ends; otherwise the stream it wraps."""

    def __init__(self, stream: Any, ended: anyio.Event) -> None:
        self._stream = stream
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._ended.set()
            raise

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    def __aexit__(self, *error: Any) -> Awaitable[bool | None]:
        left: Awaitable[bool | None] = self._stream.__aexit__(*error)
        return left


def watched(streams: TransportStreams, ended: anyio.Event) -> TransportStreams:
    """The same streams; `ended` is set when the other side stops writing."""
    read, write = streams
    return cast("ReadStream[SessionMessage | Exception]", Watched(read, ended)), write


@asynccontextmanager
async def drained_stderr(log: Log) -> AsyncIterator[TextIO]:
    """A file for a child to complain to; each line becomes a line of our log."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_forward, reading, log)
        try:
            with os.fdopen(writing, "w") as errors:
                yield errors
        finally:
            tasks.cancel_scope.cancel()
            os.close(reading)


async def _forward(reading: int, log: Log) -> None:
    rest = b""
    while True:
        await anyio.wait_readable(reading)
        data = os.read(reading, 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            log.debug("MCP server says", line=line[:LONGEST_LINE].decode("utf-8", "replace"))
        rest = rest[-LONGEST_LINE:]
