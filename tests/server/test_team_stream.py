"""What clients see of a team."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension

from aura.adapters.models.scripted import Call
from aura.events import AnyEvent
from aura.pipeline.answered import answer
from aura.pipeline.compose import opened
from aura.pipeline.ports import User
from aura.pipeline.run import Run
from aura.server.drain import Drain
from aura.server.modes import Mode
from tests.support.asgi import Client, call
from tests.support.serving import Response, task
from tests.support.sources import fixed_sources
from tests.support.teams import (
    Play,
    adds,
    asks_back,
    calls,
    fails,
    golden,
    plans,
    responds,
    submission,
    submits,
)
from tests.support.teams import task as step


class Bytes(SingleFileSnapshotExtension):
    """The stored file is what a client gets."""

    file_extension = "sse"


def replanned() -> Play:
    """A task that fails, another plan, and an answer."""
    thinking = calls(Call(name="add", arguments={"a": 2, "b": 3}), reasoning="An addition.")
    return Play(
        [
            plans("Add 2 and 3", step("Add quickly"), summary="One addition"),
            plans("Add 2 and 3", step("Add 2 and 3"), why="another way", summary="Once more"),
            responds("2 + 3 = 5."),
        ],
        {
            "Add quickly": [adds(2, 3), fails("boom 500")],
            "Add 2 and 3": [thinking, submits("2+3=5", "5")],
        },
    )


def body(play: Play, mode: Mode, *, stream: bool = True) -> bytes:
    async def events(run: Run) -> AsyncIterator[AnyEvent]:
        async with opened(answer(golden(play), (User("Q"),), run)) as happened:
            async for event in happened:
                play.seen(event)
                yield event

    made = task(events, model="openai/gpt-test", stream=stream, mode=mode)
    response = Response(task=made, drain=Drain(), sources=fixed_sources())
    return anyio.run(call, response, Client()).body


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(Mode(), id="silent"),
        pytest.param(Mode(events=True), id="merged"),
        pytest.param(Mode(events=True, reasoning=True), id="reasoning"),
        pytest.param(Mode(events=True, bare=True), id="bare"),
        pytest.param(Mode(events=True, tool_results="open-web-ui"), id="open-web-ui"),
    ],
)
def test_a_stream(mode: Mode, snapshot: SnapshotAssertion) -> None:
    assert body(replanned(), mode) == snapshot.use_extension(Bytes)


def test_a_question(snapshot: SnapshotAssertion) -> None:
    play = Play([asks_back("Which environment?", options=["prod", "staging"])])
    assert body(play, Mode(events=True)) == snapshot.use_extension(Bytes)


def test_nothing_is_named_without_events() -> None:
    assert b"aura." not in body(replanned(), Mode())


def test_a_whole_answer() -> None:
    answered = msgspec.json.decode(body(replanned(), Mode(), stream=False))
    [choice] = answered["choices"]
    assert choice["message"]["content"] == "2 + 3 = 5."
    assert choice["finish_reason"] == "stop"
    assert answered["usage"]["total_tokens"] == 3 * 110 + 3 * 55
    assert answered["metadata"] == {"chat_session_id": "cs_test"}


def test_results_are_cut() -> None:
    long = [calls(submission("s", "x" * 3000))]
    play = Play([plans("G", step("A")), responds("long")], {"A": long})
    stream = body(play, Mode(events=True, result_limit=100))
    assert b'"result":"' + b"x" * 100 + b'... [truncated]"' in stream
    assert b"x" * 101 not in stream.replace(b"submit_result", b"").split(b"task_completed")[1]
