"""Calls over real connections: by stdio, by HTTP, and by HTTP as it was before, twice."""

from __future__ import annotations

import math

import anyio
import msgspec
import pytest

from aura.adapters.mcp.connection import FRESHEST, lifetime
from aura.adapters.mcp.link import Link
from aura.adapters.mcp.servers import Server
from aura.events import ToolProgressed, ToolStarted
from aura.pipeline.compose import opened
from aura.pipeline.ports import Outcome
from tests.support.mcp.links import PATIENCE, Notes, asked, call, connected, result
from tests.support.mcp.processes import over_http, over_sse, serving
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

AGAIN = "MCP server listed its tools again"


async def test_the_server_says_what_it_offers(link: Link) -> None:
    [echo] = [listed for listed in link.tools if listed.name == "echo"]
    assert echo.description == "Give the text back."
    assert msgspec.json.decode(echo.parameters)["required"] == ["text"]
    assert link.status.status == "connected"
    assert link.status.tools_count == len(link.tools)


async def test_a_call_starts_and_ends_with_its_result(link: Link) -> None:
    started = ToolStarted(
        agent_id="main", tool_id="call_1", tool_name="echo", progress_token="call_1"
    )
    assert await call(link, "echo", text="hi") == [started, Outcome("hi")]


async def test_progress_arrives_in_order_under_the_token_of_its_call(link: Link) -> None:
    started, *reports, outcome = await call(link, "steps", count=3)
    expected = [
        ToolProgressed(
            agent_id="main",
            tool_id="call_1",
            message=f"step {step}",
            phase="mcp_progress",
            percent=percent,
            progress_token=started.progress_token,
        )
        for step, percent in [(1, 33), (2, 66), (3, 100)]
    ]
    assert [*reports, outcome] == [*expected, Outcome("done")]


async def test_an_error_of_the_tool_is_told_to_the_model(link: Link) -> None:
    outcome = await result(link, "fail", why="disk on fire")
    assert outcome.failure == "tool"
    assert outcome.text.startswith("Tool returned an error: ")
    assert outcome.text.endswith("disk on fire")


async def test_arguments_that_the_tool_refuses_are_told_to_the_model(link: Link) -> None:
    outcome = await result(link, "echo", wrong=1)
    assert outcome.failure == "tool"
    assert "text" in outcome.text


async def test_a_tool_that_the_server_does_not_have_is_named(link: Link) -> None:
    outcome = await result(link, "nothing")
    assert outcome.failure in {"tool", "arguments"}
    assert "nothing" in outcome.text


async def test_a_result_of_several_megabytes_arrives_whole(link: Link) -> None:
    assert len((await result(link, "big", size=3_000_000)).text) == 3_000_000


async def test_an_image_is_named(link: Link) -> None:
    assert (await result(link, "picture")).text == "[Image: image/png (28)]"


async def test_calls_run_beside_each_other(link: Link) -> None:
    async with opened(link.call("hang", asked("hang"), {"name": "beside"})) as items:
        assert isinstance(await anext(items), ToolStarted)
        assert await result(link, "echo", text="meanwhile") == Outcome("meanwhile")


async def test_leaving_a_call_early_tells_the_server(link: Link) -> None:
    async with opened(link.call("hang", asked("hang"), {"name": "left"})) as items:
        assert isinstance(await anext(items), ToolStarted)
        assert isinstance(await anext(items), ToolProgressed)
    assert await result(link, "interruption", name="left") == Outcome("left")


async def test_cancelling_whoever_reads_a_call_tells_the_server(link: Link) -> None:
    began = anyio.Event()

    async def read() -> None:
        async with opened(link.call("hang", asked("hang"), {"name": "cancelled"})) as items:
            async for item in items:
                if isinstance(item, ToolProgressed):
                    began.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.fail_after(PATIENCE):
            await began.wait()
        tasks.cancel_scope.cancel()
    assert await result(link, "interruption", name="cancelled") == Outcome("cancelled")


