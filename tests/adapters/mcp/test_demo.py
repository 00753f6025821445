"""The server of the demo, as its users start it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest

from aura.adapters.mcp.link import Link
from aura.events import ToolProgressed
from aura.pipeline.ports import Outcome
from tests.support.mcp.links import Notes, call, connected, result
from tests.support.mcp.processes import DEMO, over_stdio

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def demo(anyio_backend: str) -> AsyncIterator[Link]:
    log = Notes()
    async with connected(over_stdio(DEMO), log=log) as link:
        yield link
    assert log.told("MCP server says") == []


@pytest.mark.parametrize(
    ("tool", "a", "b", "expected"),
    [
        ("add", 2, 2, "4"),
        ("add", 0.1, 0.2, "0.3"),
        ("add", 1234567, 1, "1234568"),
        ("subtract", 1, 2.5, "-1.5"),
        ("multiply", 17, 23, "391"),
        ("divide", 1, 4, "0.25"),
    ],
)
async def test_arithmetic(demo: Link, tool: str, a: float, b: float, expected: str) -> None:
    assert await result(demo, tool, a=a, b=b) == Outcome(expected)


async def test_division_by_zero_is_an_error_of_the_tool(demo: Link) -> None:
    outcome = await result(demo, "divide", a=1, b=0)
    assert outcome.failure == "tool"
    assert outcome.text.endswith("cannot divide by zero")


@pytest.mark.parametrize(
    ("arguments", "articles"),
    [
        ({"warehouse": "north"}, ["bolts", "cables"]),
        ({"warehouse": "south"}, ["drives", "fans"]),
    ],
)
async def test_the_inventory(demo: Link, arguments: dict[str, object], articles: list[str]) -> None:
    inventory = msgspec.json.decode((await result(demo, "list_inventory", **arguments)).text)
    assert [item["name"] for item in inventory["items"]] == articles


@pytest.mark.parametrize("arguments", [{}, {"warehouse": None}])
async def test_the_whole_inventory_is_large(demo: Link, arguments: dict[str, object]) -> None:
    inventory = msgspec.json.decode((await result(demo, "list_inventory", **arguments)).text)
    items = inventory["items"]
    assert [item["name"] for item in items[:4]] == ["bolts", "cables", "drives", "fans"]
    assert len(items) == 2704
    assert next(item["name"] for item in items if not item["count"]) == "brackets-211"


async def test_counting_reports_each_shelf(demo: Link) -> None:
    _, *reports, outcome = await call(demo, "count_stock", warehouse="north", steps=4, seconds=0)
    percents = [report.percent for report in reports if isinstance(report, ToolProgressed)]
    assert percents == [25, 50, 75, 100]
    assert outcome == Outcome("1285 pieces in the north warehouse")


async def test_a_warehouse_that_does_not_exist_is_an_error_of_the_tool(demo: Link) -> None:
    for tool in ("count_stock", "list_inventory"):
        assert (await result(demo, tool, warehouse="west")).failure == "tool"


def test_it_is_quiet_when_nobody_talks_to_it() -> None:
    ended = subprocess.run(
        [sys.executable, DEMO],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
