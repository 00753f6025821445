"""Clients that leave at any moment: nothing that they asked for goes on without them."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx2
import msgspec
import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.processes import Processes, Running, free_port

RUNS = 500
AT_ONCE = 25
LONGEST_STAY = 0.8
"""Seconds. By then a run is in its second, endless call, unless the machine is slow."""

POOL = min(32, (os.cpu_count() or 1) + 4)
"""To how many threads asyncio's own pool grows, which resolves names and keeps its threads."""

SLOW_SERVER = str(Path(__file__).parents[1] / "support" / "slow_server.py")

AGENT = """
[agent]
name = "slow"
system_prompt = "Take your time."

[agent.llm]
provider = "scripted"
script = "slow.toml"

[mcp.servers.slow]
transport = "http_streamable"
url = "{tools}/mcp"
"""

SCRIPT = """
[[reply]]
when = { tool = "wait", message = "be quick" }
text = "Done."

[[reply]]
when = { message = "be quick" }
calls = [{ name = "wait", arguments = { seconds = 0.0 } }]

[[reply]]
text = "One moment, this may take a while. Let me have a look. "
delay = 0.002
calls = [{ name = "wait", arguments = { seconds = 0.01 } }]

[[reply]]
text = "That was not enough. "
delay = 0.002
calls = [{ name = "wait", arguments = { seconds = 600.0 } }]
"""


class Holdings(NamedTuple):
    """What a process holds, seen from outside."""

    connections: int
    threads: int
    children: int

    def within(self, other: Holdings) -> bool:
        return all(mine <= theirs for mine, theirs in zip(self, other, strict=True))


def holdings(server: Running) -> Holdings:
    process = psutil.Process(server.pid)
    with process.oneshot():
        return Holdings(
            len(process.net_connections("tcp")), process.num_threads(), len(process.children())
        )


def asked(message: str, *, stream: bool) -> bytes:
    body = {"stream": stream, "messages": [{"role": "user", "content": message}]}
    return msgspec.json.encode(body)


async def quick_answer(server: Running) -> str:
    """The answer to a request that nobody leaves."""
    async with httpx2.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"{server.url}/v1/chat/completions",
            content=asked("be quick", stream=False),
            headers={"content-type": "application/json"},
        )
    return str(answer.json()["choices"][0]["message"]["content"])


async def leave(server: Running, *, stream: bool, after: float) -> None:
    """Ask, read for so many seconds, and close the socket in the middle of the answer."""
    body = asked("take long", stream=stream)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: aura\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    async with await anyio.connect_tcp("127.0.0.1", httpx2.URL(server.url).port or 0) as socket:
        await socket.send(head.encode() + body)
        with anyio.move_on_after(after):
            while True:
                await socket.receive()


async def leave_many(server: Running, chance: random.Random) -> None:
    visits = [(number % 2 == 0, chance.uniform(0, LONGEST_STAY)) for number in range(RUNS)]

    async def visitor() -> None:
        while visits:
            stream, after = visits.pop()
            await leave(server, stream=stream, after=after)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(visitor)


@pytest.mark.anyio
async def test_five_hundred_clients_that_leave_leave_nothing_behind(processes: Processes) -> None:
    port = free_port()
    tools = processes.start(sys.executable, "-P", SLOW_SERVER, str(port), port=port)
    files = {"agents/slow.toml": AGENT.format(tools=tools.url), "slow.toml": SCRIPT}
    server = processes.serve(files, "--streaming-timeout-secs", "0")
    assert await quick_answer(server) == "Done."
    before = holdings(server)
    allowed = before._replace(threads=before.threads + POOL)

    await leave_many(server, random.Random(20260101))

    async with httpx2.AsyncClient() as client:

        async def all_calls_ended() -> bool:
            counts = (await client.get(f"{tools.url}/counts")).json()
            return bool(counts["started"] == counts["finished"] + counts["cancelled"])

        async def as_before() -> bool:
            assert await quick_answer(server) == "Done."
            return holdings(server).within(allowed)

        await eventually(all_calls_ended)
        counts = (await client.get(f"{tools.url}/counts")).json()
        assert counts["cancelled"] > RUNS / 10
        await eventually(as_before)

    assert '"level": "error"' not in server.output()
    server.terminate()
    assert server.ended(within=5) == 0
