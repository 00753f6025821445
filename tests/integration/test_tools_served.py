"""Tools behind a running server: whose headers they get, and who tells them to stop."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anyio
import httpx2
import pytest

from aura.pipeline.ports import Outcome
from tests.support.mcp.links import PATIENCE, connected, result
from tests.support.mcp.processes import over_http, serving
from tests.support.processes import Processes, Running
from tests.support.wire import frames

AGENT = """
[agent]
name = "desk"
system_prompt = ""
[agent.llm]
provider = "scripted"
script = "desk.toml"
[mcp.servers.test]
transport = "http_streamable"
url = "http://127.0.0.1:{port}/mcp"
headers = {{ Authorization = "Static one", X-Static = "always" }}
headers_from_request = {{ authorization = "X-User-Token" }}
"""

SCRIPT = """
[[reply]]
when = { tool = "headers" }
text = "${result}"
[[reply]]
when = { message = "hang (?P<name>.+)" }
calls = [
    { name = "hang", arguments = { name = "${name} 1" } },
    { name = "hang", arguments = { name = "${name} 2" } },
]
[[reply]]
calls = [{ name = "headers" }]
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read files."""


@pytest.fixture(scope="module", params=[(), ("--legacy",)], ids=["stateless", "sessions"])
def tools(request: pytest.FixtureRequest) -> Iterator[int]:
    with serving(*request.param) as (_, port):
        yield port


def desk(tools: int, processes: Processes, *options: str) -> Running:
    files = {"agents/desk.toml": AGENT.format(port=tools), "desk.toml": SCRIPT}
    server = processes.serve(files, *options)
    httpx2.get(f"{server.url}/aura/info?detail=tools", timeout=PATIENCE)  # connected, when it ends
    return server


def body(question: str, *, stream: bool) -> dict[str, object]:
    return {"stream": stream, "messages": [{"role": "user", "content": question}]}


@pytest.mark.parametrize("value", ["Token abc 123", "ApiKey   x=y", ""])
def test_a_mapped_header_of_the_request_reaches_the_tool_as_it_is(
    tools: int, processes: Processes, value: str
) -> None:
    server = desk(tools, processes)
    url = f"{server.url}/v1/chat/completions"

    def seen(headers: dict[str, str]) -> dict[str, str]:
        answer = httpx2.post(url, json=body("?", stream=False), headers=headers, timeout=PATIENCE)
        told: dict[str, str] = json.loads(answer.json()["choices"][0]["message"]["content"])
        return told

    sent = seen({"x-USER-token": value, "authorization": "Bearer for-us", "x-other": "no"})
    assert (sent["authorization"], sent["x-static"]) == (value, "always")
    assert "x-other" not in sent
    assert seen({})["authorization"] == "Static one"


def test_tools_are_listed_for_the_caller(tools: int, processes: Processes) -> None:
    server = desk(tools, processes)
    headers = {"x-user-token": "Token abc"}
    told = httpx2.get(f"{server.url}/aura/info?detail=tools", headers=headers, timeout=PATIENCE)
    [agent] = told.json()["agents"]
    offered = {tool["name"]: tool for tool in agent["mcp_servers"]["test"]["tools"]}
    assert offered["echo"]["inputSchema"]["required"] == ["text"]
    assert "odd_name" in offered
    assert "Static one" not in told.text


async def interrupted(tools: int, name: str) -> None:
    """Return when both calls of that name were interrupted at the MCP server."""
    async with connected(over_http(tools)) as link:
        for number in (1, 2):
            each = f"{name} {number}"
            assert await result(link, "interruption", name=each) == Outcome(each)


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_calls_are_cancelled_when_the_time_of_the_request_is_up(
    tools: int, processes: Processes, stream: bool
) -> None:
    server = desk(tools, processes, "--streaming-timeout-secs", "1")
    name = f"late {tools} {stream}"
    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        answer = await client.post(
            f"{server.url}/v1/chat/completions", json=body(f"hang {name}", stream=stream)
        )
    if stream:
        errors = [f.data["error"] for f in frames(answer.content) if "error" in f.data]
    else:
        errors = [answer.json()["error"]]
    assert [error["code"] for error in errors] == ["request_timeout"]
    await interrupted(tools, name)


@pytest.mark.anyio
async def test_calls_are_cancelled_when_the_server_is_shut_down(
    tools: int, processes: Processes
) -> None:
    server = desk(tools, processes, "--shutdown-timeout-secs", "1")
    name = f"down {tools}"
    async with (
        httpx2.AsyncClient(timeout=PATIENCE) as client,
        client.stream(
            "POST",
            f"{server.url}/v1/chat/completions",
            json=body(f"hang {name}", stream=True),
            headers={"x-aura-events": "all"},
        ) as answer,
    ):
        told = b""
        async for part in answer.aiter_bytes():
            if told.count(b"aura.progress") < 2 <= (told + part).count(b"aura.progress"):
                server.terminate()
            told += part
    assert b'"code":"server_shutdown"' in told
    await interrupted(tools, name)
    assert await anyio.to_thread.run_sync(server.ended) == 0
