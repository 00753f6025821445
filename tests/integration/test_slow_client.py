"""A client that stops reading: it holds up its own run as far as the provider, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import msgspec
import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.flowing import Flowing, flowing
from tests.support.processes import Processes, Running

pytestmark = pytest.mark.anyio

MEBIBYTE = 1024 * 1024
PIECE = "~" * 1000
OFFERED = 200 * MEBIBYTE
MOST_TAKEN = 50 * MEBIBYTE
"""Some rooms of 400 entries, and the buffers of all the sockets on the way."""

MOST_MEMORY = 64 * MEBIBYTE
"""What a client that does not read may cost. The whole answer would take more."""

STILL = 50
"""Looks without a change after which a flood stands."""

FLOOD = """
[agent]
name = "flood"
system_prompt = "Talk."

[agent.llm]
provider = "openai"
base_url = "{url}/flood/v1"
api_key = "unused"
model = "talkative"
"""
QUICK = """
[agent]
name = "quick"
system_prompt = "Be quick."

[agent.llm]
provider = "scripted"
script = "quick.toml"
"""


def serving(processes: Processes, provider: Flowing, *options: str) -> Running:
    files = {
        "agents/flood.toml": FLOOD.format(url=provider.url),
        "agents/quick.toml": QUICK,
        "quick.toml": '[[reply]]\ntext = "Here."\n',
    }
    return processes.serve(files, *options)


def asked(agent: str, *, stream: bool) -> bytes:
    messages = [{"role": "user", "content": "Talk."}]
    return msgspec.json.encode({"model": agent, "stream": stream, "messages": messages})


@asynccontextmanager
async def client(server: Running) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"content-type": "application/json"}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http:
        yield http


@asynccontextmanager
async def unread(http: httpx2.AsyncClient) -> AsyncIterator[httpx2.Response]:
    """The answer that is a flood, of which nobody has read anything."""
    body = asked("flood", stream=True)
    async with http.stream("POST", "/v1/chat/completions", content=body) as answer:
        assert answer.status_code == 200
        yield answer


def stands(provider: Flowing) -> Callable[[], bool]:
    """Whether the provider has not got rid of a byte for some looks."""
    seen: list[int] = []

    def holds() -> bool:
        seen.append(provider.written)
        return seen[-1] > 0 and seen[-STILL:] == [seen[-1]] * STILL

    return holds


async def quick_answer(http: httpx2.AsyncClient) -> str:
    """The answer to somebody else."""
    answer = await http.post("/v1/chat/completions", content=asked("quick", stream=False))
    return str(answer.json()["choices"][0]["message"]["content"])


async def run_of(http: httpx2.AsyncClient, answer: httpx2.Response) -> dict[str, object]:
    """How the run of an answer stands, as the list of runs has it."""
    listed = (await http.get("/aura/runs")).json()["data"]
    (run,) = (run for run in listed if run["id"] == answer.headers["x-aura-run-id"])
    return {"status": run["status"], "code": run.get("error", {}).get("code")}


async def test_a_client_that_does_not_read_holds_up_the_provider(processes: Processes) -> None:
    async with flowing(pieces=OFFERED // len(PIECE), piece=PIECE) as provider:
        server = serving(processes, provider)
        memory = psutil.Process(server.pid).memory_info
        async with client(server) as http:
            assert await quick_answer(http) == "Here."
            before = memory().rss
            async with unread(http) as answer:
                await eventually(stands(provider))
                assert (provider.flooding, provider.left) == (1, 0)
                assert provider.written < MOST_TAKEN
                assert memory().rss - before < MOST_MEMORY
                assert await quick_answer(http) == "Here."
                assert await run_of(http, answer) == {"status": "running", "code": None}
            await eventually(lambda: provider.left == 1)

            async def recorded() -> bool:
                left = {"status": "cancelled", "code": "client_disconnected"}
                return await run_of(http, answer) == left

            await eventually(recorded)
        assert provider.written < MOST_TAKEN


@pytest.mark.parametrize("options", [(), ("--run-log-memory-bytes", str(MEBIBYTE))])
async def test_a_client_that_reads_on_gets_all_of_it(
    processes: Processes, options: tuple[str, ...]
) -> None:
    pieces = 15 * MEBIBYTE // len(PIECE)
    async with flowing(pieces=pieces, piece=PIECE) as provider:
        server = serving(processes, provider, *options)
        async with client(server) as http:
            async with unread(http) as answer:
                await eventually(stands(provider))
                assert provider.flooding == 1
                got = b"".join([data async for data in answer.aiter_raw()])
            assert got.count(b"~") == pieces * len(PIECE)
            assert got.endswith(b"data: [DONE]\n\n")
            assert await run_of(http, answer) == {"status": "completed", "code": None}
        assert (provider.flooding, provider.left) == (0, 0)


async def test_a_client_that_does_not_read_for_too_long_is_cut(processes: Processes) -> None:
    async with flowing(pieces=OFFERED // len(PIECE), piece=PIECE) as provider:
        server = serving(processes, provider, "--write-timeout-secs", "0.5")
        async with client(server) as http, unread(http) as answer:
            assert await quick_answer(http) == "Here."
            await eventually(lambda: provider.left == 1)
            assert (provider.flooding, provider.written < MOST_TAKEN) == (0, True)
            with pytest.raises(httpx2.TransportError):
                await answer.aread()
            assert 0 < answer.num_bytes_downloaded < MOST_TAKEN
            assert await run_of(http, answer) == {
                "status": "cancelled",
                "code": "client_stalled",
            }
            counts = (await http.get("/metrics")).text
            assert 'aura_run_errors_total{agent="flood",code="client_stalled"} 1.0' in counts
            assert 'aura_streams_cut_total{code="client_stalled"} 1.0' in counts
            assert await quick_answer(http) == "Here."
    assert server.output().count("client does not read") == 1
    assert '"level": "error"' not in server.output()
