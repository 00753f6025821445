"""The thinnest program between a client and the upstream: Granian, our way to providers, no more.

What it adds to a request is what no server of this kind can be without on the machine at hand.

python -m benchmarks.bare PORT UPSTREAM_PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from aura.adapters.models.http1_transport import Http1Transport, open_http1

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream")],
}


class Bare:
    """Hands every body on, and every piece of the answer back."""

    def __init__(self, transport: Http1Transport, upstream: int) -> None:
        self._transport = transport
        self._url = f"http://127.0.0.1:{upstream}/v1/chat/completions"

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """An ASGI application."""
        if scope["method"] == "GET":  # whether it is up
            await send(START)
            await send({"type": "http.response.body", "body": b""})
            return
        asked = await receive()
        answer = await self._transport.post(self._url, {}, asked["body"])
        await send(START)
        async for batch in answer.batches():
            await send({"type": "http.response.body", "body": batch, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def main(port: int, upstream: int) -> None:
    """Serve until the process is ended."""
    async with open_http1() as transport:
        app = Bare(transport, upstream)
        server = Server(
            app,
            address="127.0.0.1",
            port=port,
            interface=Interfaces.ASGINL,
            websockets=False,
            log_level=LogLevels.error,
        )
        await server.serve()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