async def test_a_call_that_takes_too_long_is_cancelled(http_port: int) -> None:
    async with connected(over_http(http_port, call_timeout=0.3)) as link:
        outcome = await result(link, "hang", name="late")
        assert outcome.failure == "timeout"
        assert "'hang' did not answer within 0.3 seconds" in outcome.text
        assert await result(link, "interruption", name="late") == Outcome("late")


async def test_static_headers_are_on_every_call(http_port: int) -> None:
    server = over_http(http_port, headers={"Authorization": "Bearer s3cret"})
    async with connected(server) as link:
        assert '"authorization": "Bearer s3cret"' in (await result(link, "headers")).text
    assert "s3cret" not in repr(server)


@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_a_header_arrives_byte_for_byte(request: pytest.FixtureRequest, kind: str) -> None:
    port = request.getfixturevalue(f"{kind}_port")
    over = over_http if kind == "http" else over_sse
    async with connected(over(port, headers={"X-Name": "J\u00fcrgen  ="})) as link:
        sent = msgspec.json.decode((await result(link, "headers")).text)
    assert sent["x-name"] == "J\u00fcrgen  ="


@pytest.mark.parametrize("link", ["stdio"], indirect=True)
async def test_a_child_gets_a_minimal_environment_and_its_own(link: Link) -> None:
    environment = msgspec.json.decode((await result(link, "environment")).text)
    inherited = {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"}
    assert environment.keys() - inherited - {"LC_CTYPE"} == {"EXTRA"}
    assert environment["EXTRA"] == "s3cret"
    assert "s3cret" not in repr(link.server)


@pytest.mark.parametrize("flags", [(), ("--legacy",), ("--sse",)], ids=str)
async def test_a_new_tool_is_noticed_when_the_server_tells(flags: tuple[str, ...]) -> None:
    log = Notes()
    with serving(*flags) as (_, port):
        server = over_sse(port) if "--sse" in flags else over_http(port)
        await notices_a_new_tool(server, log)


async def notices_a_new_tool(server: Server, log: Notes) -> None:
    async with connected(server, log=log) as link:
        version = link.version
        assert "learned" not in {listed.name for listed in link.tools}
        await result(link, "learn")
        await log.wait_for(AGAIN)
        assert "learned" in {listed.name for listed in link.tools}
        assert link.version > version


@pytest.mark.parametrize("flags", [(), ("--legacy",)], ids=str)
async def test_a_list_that_is_too_old_is_asked_for_again(flags: tuple[str, ...]) -> None:
    log = Notes()
    with serving(*flags) as (_, port):
        async with connected(over_http(port, tools_ttl=0.2), log=log) as link:
            await result(link, "secretly")
            seen = len(log.told(AGAIN))
            await log.wait_for(AGAIN, times=seen + 2)
            assert "secret" in {listed.name for listed in link.tools}


@pytest.mark.parametrize(
    ("ttl", "hints", "seconds"),
    [
        (300.0, [0, 0], 300.0),
        (None, [0], math.inf),
        (300.0, [60_000, 20_000], 20.0),
        (None, [0, 30_000], 30.0),
        (300.0, [1], FRESHEST),
    ],
)
def test_how_long_a_list_is_good(ttl: float | None, hints: list[int], seconds: float) -> None:
    assert lifetime(over_http(1, tools_ttl=ttl), hints) == seconds


async def test_many_calls_at_once_each_get_their_own_result(link: Link) -> None:
    outcomes: dict[int, Outcome] = {}

    async def one(number: int) -> None:
        stream = link.call("echo", asked("echo", f"call_{number}"), {"text": str(number)})
        [*_, outcomes[number]] = await transcript(stream)  # type: ignore[misc]

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, number)
    assert outcomes == {number: Outcome(str(number)) for number in range(20)}
