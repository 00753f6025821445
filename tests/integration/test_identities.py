"""Callers with identities of their own, through one agent and at the same time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import anyio
import pytest

import aura
from aura.catalog import Served
from aura.events import TextDelta
from aura.pipeline.compose import opened
from tests.support.mcp.processes import serving

pytestmark = pytest.mark.anyio

CALLERS = ("ann", "bob")
RUNS = 250
"""Runs of each caller, in each protocol era."""

AT_ONCE = 24

CONFIG = """
[agent]
name = "whoami"
system_prompt = ""
[agent.llm]
provider = "scripted"
script = "{script}"
[mcp.servers.who]
transport = "http_streamable"
url = "http://127.0.0.1:{port}/mcp"
headers = {{ X-Static = "fixed" }}
headers_from_request = {{ Authorization = "X-User-Token" }}
"""

SCRIPT = """
[[reply]]
calls = [
    { name = "headers" },
    { name = "echo", arguments = { text = "${message}" } },
]
[[reply]]
text = "${result.headers}\\u0000${result.echo}"
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_blocking_calls() -> None:
    """The configuration is read on the event loop, before anything happens on it."""


@pytest.fixture(params=[(), ("--legacy",)], ids=["stateless", "sessions"])
async def agent(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Served]:
    script = tmp_path / "script"
    script.write_text(SCRIPT)
    config = tmp_path / "agent.toml"
    with serving(*request.param) as (_, port):
        config.write_text(CONFIG.format(script=script, port=port))
        async with aura.open_agents(aura.load(config).configs) as agents:
            yield agents.find(None)


async def told(
    served: Served, question: str, headers: dict[str, str]
) -> tuple[dict[str, str], str]:
    """The headers that the MCP server got, and what it was asked to repeat."""
    async with aura.open_run(headers=headers) as run:
        happened = aura.answer(served.agent, [aura.User(question)], run)
        async with opened(happened) as events:
            text = "".join([e.text async for e in events if isinstance(e, TextDelta)])
    sent, repeated = text.split("\0")
    return json.loads(sent), repeated


async def test_no_header_and_no_result_is_ever_crossed(agent: Served) -> None:
    wrong: list[object] = []
    done = dict.fromkeys(CALLERS, 0)
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def one(caller: str, number: int) -> None:
        async with limit:
            question = f"{caller} {number}"
            headers, repeated = await told(agent, question, {"x-user-token": f"Token {caller}"})
            if (headers.get("authorization"), repeated) != (f"Token {caller}", question):
                wrong.append((question, headers, repeated))
            done[caller] += 1

    visits = [(caller, number) for caller in CALLERS for number in range(RUNS)]
    Random(7).shuffle(visits)
    async with anyio.create_task_group() as tasks:
        for visit in visits:
            tasks.start_soon(one, *visit)
    assert wrong == []
    assert done == dict.fromkeys(CALLERS, RUNS)


async def test_a_caller_without_an_identity_has_none(agent: Served) -> None:
    headers, _ = await told(agent, "?", {"x-user-token": "Token ann"})
    assert (headers["authorization"], headers["x-static"]) == ("Token ann", "fixed")
    headers, _ = await told(agent, "?", {"authorization": "Bearer ours", "x-other": "x"})
    assert "authorization" not in headers
    assert "x-other" not in headers
    assert headers["x-static"] == "fixed"
