"""An MCP server that misbehaves on request; run as a process of its own.

python tests/support/mcp/server.py                       over stdio
python tests/support/mcp/server.py --http PORT           over streamable HTTP on loopback; 0 picks
                                                         a port; prints it once it accepts
python tests/support/mcp/server.py --http PORT --legacy  only the handshake of old, with sessions
python tests/support/mcp/server.py --http PORT --sse     over the HTTP transport of old
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
from collections import defaultdict

import anyio
import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

server = MCPServer("test", log_level="CRITICAL")
interrupted: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)


@server.tool()
def echo(text: str) -> str:
    """Give the text back."""
    return text


@server.tool(name="odd name!")
def odd() -> str:
    """Have a name that models cannot use."""
    return "odd"


@server.tool()
def fail(why: str) -> str:
    """Report an error."""
    raise ToolError(why)


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
async def wait(seconds: float = 0.0) -> str:
    """Wait, if at all."""
    await anyio.sleep(seconds)
    return "waited"


@server.tool()
def big(size: int) -> str:
    """Give a result of so many characters."""
    return "x" * size


@server.tool()
def picture() -> Image:
    """Give an image."""
    return Image(data=b"not really a picture", format="png")


@server.tool()
def environment() -> dict[str, str]:
    """Give the environment variables."""
    return dict(os.environ)


@server.tool()
def process() -> str:
    """Give the id of this process."""
    return str(os.getpid())


@server.tool()
def headers(context: Context) -> dict[str, str]:
    """Give the HTTP headers of this call."""
    return dict(context.headers or {})


@server.tool()
async def learn(context: Context) -> str:
    """Offer one more tool, and say so."""
    server.add_tool(odd, name="learned")
    await context.session.send_tool_list_changed()
    await context.notify_tools_changed()
    return "learned"


@server.tool()
def secretly() -> str:
    """Offer one more tool, and tell nobody."""
    server.add_tool(odd, name="secret")
    return "learned"


@server.tool()
def die() -> str:
    """End the process at once."""
    os._exit(3)


class Old:
    """Refuses what servers of old do not know."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()
        if json.loads(message["body"])["method"] == "server/discover":
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        first = [message]

        async def replayed() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replayed, send)


def serve(port: int, *, legacy: bool, sse: bool) -> None:
    """Serve over HTTP until killed; the port is on standard output once it accepts."""
    app: ASGIApp = server.sse_app() if sse else server.streamable_http_app()
    # A connection that is closed while the next request is on its way looks like a lost server.
    config = uvicorn.Config(
        Old(app) if legacy else app, log_level="critical", timeout_keep_alive=300
    )
    with socket.create_server(("127.0.0.1", port)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--sse", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.http is None:
        server.run(transport="stdio")
    else:
        serve(options.http, legacy=options.legacy, sse=options.sse)
