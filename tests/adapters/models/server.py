"""A tiny real HTTP server whose answers a test writes byte by byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OVER = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection:
    """One request that was read, and the socket to answer on."""

    def __init__(self, socket: SocketStream, head: bytes, body: bytes) -> None:
        self.socket = socket
        self.head = head.decode()
        self.body = body

    async def send(self, data: bytes) -> None:
        await self.socket.send(data)

    async def gone(self) -> None:
        """Return when the client has closed the connection."""
        with suppress(*OVER):
            await self.socket.receive()


Answer = Callable[[Connection], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Serve on loopback; gives the URL. Connections are kept for as many requests as they bring."""

    async def serve(socket: SocketStream) -> None:
        async with socket:
            data = b""
            while True:
                try:
                    while b"\r\n\r\n" not in data:
                        data += await socket.receive()
                    head, _, data = data.partition(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    while len(data) < length:
                        data += await socket.receive()
                except OVER:
                    return
                body, data = data[:length], data[length:]
                await answer(Connection(socket, head, body))

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()
