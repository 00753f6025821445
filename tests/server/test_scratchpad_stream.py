"""What clients see of a scratchpad: where a large result went, and nothing of the looking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension

from aura.adapters.models.scripted import Call, Reply
from aura.events import AnyEvent
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.ports import User
from aura.pipeline.run import Run
from aura.server.drain import Drain
from aura.server.modes import Mode
from tests.support.agents import COST, agent, asks, says
from tests.support.asgi import Client, call
from tests.support.scratchpads import scratchpads
from tests.support.serving import Response, task
from tests.support.sources import fixed_sources
from tests.support.tools import ScriptedToolbox, gives
from tests.support.wire import frames

LISTING = msgspec.json.encode({"pods": [{"name": f"pod-{n}", "up": n != 7} for n in range(40)]})
FILE = "task_0--list_pods-0-553c3df0.json"


class Bytes(SingleFileSnapshotExtension):
    """The stored file is what a client gets."""

    file_extension = "sse"


def explorer(root: Path, *, hidden: bool = True) -> Agent:
    """An agent that lists pods and finds the one that is down."""
    look = Call(
        name="iterate_over",
        arguments={"file": FILE, "path": "pods", "fields": "name", "where": "up=false"},
    )
    listing = gives("list_pods", LISTING.decode())
    return agent(
        asks("list_pods", text="Looking."),
        Reply(calls=(look,), usage=COST),
        says("It is pod-7."),
        toolset=ScriptedToolbox((listing,), large={"list_pods": 100}),
        scratchpads=scratchpads(root, hidden=hidden),
    )


def body(asked: Agent, mode: Mode, *, stream: bool = True) -> bytes:
    def events(run: Run) -> AsyncIterator[AnyEvent]:
        return answer(asked, (User("Which pod is down?"),), run)

    made = task(events, model=asked.model.name, stream=stream, mode=mode)
    response = Response(task=made, drain=Drain(), sources=fixed_sources())
    return anyio.run(call, response, Client()).body


@pytest.mark.parametrize(
    ("mode", "hidden"),
    [
        pytest.param(Mode(), True, id="silent"),
        pytest.param(Mode(events=True), True, id="merged"),
        pytest.param(Mode(events=True, bare=True), True, id="bare"),
        pytest.param(Mode(events=True, tool_results="open-web-ui"), False, id="shown"),
    ],
)
def test_the_bytes_that_a_client_gets(
    mode: Mode, hidden: bool, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    got = body(explorer(tmp_path, hidden=hidden), mode)
    assert got == snapshot.use_extension(Bytes)


def test_hidden_calls_take_no_place_among_those_that_are_shown(tmp_path: Path) -> None:
    got = frames(body(explorer(tmp_path), Mode(events=True, tool_results="open-web-ui")))
    names = [
        each["function"]["name"]
        for frame in got
        if isinstance(frame.data, dict)
        for choice in frame.data["choices"]
        for each in choice["delta"].get("tool_calls", ())
    ]
    assert "list_pods" in names
    assert "iterate_over" not in names


def test_a_json_answer_says_the_same(tmp_path: Path) -> None:
    whole = msgspec.json.decode(body(explorer(tmp_path), Mode(), stream=False))
    assert whole["choices"][0]["message"]["content"] == "Looking.\n\nIt is pod-7."
