"""An MCP server that misbehaves on request; run as a process of its own.

python tests/support/mcp_server.py            over stdio
python tests/support/mcp_server.py --http P   over streamable HTTP on loopback port P
"""

from __future__ import annotations

import argparse
import logging
import os

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("test", log_level="CRITICAL")
interrupted: list[str] = []


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
        interrupted.append(name)


@server.tool()
def interruptions() -> str:
    """Name the calls that were interrupted."""
    return ",".join(interrupted)


@server.tool()
def big(size: int) -> str:
    """Give a result of so many characters."""
    return "x" * size


@server.tool()
def picture() -> Image:
    """Give an image."""
    return Image(data=b"not really a picture", format="png")


@server.tool()
def environment() -> str:
    """Name the environment variables."""
    return ",".join(sorted(os.environ))


@server.tool()
def die() -> str:
    """End the process at once."""
    os._exit(3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    port = parser.parse_args().http
    logging.disable(logging.CRITICAL)
    if port is None:
        server.run(transport="stdio")
    else:
        server.run(transport="streamable-http", host="127.0.0.1", port=port)
