"""An MCP server over HTTP+SSE that misbehaves on request; run as a process of its own.

python tests/support/mcp/sse_server.py    on loopback; prints its port once it accepts

/sse behaves. The other paths have one fault each, and `to` in their query is a URL that they want
to be used. /state gives the requests so far (those of MCP), how many streams are open, and the
messages that are held: those that call `stall`, for ever, and those whose method is in the header
`x-hold`, until a request to /release.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections import defaultdict
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from starlette.types import Message, Receive, Scope, Send

NAMELESS = ": nothing\n\nevent: endpoint\n\ndata: {}\n\nevent: endpoint\ndata: /messages/\n"
NOISE = ": nothing\r\n\r\nevent: gossip\ndata: {}\n\ndata: {\n\ndata: 1\r\rdata\n\n"
STATUSES = {"/moved": 307, "/refused": 401, "/streamable": 405}

server = MCPServer("test", log_level="CRITICAL")
sse = server.sse_app()
interrupted: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)
seen: list[dict[str, str | None]] = []
streams: list[str] = []
held: list[str] = []
holds: list[anyio.Event] = []


@server.tool()
def echo(text: str) -> str:
    """Give the text back."""
    return text


@server.tool()
async def steps(count: int, context: Context) -> str:
    """Report progress in steps."""
    for step in range(1, count + 1):
        await context.report_progress(step, count, f"step {step}")
    return "done"


@server.tool()
async def hang(name: str, context: Context) -> None:
    """Report that it began, wait for ever, and remember having been interrupted."""
    try:
        await context.report_progress(0, 1, "waiting")
        await anyio.sleep_forever()
    finally:
        interrupted[name].set()


@server.tool()
async def interruption(name: str) -> str:
    """Wait until the call of that name was interrupted."""
    await interrupted[name].wait()
    return name


@server.tool()
def big(size: int) -> str:
    """Give a result of so many characters."""
    return "x" * size


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Every request."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    to = parse_qs(scope["query_string"].decode()).get("to", [""])[0]
    match scope["path"]:
        case "/state":
            state = {"seen": seen, "open": len(streams), "held": held}
            await answer(send, 200, json.dumps(state).encode())
        case "/release":
            while holds:
                holds.pop().set()
            await answer(send, 200)
        case "/messages/":
            await message(headers, scope, receive, send)
        case path:
            seen.append({"path": path, **wanted(headers)})
            streams.append(path)
            try:
                await stream(path, to, scope, receive, send)
            finally:
                streams.remove(path)


async def stream(path: str, to: str, scope: Scope, receive: Receive, send: Send) -> None:
    """A stream of events, or what the path has instead."""
    named = f"event: endpoint\ndata: {to}\n\n"
    match path:
        case "/disguised":
            await events(send, named, content_type="text/html")
            await gone(receive)
        case "/elsewhere":
            await events(send, named)
            await gone(receive)
        case "/brief":
            await events(send, named)
            await end(send)
        case "/nameless":
            await events(send, NAMELESS)
            await end(send)
        case "/noisy":

            async def noisy(message: Message) -> None:
                await send(message)
                if message.get("body"):
                    await send(body(NOISE + named))

            await sse({**scope, "path": "/sse"}, receive, noisy)
        case "/sse":
            await sse(scope, receive, send)
        case _:
            await answer(send, STATUSES[path], location=to)


async def message(headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
    """A message; what it calls says what goes wrong with it."""
    first = await receive()
    content = json.loads(first["body"])
    method, parameters = content.get("method"), content.get("params") or {}
    seen.append({"path": scope["path"], "method": method, **wanted(headers)})
    rest = [first]

    async def replayed() -> Message:
        return rest.pop() if rest else await receive()

    match parameters:
        case {"name": "stall"}:
            held.append(method)
            await gone(receive)
            held.remove(method)
        case {"name": "chatter"}:
            await chatter(receive, send)
            seen.append({"path": "/silenced", **wanted(headers)})
        case {"name": "refuse"}:
            await answer(send, 500)
        case {"name": "forget"}:
            await answer(send, 404)
        case {"name": "deflect", "arguments": {"to": to}}:
            await answer(send, 307, location=to)
        case _:
            if headers.get("x-hold") == method:
                held.append(method)
                holds.append(anyio.Event())
                await holds[-1].wait()
                held.remove(method)
                seen.append({"path": "/release", **wanted(headers)})
            await sse(scope, replayed, send)


async def chatter(receive: Receive, send: Send) -> None:
    """Take a message with many words, until the client has gone."""
    await events(send, "", content_type="text/plain")
    async with anyio.create_task_group() as tasks:

        async def talk() -> None:
            while True:
                await send(body(10_000 * "x"))
                await anyio.lowlevel.checkpoint()

        tasks.start_soon(talk)
        await gone(receive)
        tasks.cancel_scope.cancel()


def wanted(headers: dict[str, str]) -> dict[str, str | None]:
    """The headers that tests look at."""
    return {name: headers.get(name) for name in ("accept", "authorization", "x-caller")}


async def answer(send: Send, status: int, content: bytes = b"", **headers: str) -> None:
    """A whole response."""
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})


async def events(send: Send, text: str, content_type: str = "text/event-stream") -> None:
    """The begin of a stream of events."""
    headers = [(b"content-type", content_type.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(body(text))


def body(text: str) -> Message:
    """A part of a stream of events."""
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}


async def end(send: Send) -> None:
    """The end of a stream of events."""
    await send({"type": "http.response.body", "body": b""})


async def gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run([listener])
