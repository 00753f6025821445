"""An MCP server over stdio: three tools, a page for each, and results that break their schema."""

from __future__ import annotations

import anyio
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
)

NAMES = ("one", "two", "three")


async def listed(
    _: ServerRequestContext[object], params: PaginatedRequestParams | None
) -> ListToolsResult:
    """One tool, and where to go on."""
    place = int(params.cursor) if params is not None and params.cursor is not None else 0
    tool = Tool(
        name=NAMES[place],
        input_schema={"type": "object"},
        output_schema={"type": "object", "required": ["promised"]},
    )
    following = str(place + 1) if place + 1 < len(NAMES) else None
    return ListToolsResult(tools=[tool], next_cursor=following)


async def called(_: ServerRequestContext[object], __: CallToolRequestParams) -> CallToolResult:
    """Not what was promised."""
    return CallToolResult(content=[], structured_content={})


async def main() -> None:
    """Serve until standard input ends."""
    server = Server("paged", on_list_tools=listed, on_call_tool=called)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
