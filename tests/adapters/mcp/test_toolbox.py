"""The tools of an agent: their names, its filter, and what it is told about its servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from aura.adapters.mcp.link import Link
from aura.adapters.mcp.servers import HttpServer
from aura.adapters.mcp.toolbox import Choice, McpToolbox, Told
from aura.events import ServerStatus
from aura.pipeline.ports import Outcome
from tests.support.mcp.links import Notes, asked, listed
from tests.support.tools import gives
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio


def offering(server: str, *tools: str) -> Link:
    link = Link(HttpServer(name=server, url="http://127.0.0.1/"))
    link.connected(tuple(listed(name, f"Does {name}.") for name in tools))
    return link


def toolbox(*links: Link, log: Notes | None = None, **choice: Any) -> McpToolbox:
    return McpToolbox(links, Choice(**choice), told=Told(log or Notes()))


def names(tools: McpToolbox) -> list[str]:
    return [tool.spec.name for tool in tools.tools()]


@pytest.mark.parametrize(
    ("mcp_filter", "expected"),
    [
        (None, ["list", "disk_usage"]),
        ((), []),
        (("disk*", "nothing"), ["disk_usage"]),
        (("l?st",), ["list"]),
    ],
)
def test_a_filter_goes_by_the_names_that_models_see(
    mcp_filter: Sequence[str] | None, expected: list[str]
) -> None:
    assert names(toolbox(offering("a", "list", "disk usage"), mcp_filter=mcp_filter)) == expected


def test_tools_of_the_same_name_are_told_apart_and_reported_once() -> None:
    log = Notes()
    box = toolbox(offering("a", "list"), offering("b", "list"), log=log)
    assert names(box) == ["list", "b_list"]
    assert names(box) == ["list", "b_list"]
    facts = {"mcp_server": "b", "tool": "list", "name": "b_list"}
    assert [entry[2] for entry in log.entries] == [facts]


def test_a_server_that_is_down_takes_its_tools_away_but_renames_no_others() -> None:
    first, second = offering("a", "list"), offering("b", "list")
    box = toolbox(first, second)
    assert names(box) == ["list", "b_list"]
    first.failed("Connection failed: gone")
    assert names(box) == ["b_list"]
    first.connected(first.known)
    assert names(box) == ["list", "b_list"]


def test_the_tools_are_made_anew_only_when_a_list_changes() -> None:
    link = offering("a", "one")
    box = toolbox(link)
    tools = box.tools()
    link.connected(link.known)
    assert box.tools() is tools
    link.connected((listed("two"),))
    assert names(box) == ["two"]


async def test_a_tool_is_called_by_its_servers_own_name() -> None:
    link = offering("a", "disk usage")
    [tool] = toolbox(link).tools()
    link.lost()
    stream = tool.call(asked("disk_usage"), {"path": "/"})
    link.failed("Connection failed: gone")
    [outcome] = await transcript(stream)
    assert isinstance(outcome, Outcome)
    assert tool.spec.description == "Does disk usage."
    assert tool.spec.parameters == listed("").parameters


async def test_statuses_are_sorted_by_name() -> None:
    healthy, dead = offering("b", "list"), offering("a")
    dead.failed("Connection failed: gone")
    box = toolbox(healthy, dead)
    await box.ready()
    assert box.statuses() == (
        ServerStatus(
            server_name="a",
            transport="http_streamable",
            status="failed",
            tools_count=0,
            reason="Connection failed: gone",
        ),
        ServerStatus(
            server_name="b", transport="http_streamable", status="connected", tools_count=1
        ),
    )


def test_built_in_tools_come_first_and_keep_their_names() -> None:
    box = toolbox(offering("a", "list", "read"), built_in=(gives("read", "x"),))
    assert names(box) == ["read", "list", "a_read"]


def test_a_model_that_takes_only_so_many_tools_gets_the_first_and_the_log_the_rest() -> None:
    log = Notes()
    box = toolbox(offering("a", "one", "two", "three"), most=2, log=log)
    assert names(box) == names(box) == ["one", "two"]
    [(level, _, facts)] = log.entries
    assert (level, facts) == ("warning", {"most": 2, "left_out": ["three"]})


def test_a_strict_model_sees_the_rewritten_schema_and_no_tool_without_one() -> None:
    strict = msgspec.Raw(b'{"type":"object","properties":{}}')
    link = offering("a")
    link.connected((listed("one", strict=strict, changes=("closed",)), listed("two", strict=None)))
    assert [tool.spec.parameters for tool in toolbox(link, strict=True).tools()] == [strict]
    assert names(toolbox(link)) == ["one", "two"]
    [offer] = toolbox(link, strict=True).offers()
    assert (offer.spec.name, offer.changes) == ("one", ("closed",))
    assert [offer.changes for offer in toolbox(link).offers()] == [(), ()]


async def test_arguments_that_do_not_fit_are_not_sent() -> None:
    link = offering("a")
    link.connected((listed("one", checked=lambda _: "`path` is missing."),))
    [tool] = toolbox(link).tools()
    assert await transcript(tool.call(asked("one"), {})) == [
        Outcome("ToolCallError: `path` is missing.", failure="arguments")
    ]
