"""A raw ASGI caller: every message that an application sends, and a client that can leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

Message = dict[str, Any]


@dataclass(slots=True, eq=False)
class Client:
    """What one client sent and got. `leave` ends the connection, `stall` stops it reading."""

    messages: list[Message] = field(default_factory=list)
    gone: anyio.Event = field(default_factory=anyio.Event)
    reading: anyio.Event | None = None
    got: Callable[[bytes], None] | None = None

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.reading is not None:
            await self.reading.wait()
        await anyio.lowlevel.checkpoint()
        self.messages.append(message)
        if self.got is not None and message["type"] == "http.response.body":
            self.got(message["body"])

    def leave(self) -> None:
        self.gone.set()

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(self.bodies)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.messages[1:]]


async def call(app: Callable[..., Awaitable[None]], client: Client) -> Client:
    """Let `app` answer `client`."""
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await app(scope, client.receive, client.send)
    return client
