"""Batches of entries into the ASGI messages of one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Send

from aura.events import (
    CompletionDelayed,
    CompletionEnded,
    CompletionStarted,
    McpStatus,
    RunCompleted,
    RunFailed,
    SessionInfo,
)
from aura.runs.entry import Entry
from aura.server.errors import ErrorAnswer, retry_headers
from aura.server.fold import Fold
from aura.server.frames import KEEPALIVE, Frames
from aura.server.timing import Timing

SSE_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
_encode = msgspec.json.Encoder().encode

JSON_HEADERS = {"content-type": "application/json"}

PRELUDE = (
    SessionInfo,
    McpStatus,
    CompletionStarted,
    CompletionDelayed,
    CompletionEnded,
    RunFailed,
    RunCompleted,
)
"""Events that come before the provider's first word, or without one."""


class Writer(Protocol):
    """Writes one answer."""

    async def write(self, batch: Sequence[Entry]) -> bool:
        """Write what the batch adds. Gives whether the answer is complete."""
        ...

    async def cut(self, error: ErrorAnswer) -> None:
        """End the answer before the run is over, and say why."""
        ...


class JsonWriter:
    """Writes the whole answer once the run is over."""

    def __init__(self, fold: Fold, *, send: Send, headers: Mapping[str, str]) -> None:
        self._fold = fold
        self._send = send
        self._headers = headers

    async def write(self, batch: Sequence[Entry]) -> bool:
        """Count the batch; write when it ends the run."""
        for entry in batch:
            self._fold.add(entry.event)
        if not _ends(batch):
            return False
        failure = self._fold.failure
        headers = {**self._headers, **JSON_HEADERS}
        if failure is not None:
            headers |= retry_headers(failure.retry_after)
        await self._send(_start(self._fold.status, headers))
        await self._send(_body(self._fold.body(), more=False))
        return True

    async def cut(self, error: ErrorAnswer) -> None:
        """Answer with the error."""
        await self._send(_start(410, {**self._headers, **JSON_HEADERS}))
        await self._send(_body(_encode(error), more=False))


class StreamWriter:
    """Writes every batch as it comes, everything that is ready in one piece, but for the frames
    numbered up to `after`.

    The status line waits for the provider's first word or until `timing` releases it, so that a
    run that fails at once is answered by `early`, with the status that fits.
    """

    def __init__(
        self,
        frames: Frames,
        *,
        send: Send,
        headers: Mapping[str, str],
        timing: Timing,
        clock: Callable[[], float],
        early: JsonWriter | None = None,
        after: int = -1,
    ) -> None:
        self._frames = frames
        self._early = early
        self._send = send
        self._headers = headers
        self._timing = timing
        self._clock = clock
        self._after = after
        self._held: list[Entry] = []

    async def write(self, batch: Sequence[Entry]) -> bool:
        """Write the frames of the batch, or a comment when it is time for one."""
        ended = _ends(batch)
        if self._timing.wrote is None:
            self._held += batch
            if all(isinstance(entry.event, PRELUDE) for entry in self._held):
                failed = any(isinstance(entry.event, RunFailed) for entry in self._held)
                if ended and failed and self._early is not None:
                    return await self._early.write(self._held)
                if not ended and self._timing.due(self._clock()) != "release":
                    return False
            await self._put(_start(200, {**self._headers, **SSE_HEADERS}))
            batch, self._held = self._held, []
        data = b"".join([self._frames.render(entry, self._after) for entry in batch])
        if not data and self._timing.due(self._clock()) == "keepalive":
            data = KEEPALIVE
        if data or ended:
            await self._put(_body(data, more=not ended))
        return ended

    async def cut(self, error: ErrorAnswer) -> None:
        """Say why nothing more comes. These frames have no number: they are not of the run."""
        if self._timing.wrote is None:
            await self._put(_start(200, {**self._headers, **SSE_HEADERS}))
        await self._put(_body(b"data: %b\n\ndata: [DONE]\n\n" % _encode(error), more=False))

    async def _put(self, message: HTTPResponseStartEvent | HTTPResponseBodyEvent) -> None:
        timing = self._timing
        began = timing.writing_since = self._clock()
        await self._send(message)
        timing.wrote = self._clock()
        timing.blocked += timing.wrote - began
        timing.writing_since = None


def _ends(batch: Sequence[Entry]) -> bool:
    return bool(batch) and isinstance(batch[-1].event, RunCompleted)


def _start(status: int, headers: Mapping[str, str]) -> HTTPResponseStartEvent:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}


def _body(data: bytes, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": data, "more_body": more}
