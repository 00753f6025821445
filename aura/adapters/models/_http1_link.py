"""A connection that speaks HTTP/1.1: one request at a time.

llhttp parses; what is here moves bytes, keeps time and knows when the connection can be used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from aura.adapters.models._http1_reply import Reply
from aura.adapters.models.transport import TransportError

ROOM: Final = 256 * 1024
"""Bytes of an answer that may wait to be read before the server has to."""

MOST_HEADERS: Final = 64 * 1024
"""Bytes after which headers should be over; one read may bring more."""


class Link(asyncio.Protocol):
    """A connection. `spare` is called with it when it can be used again, `gone` when it cannot be
    any more; nothing may come for longer than `silence` seconds while somebody waits."""

    def __init__(
        self, *, silence: float, spare: Callable[[Link], None], gone: Callable[[Link], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence = silence
        self._spare = spare
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._reply: Reply | None = None
        self._early = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self.spare_since = 0.0

    @property
    def status(self) -> int:
        """The status of the answer that arrives."""
        return 0 if self._parser is None else self._parser.get_status_code()

    @property
    def lasting(self) -> bool:
        """Whether the server keeps the connection after the answer that has just ended."""
        return self._parser is not None and self._parser.should_keep_alive()

    @property
    def usable(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes) -> Reply:
        """Send a request; gives its answer, of which nothing is there yet."""
        reply = self._reply = Reply(self)
        self._early = 0
        self._parser = httptools.HttpResponseParser(reply)
        if self._transport is not None:
            self._transport.writelines((head, body))
        return reply

    async def news(self) -> None:
        """Wait until something has come. Raises `TransportError` when that takes too long."""
        waiter = self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + self._silence
        if self._alarm is None:
            self._alarm = self._loop.call_at(self._deadline, self._look)
        try:
            await waiter
        finally:
            if self._waiter is waiter:  # else it may be that of the next request already
                self._waiter = None

    def resume(self) -> None:
        """There is room again."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close the connection without a word."""
        self._end(TransportError("read", "the connection was given up"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Something came. What nobody has asked for ends the connection."""
        reply, parser = self._reply, self._parser
        if reply is None or parser is None:
            self.abort()
            return
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not reply.complete:
                why = str(error.__context__ or f"what came is not HTTP: {error}")
                self._end(TransportError("read", why))
                return
            reply.reusable = False
        if reply.complete:
            self._complete(reply)
        elif reply.waiting > ROOM and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        elif not reply.headed:
            self._early += len(data)
            if self._early > MOST_HEADERS:
                why = f"the headers of the answer have more than {MOST_HEADERS} bytes"
                self._end(TransportError("read", why))
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        reply = self._reply
        if reply is not None and exc is None and reply.until_closed:
            reply.complete = True
        self._part(TransportError("read", str(exc or "") or "the server closed the connection"))
        self._transport = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._gone(self)

    def _complete(self, reply: Reply) -> None:
        """The answer is there; the connection may serve another one."""
        transport = self._transport
        reply.part()
        self._reply = self._parser = None
        if transport is None:
            return
        if reply.reusable and not transport.get_write_buffer_size():
            self.resume()
            self.spare_since = self._loop.time()
            self._spare(self)
        else:
            transport.close()

    def _end(self, error: TransportError) -> None:
        self._part(error)
        if self._transport is not None:
            self._transport.abort()

    def _part(self, error: TransportError) -> None:
        if self._reply is not None:
            self._reply.part(error)
        self._reply = self._parser = None
        self._tell()

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look(self) -> None:
        """One alarm serves all waits: it comes at the deadline of the first and moves on."""
        self._alarm = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._alarm = self._loop.call_at(self._deadline, self._look)
            return
        self._end(TransportError("silence", f"nothing came for {self._silence:g} seconds"))
