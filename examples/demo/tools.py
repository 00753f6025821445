"""A small MCP server: arithmetic, an inventory, and a count that takes its time.

Run it: python examples/demo/tools.py (stdio), or with --http PORT (streamable HTTP on loopback)
You should see: nothing; it waits for a client. `make run` starts it for the demo agents.
"""

from __future__ import annotations

import argparse
import logging
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

server = MCPServer("demo", log_level="ERROR")


class Item(BaseModel):
    """An article on stock."""

    name: str
    warehouse: str
    count: int


class Inventory(BaseModel):
    """What is on stock."""

    items: list[Item]


PARTS = ("brackets", "filters", "fuses", "hinges", "panels", "pumps", "relays", "seals", "valves")

STOCK = (
    Item(name="bolts", warehouse="north", count=1200),
    Item(name="cables", warehouse="north", count=85),
    Item(name="drives", warehouse="south", count=14),
    Item(name="fans", warehouse="south", count=230),
    *(
        Item(name=f"{part}-{size}", warehouse="central", count=len(part) * size * 37 % 211)
        for part in PARTS
        for size in range(1, 301)
    ),
)
"""Two small warehouses, and one whose listing is too long to be read."""


def shown(value: float) -> str:
    """The number as people write it: no `.0`, and none of the last digits that binary adds."""
    return f"{value:.15g}"


@server.tool()
def add(a: float, b: float) -> str:
    """Add two numbers."""
    return shown(a + b)


@server.tool()
def subtract(a: float, b: float) -> str:
    """Subtract b from a."""
    return shown(a - b)


@server.tool()
def multiply(a: float, b: float) -> str:
    """Multiply two numbers."""
    return shown(a * b)


@server.tool()
def divide(a: float, b: float) -> str:
    """Divide a by b."""
    if b == 0:
        raise ToolError("cannot divide by zero")
    return shown(a / b)


@server.tool()
def list_inventory(warehouse: str | None = None) -> Inventory:
    """List what is on stock, in one warehouse (north, south or central) or in all of them."""
    return Inventory(items=list(STOCK) if warehouse is None else stored(warehouse))


def stored(warehouse: str) -> list[Item]:
    """What one warehouse has. Raises `ToolError` when there is no such warehouse."""
    if found := [item for item in STOCK if item.warehouse == warehouse]:
        return found
    raise ToolError(f"no warehouse {warehouse!r}: one of 'north', 'south', 'central'")


@server.tool()
async def count_stock(
    warehouse: str,
    context: Context,
    steps: Annotated[int, Field(ge=1, le=100)] = 4,
    seconds: Annotated[float, Field(ge=0, le=600)] = 2.0,
) -> str:
    """Count a warehouse shelf by shelf, which takes a while; reports progress."""
    total = sum(item.count for item in stored(warehouse))
    for step in range(1, steps + 1):
        await anyio.sleep(seconds / steps)
        await context.report_progress(step, steps, f"shelf {step} of {steps} counted")
    return f"{total} pieces in the {warehouse} warehouse"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT")
    port = parser.parse_args().http
    logging.disable(logging.INFO)
    if port is None:
        server.run(transport="stdio")
    else:
        server.run(transport="streamable-http", host="127.0.0.1", port=port)
