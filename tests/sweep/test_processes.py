"""The same with real processes: the server of the tools is killed, or ours ends, at each frame."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx2
import psutil
import pytest

from tests.support.eventually import PATIENCE, eventually
from tests.support.processes import Processes, Running
from tests.support.wire import Frame, frames

FRAMES = 18
"""As many as the scenario has when nothing disturbs it, and some more."""

NEVER = 1_000_000
"""A frame that does not come."""

SAMPLE = 9
"""Every so many of them are tried in the ordinary run."""

TOOLS = Path(__file__).parents[1] / "support" / "mcp" / "server.py"

FILES = {
    "agents/agent.toml": f"""
[agent]
name = "agent"
system_prompt = "Work."

[agent.llm]
provider = "scripted"
script = "script.toml"

[mcp.servers.tools]
transport = "stdio"
cmd = [{sys.executable!r}, "-P", {str(TOOLS)!r}]
""",
    "script.toml": """
[[reply]]
when = { tool = "*" }
text = "That is all there is to say."
delay = 0.02

[[reply]]
text = "Let me see. "
delay = 0.02
calls = [
    { name = "steps", arguments = { count = 3 } },
    { name = "wait", arguments = { seconds = 0.2 } },
]
""",
}
ASKED = {"stream": True, "messages": [{"role": "user", "content": "Go."}]}
HEADERS = {"x-aura-events": "all"}


def places() -> list[object]:
    """Every frame; but for a few, they are marked to be left out of the ordinary run."""
    left_out = pytest.mark.sweep
    return [pytest.param(at, marks=() if at % SAMPLE == 1 else left_out) for at in range(FRAMES)]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    running = Processes(tmp_path_factory.mktemp("sweep"))
    yield running
    running.end()


@pytest.fixture
def server(processes: Processes) -> Iterator[Running]:
    """A server of each test's own: one whose tools die again and again waits longer each time."""
    running = processes.serve(FILES, "--run-log", "runs")
    yield running
    running.end()


def played(server: Running, at: int, fault: Callable[[], None]) -> tuple[str, bytes]:
    """The run and everything that a client gets of it; the fault happens behind frame `at`."""
    body, done = b"", False
    with (
        httpx2.Client(base_url=server.url, headers=HEADERS, timeout=PATIENCE) as http,
        http.stream("POST", "/v1/chat/completions", json=ASKED) as answer,
    ):
        assert answer.status_code == 200
        for data in answer.iter_raw():
            body += data
            if not done and body.count(b"\n\ndata: ") + body.count(b"\ndata: ") > at:
                done = True
                fault()
        return answer.headers["x-aura-run-id"], body


def check_ends(got: list[Frame]) -> None:
    """Every start has its end, and the stream says that it is over."""
    assert got[-1].data == "[DONE]"
    named = [(frame.event, frame.data) for frame in got if frame.event]
    requested = [data["tool_id"] for event, data in named if event == "aura.tool_requested"]
    completed = [data["tool_id"] for event, data in named if event == "aura.tool_complete"]
    assert sorted(requested) == sorted(completed)
    assert len(set(completed)) == len(completed)


def children(server: Running) -> list[psutil.Process]:
    return psutil.Process(server.pid).children(recursive=True)


def sure(holds: Callable[[], bool]) -> None:
    """Wait until it is so."""
    anyio.run(eventually, holds)


@pytest.fixture
def files(server: Running) -> int:
    """How many files the server has open when it is idle and its tools are connected, as they are
    behind a run that has called them."""
    _, body = played(server, NEVER, lambda: None)
    assert body.count(b"aura.tool_complete") > 0
    return psutil.Process(server.pid).num_fds()


@pytest.mark.parametrize("at", places())
def test_the_server_of_the_tools_is_killed(server: Running, files: int, at: int) -> None:
    sure(lambda: len(children(server)) == 1)
    [child] = children(server)

    def kill() -> None:
        os.kill(child.pid, signal.SIGKILL)

    run, body = played(server, at, kill)
    got = frames(body)
    check_ends(got)
    with httpx2.Client(base_url=server.url, headers=HEADERS, timeout=PATIENCE) as http:
        assert http.get(f"/aura/runs/{run}").json()["status"] == "completed"
        middle = got[len(got) // 2].id
        rest = http.get(f"/aura/runs/{run}/events", headers={"last-event-id": middle})
        assert body.endswith(rest.content)
        again = http.post("/v1/chat/completions", json={**ASKED, "stream": False})
        assert again.status_code == 200
    sure(lambda: len(children(server)) == 1)
    assert not child.is_running()
    sure(lambda: psutil.Process(server.pid).num_fds() <= files)


@pytest.mark.parametrize("at", places())
def test_the_server_is_told_to_end(processes: Processes, at: int) -> None:
    ending = processes.serve(FILES, "--run-log", "runs", "--shutdown-timeout-secs", "0")
    sure(lambda: len(children(ending)) == 1)
    [child] = children(ending)
    run, body = played(ending, at, ending.terminate)
    check_ends(frames(body))
    assert ending.ended() == 0
    sure(lambda: not child.is_running())
    [logged] = ending.log.parent.rglob(f"*{run}*.jsonl")
    assert logged.read_text().splitlines()[-1].count("RunCompleted") == 1
