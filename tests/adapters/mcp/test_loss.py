"""Servers that go away and come back, and what is left at the end."""

from __future__ import annotations

import sys

import anyio
import psutil
import pytest

from aura.adapters.mcp.connection import pause
from aura.adapters.mcp.link import Item, Link
from aura.adapters.mcp.servers import StdioServer
from aura.adapters.mcp.streams import LONGEST_LINE
from aura.events import ToolProgressed
from aura.pipeline.compose import opened
from aura.pipeline.ports import Outcome
from tests.support.mcp.links import (
    CONNECTED,
    NOT_CONNECTED,
    PATIENCE,
    Notes,
    asked,
    connected,
    linked,
    result,
)
from tests.support.mcp.processes import OLD, PAGED, over_http, over_stdio, serving
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


async def test_a_child_that_dies_fails_the_call_and_the_next_call_works() -> None:
    async with connected(over_stdio()) as link:
        outcome = await result(link, "die")
        assert outcome.failure == "transport"
        assert "the MCP server 'test' was lost" in outcome.text
        assert await result(link, "echo", text="back") == Outcome("back")


async def test_a_child_that_dies_between_calls_is_started_again() -> None:
    log, before = Notes(), children()
    async with connected(over_stdio(), log=log) as link:
        [child] = [process for process in children() if process not in before]
        child.kill()
        await log.wait_for(CONNECTED, times=2)
        assert await result(link, "echo", text="back") == Outcome("back")


async def hung_until_killed(link: Link, process: psutil.Popen) -> list[Item]:
    """What a call gives whose server is killed as soon as it has begun."""
    items: list[Item] = []
    async with opened(link.call("hang", asked("hang"), {"name": "lost"})) as stream:
        async for item in stream:
            items.append(item)
            if isinstance(item, ToolProgressed):
                process.kill()
                process.wait()
    return items


async def once_back(link: Link, log: Notes) -> Outcome:
    """The first call that works again; another one is made whenever something has happened."""
    with anyio.fail_after(PATIENCE):
        while True:
            seen = len(log.entries)
            outcome = await result(link, "echo", text="back")
            if outcome.failure is None:
                return outcome
            await log.wait_for_more(seen)


@pytest.mark.parametrize("flags", [(), ("--legacy",)])
async def test_a_server_that_is_restarted_during_a_call_is_found_again(
    flags: tuple[str, ...],
) -> None:
    log = Notes()
    with serving(*flags) as (process, port):
        async with connected(over_http(port), log=log) as link:
            with anyio.fail_after(PATIENCE):
                [*_, outcome] = await hung_until_killed(link, process)
            assert isinstance(outcome, Outcome)
            assert outcome.failure == "transport"
            with serving(*flags, port=port):
                assert await once_back(link, log) == Outcome("back")


async def test_a_session_that_the_server_forgot_costs_one_call() -> None:
    log = Notes()
    with serving("--legacy") as (process, port):
        async with connected(over_http(port), log=log) as link:
            process.kill()
            process.wait()
            with serving("--legacy", port=port):
                await result(link, "echo", text="who?")
                assert await result(link, "echo", text="back") == Outcome("back")
    assert len(log.told(CONNECTED)) == 2


async def test_a_server_that_starts_late_is_found() -> None:
    log, port = Notes(), free_port()
    async with linked(over_http(port), log=log) as [link]:
        outcome = await result(link, "echo", text="early")
        assert outcome.failure == "transport"
        assert "the MCP server 'test' cannot be reached" in outcome.text
        with serving(port=port):
            await log.wait_for(CONNECTED)
            assert await result(link, "echo", text="late") == Outcome("late")


async def test_a_dead_server_does_not_touch_a_healthy_one(http_port: int) -> None:
    async with linked(over_http(free_port()), over_http(http_port)) as [dead, healthy]:
        assert dead.status.status == "failed"
        assert dead.status.tools_count == 0
        assert await result(healthy, "echo", text="fine") == Outcome("fine")


async def test_a_failure_that_goes_on_is_told_once() -> None:
    log = Notes()
    async with linked(over_http(free_port()), log=log):
        await log.wait_for(NOT_CONNECTED, times=2)
    assert [level for level, _ in log.told(NOT_CONNECTED)] == ["warning", "debug"]


@pytest.mark.parametrize(
    ("attempt", "chance", "seconds"),
    [(0, 0.0, 0.5), (1, 0.0, 1.0), (1, 0.5, 0.75), (5, 0.0, 16.0), (6, 0.0, 30.0), (9999, 1, 15)],
)
def test_pauses_between_attempts_grow(attempt: int, chance: float, seconds: float) -> None:
    assert pause(attempt, chance) == seconds


async def test_a_server_that_ignores_what_it_does_not_know_gets_the_handshake_of_old() -> None:
    log = Notes()
    async with linked(over_stdio(OLD, connect_timeout=0.7), log=log) as [link]:
        assert link.status.reason == "Connection failed: it did not answer within 0.7 seconds"
        await log.wait_for(CONNECTED)
        assert [listed.name for listed in link.tools] == ["old"]


async def test_every_page_is_read_and_a_result_against_its_own_schema_is_refused() -> None:
    async with connected(over_stdio(PAGED)) as link:
        assert [listed.name for listed in link.tools] == ["one", "two", "three"]
        outcome = await result(link, "one")
    assert outcome.failure == "tool"
    assert outcome.text.startswith("ToolCallError: the tool gave an invalid result: ")


async def test_what_a_child_complains_about_is_in_our_log() -> None:
    log = Notes()
    program = "import sys; sys.stderr.write('one\\n\\nt' + 'o' * 9000 + '\\nthree')"
    server = StdioServer(name="test", cmd=(sys.executable, "-c", program))
    async with linked(server, log=log):
        complaints = [facts["line"] for _, facts in log.told("MCP server says")]
    assert complaints == ["one", "t" + "o" * (LONGEST_LINE - 1), "three"]


async def test_nothing_is_left_after_the_end_and_callers_are_told() -> None:
    before = children()
    outcomes: list[Outcome] = []

    async def hang(link: Link) -> None:
        outcomes.append(await result(link, "hang", name="last"))

    async with (
        anyio.create_task_group() as tasks,
        connected(over_stdio()) as link,
        opened(link.call("hang", asked("hang"), {"name": "first"})) as items,
    ):
        await anext(items)
        tasks.start_soon(hang, link)
        await anext(items)
    assert [outcome.failure for outcome in outcomes] == ["transport"]
    assert children() == before
