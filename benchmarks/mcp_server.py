"""An MCP server with tools that answer at once, over streamable HTTP.

    python -m benchmarks.mcp_server PORT NAME

Its tools are `NAME_search` and others with the same parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.machine import LOAD_CORE, ROOT, Program, free_port, started
from benchmarks.tool_upstream import RESULT

VERBS = ("search", "list", "get", "count", "sum", "compare", "create", "update", "move", "delete")

TABLE = """
[mcp.servers.{name}]
transport = "http_streamable"
url = "{url}"
required = true
"""
"""What a configuration says about it; Aura waits for it before it answers anybody."""


@contextmanager
def mcp_server(name: str) -> Iterator[Program]:
    """A server of this name, on the core of the load client."""
    port = free_port()
    command = ("benchmarks.mcp_server", str(port), name)
    with started(command, port, core=LOAD_CORE, where=ROOT) as program:
        yield program


def url(program: Program) -> str:
    """Where clients find it."""
    return f"http://127.0.0.1:{program.address[1]}/mcp"


def table(name: str, program: Program) -> str:
    """The server as a configuration names it."""
    return TABLE.format(name=name, url=url(program))


async def stock(
    query: Annotated[str, Field(description="What to look for, in the words of the catalogue.")],
    warehouse: Annotated[
        Literal["north", "south", "both"], Field(description="Where to look.")
    ] = "both",
    limit: Annotated[int, Field(ge=1, le=100, description="How many articles at most.")] = 10,
) -> str:
    """What is on stock."""
    del query, warehouse, limit
    return RESULT


async def health(request: Request) -> Response:
    """It accepts."""
    del request
    return Response()


def serve(port: int, name: str) -> None:
    """Serve on the loopback interface until the process is ended."""
    server = MCPServer(name, log_level="CRITICAL")
    for verb in VERBS:
        about = f"{verb.title()} articles that are on stock, by name, kind and warehouse."
        server.add_tool(stock, name=f"{name}_{verb}", description=about)
    server.custom_route("/health", methods=["GET"])(health)
    server.run(transport="streamable-http", host="127.0.0.1", port=port)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
