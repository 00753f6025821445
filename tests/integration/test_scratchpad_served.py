"""The demo over HTTP: a listing that is too long, from a real MCP server, explored and told."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.support.processes import Processes, Running, free_port
from tests.support.wire import Frame, frames

ROOT = Path(__file__).parents[2]
QUESTION = [{"role": "user", "content": "What is out of stock anywhere?"}]
GONE = [f"{part}-211" for part in ("brackets", "filters", "fuses", "hinges", "panels", "pumps")]


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read files."""


def demo(processes: Processes, memory: Path, **env: str) -> Running:
    port = free_port()
    command = (sys.executable, "-m", "aura", "serve", "--config", "examples/demo")
    given = {"DEMO_PYTHON": sys.executable, "DEMO_MEMORY": str(memory), **env}
    return processes.start(*command, "--port", str(port), port=port, folder=ROOT, env=given)


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, memory: Path) -> Iterator[Running]:
    processes = Processes(tmp_path_factory.mktemp("demo"))
    yield demo(processes, memory)
    processes.end()


def streamed(server: Running, **more: Any) -> list[Frame]:
    asked = {"model": "demo", "stream": True, "messages": QUESTION}
    answer = httpx2.post(
        f"{server.url}/v1/chat/completions",
        json=asked,
        headers={"x-aura-events": "all", "x-chat-session-id": "shift/7"},
        timeout=60,
        **more,
    )
    assert answer.status_code == 200
    return frames(answer.content)


def named(got: list[Frame], name: str) -> list[dict[str, Any]]:
    return [frame.data for frame in got if frame.event == name]


def test_the_openai_client_gets_the_answer(server: Running) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
    answer = client.chat.completions.create(model="demo", messages=QUESTION)  # type: ignore[arg-type]
    text = answer.choices[0].message.content or ""
    assert [name for name in GONE if name not in text] == []
    assert "9 of 2704 items where count=0" in text
    client.close()


def test_clients_see_where_it_went_and_nothing_of_the_looking(server: Running) -> None:
    got = streamed(server)
    [stored] = named(got, "aura.scratchpad_stored")
    assert (stored["tool_name"], stored["format"]) == ("list_inventory", "json")
    assert stored["tokens"] > 20_000
    [completed] = named(got, "aura.tool_complete")
    assert completed["result"].startswith("[scratchpad: the output of list_inventory was saved")
    assert [each["tool_name"] for each in named(got, "aura.tool_requested")] == ["list_inventory"]
    [usage] = named(got, "aura.scratchpad_usage")
    assert usage["agent_id"] == "main"
    assert usage["session_id"] == "shift/7"
    assert usage["tokens_intercepted"] == stored["tokens"]
    assert 0 < usage["tokens_extracted"] < 600
    assert named(got, "aura.scratchpad_usage")[0]["seq"] > completed["seq"]


def test_small_results_leave_no_trace(server: Running) -> None:
    asked = {"model": "demo", "messages": [{"role": "user", "content": "What is 17 times 23?"}]}
    answer = httpx2.post(
        f"{server.url}/v1/chat/completions",
        json={**asked, "stream": True},
        headers={"x-aura-events": "all"},
        timeout=60,
    )
    got = frames(answer.content)
    assert named(got, "aura.tool_complete")[0]["result"] == "391"
    assert not named(got, "aura.scratchpad_usage")


def test_the_files_are_those_of_the_session_and_nobody_elses(server: Running, memory: Path) -> None:
    streamed(server)
    root = memory / "scratchpad"
    sessions = [path.name for path in root.iterdir()]
    assert len([name for name in sessions if name.startswith("shift_7.")]) == 1
    everything = [root, *root.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in everything if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in everything if path.is_file()} == {0o600}


def test_a_server_can_be_told_to_show_the_looking(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    try:
        shown = demo(processes, tmp_path, AURA_EMIT_SCRATCHPAD_TOOL_EVENTS="true")
        got = streamed(shown)
    finally:
        processes.end()
    requested = [each["tool_name"] for each in named(got, "aura.tool_requested")]
    assert requested == ["list_inventory", "iterate_over"]
    assert [len(each["tool_ids"]) for each in named(got, "aura.tool_usage")] == [1, 1]
