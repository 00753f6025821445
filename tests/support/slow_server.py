"""An MCP server whose one tool takes its time, and which counts how the calls end.

python -P tests/support/slow_server.py PORT    over streamable HTTP on loopback; counts at /counts

`-P` keeps the packages beside this file from hiding those that it imports.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter

import anyio
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

server = MCPServer("slow", log_level="CRITICAL")
counts = Counter(started=0, finished=0, cancelled=0)


@server.tool()
async def wait(seconds: float) -> str:
    """Wait."""
    counts["started"] += 1
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        counts["cancelled"] += 1
        raise
    counts["finished"] += 1
    return f"waited {seconds:g} s"


@server.custom_route("/counts", methods=["GET"])  # type: ignore[untyped-decorator]
async def shown(request: Request) -> Response:
    """How many calls were started, finished and cancelled so far."""
    return JSONResponse(counts)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
