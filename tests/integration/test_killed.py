"""A server that is killed or told to end in the middle of its streams, and what is left of them."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import anyio
import httpx2
import msgspec
import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.processes import Processes, Running
from tests.support.wire import frames

pytestmark = pytest.mark.anyio

STREAMS = 50
ENOUGH = 5
"""Frames that every client has before anything happens."""

AGENT = """
[agent]
name = "slow"
system_prompt = "Take your time."

[agent.llm]
provider = "scripted"
script = "slow.toml"
"""
SCRIPT = '[[reply]]\ntext = "' + "word " * 2000 + '"\ndelay = 0.02\n'
FILES = {"agents/slow.toml": AGENT, "slow.toml": SCRIPT}
ASKED = msgspec.json.encode({"stream": True, "messages": [{"role": "user", "content": "Talk."}]})
HEADERS = {
    "content-type": "application/json",
    "authorization": "Bearer mine",
    "x-aura-events": "all",
}


class Watcher:
    """A client, and what it has got of the one stream that it reads."""

    def __init__(self) -> None:
        self.run = ""
        self.got = b""

    @property
    def whole(self) -> bytes:
        """The frames that arrived whole."""
        return self.got[: self.got.rfind(b"\n\n") + 2]

    @property
    def last(self) -> str:
        """The id of the last frame that arrived."""
        return str(frames(self.whole)[-1].id)

    async def watch(self, http: httpx2.AsyncClient) -> None:
        try:
            async with http.stream(
                "POST", "/v1/chat/completions", content=ASKED, headers=HEADERS
            ) as answer:
                self.run = answer.headers["x-aura-run-id"]
                async for data in answer.aiter_raw():
                    self.got += data
        except httpx2.TransportError:
            pass


def client(server: Running) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=server.url, timeout=30, limits=httpx2.Limits())


async def watched(server: Running, number: int, stop: signal.Signals) -> list[Watcher]:
    """Clients of so many streams, each of which had some frames when the server got the signal."""
    watchers = [Watcher() for _ in range(number)]
    async with client(server) as http, anyio.create_task_group() as tasks:
        for watcher in watchers:
            tasks.start_soon(watcher.watch, http)

        async def all_begun() -> bool:
            return all(watcher.got.count(b"\n\n") >= ENOUGH for watcher in watchers)

        await eventually(all_begun)
        server.process.send_signal(stop)
    return watchers


async def test_a_killed_server_has_lost_nothing_that_it_sent(
    processes: Processes, tmp_path: Path
) -> None:
    serve = partial(processes.serve, FILES, "--run-log", str(tmp_path / "runs"))
    watchers = await watched(serve(), STREAMS, signal.SIGKILL)
    async with client(serve()) as http:
        listed = (await http.get("/aura/runs", params={"limit": 100}, headers=HEADERS)).json()
        assert {run["id"] for run in listed["data"]} == {watcher.run for watcher in watchers}
        assert {run["status"] for run in listed["data"]} == {"interrupted"}
        for watcher in watchers:
            path = f"/aura/runs/{watcher.run}/events"
            whole = (await http.get(path, headers=HEADERS)).content
            assert whole.startswith(watcher.whole)
            *_, error, done = frames(whole)
            assert (error.data["error"]["code"], done.data) == ("run_interrupted", "[DONE]")
            position = {**HEADERS, "last-event-id": watcher.last}
            rest = (await http.get(path, headers=position)).content
            again = await http.post("/v1/chat/completions", content=ASKED, headers=position)
            assert watcher.whole + rest == whole
            assert again.content == rest


async def test_a_server_that_is_told_to_end_says_so_in_every_stream(
    processes: Processes, tmp_path: Path
) -> None:
    options = ("--run-log", str(tmp_path / "runs"), "--shutdown-timeout-secs", "0")
    server = processes.serve(FILES, *options)
    children = psutil.Process(server.pid).children(recursive=True)
    watchers = await watched(server, 10, signal.SIGTERM)
    assert server.ended(within=10) == 0
    assert not [child for child in children if child.is_running()]
    async with client(processes.serve(FILES, *options)) as http:
        for watcher in watchers:
            *_, error, done = frames(watcher.got)
            assert (error.data["error"]["code"], done.data) == ("server_shutdown", "[DONE]")
            path = f"/aura/runs/{watcher.run}/events"
            assert (await http.get(path, headers=HEADERS)).content == watcher.got
            shown = (await http.get(f"/aura/runs/{watcher.run}", headers=HEADERS)).json()
            assert (shown["status"], shown["error"]["code"]) == ("failed", "server_shutdown")


async def test_a_second_signal_does_not_wait(processes: Processes) -> None:
    server = processes.serve(FILES, "--shutdown-timeout-secs", "600")
    watcher = Watcher()
    async with client(server) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.watch, http)

        async def begun() -> bool:
            return watcher.got.count(b"\n\n") >= ENOUGH

        async def refuses() -> bool:
            return (await http.get("/ready")).status_code == 503

        await eventually(begun)
        server.terminate()
        await eventually(refuses)
        assert frames(watcher.whole)[-1].data != "[DONE]"
        server.terminate()
    assert server.ended(within=10) == 0
    assert frames(watcher.got)[-2].data["error"]["code"] == "server_shutdown"
