"""A provider whose answers take as long as the other side wants.

The first part of the path says how it behaves: `base_url = "{url}/flood/v1"` sends a long answer as
fast as it is taken, `base_url = "{url}/hold/v1"` stops behind the first words until it is told to
go on.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
LONGEST_HEAD = 65536
SEND_BUFFER = 65536
"""What the kernel may take although nobody reads it. By itself it would take megabytes."""

FIRST, LAST = "One moment. ", "Done."
"""How each answer begins and ends."""


class Flowing:
    """Where the provider is, and how far its answers got.

    `written` counts the bytes of floods that were taken; `flooding` and `held` are the answers
    under way, `left` those of which nobody heard the end.
    """

    def __init__(self, url: str, pieces: int, piece: str) -> None:
        self.url = url
        self.written = 0
        self.flooding = 0
        self.held = 0
        self.left = 0
        self._pieces = pieces
        self._piece = _frame(piece)
        self._released = anyio.Event()

    def release(self) -> None:
        """Let every answer that is held now come to its end."""
        self._released.set()
        self._released = anyio.Event()

    def holds(self, number: int) -> bool:
        """Whether so many answers are held."""
        return self.held == number

    async def answer(self, connection: SocketStream) -> None:
        """Answer one request, on a connection of its own."""
        connection.extra(SocketAttribute.raw_socket).setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER
        )
        async with connection:
            try:
                behaviour = await _asked(connection)
                await connection.send(HEAD + _frame(FIRST))
                await (self._flood if behaviour == "flood" else self._hold)(connection)
                await connection.send(
                    _frame(LAST, "stop") + _part(b"data: [DONE]\n\n") + _part(b"")
                )
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                self.left += 1

    async def _flood(self, connection: SocketStream) -> None:
        self.flooding += 1
        try:
            for _ in range(self._pieces):
                await connection.send(self._piece)
                self.written += len(self._piece)
        finally:
            self.flooding -= 1

    async def _hold(self, connection: SocketStream) -> None:
        """Wait for the release. Raises `EndOfStream` when the other side leaves before it."""
        released = self._released
        self.held += 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_leave_with, connection, tasks.cancel_scope)
                await released.wait()
                tasks.cancel_scope.cancel()
        finally:
            self.held -= 1
        if not released.is_set():
            raise anyio.EndOfStream


@asynccontextmanager
async def flowing(*, pieces: int = 0, piece: str = "") -> AsyncIterator[Flowing]:
    """Serve on loopback; a flood is so many times this piece."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    provider = Flowing(f"http://127.0.0.1:{port}", pieces, piece)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, provider.answer)
        yield provider
        tasks.cancel_scope.cancel()


async def _leave_with(connection: SocketStream, scope: anyio.CancelScope) -> None:
    with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
        await connection.receive()
    scope.cancel()


async def _asked(connection: SocketStream) -> str:
    """The behaviour that a request asks for, once all of the request is there."""
    reader = BufferedByteReceiveStream(connection)
    head = (await reader.receive_until(b"\r\n\r\n", LONGEST_HEAD)).decode().lower()
    await reader.receive_exactly(int(head.partition("content-length:")[2].split()[0]))
    return head.split("/")[1]


def _frame(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}
    return _part(b"data: " + msgspec.json.encode(chunk) + b"\n\n")


def _part(data: bytes) -> bytes:
    """A chunk of the body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)
