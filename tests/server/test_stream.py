"""The response: bytes for every mode, and what happens when time or the client runs out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import anyio
import pytest
from structlog.testing import capture_logs
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension

from aura.events import (
    AnyEvent,
    CompletionDelayed,
    CompletionEnded,
    CompletionStarted,
    RunCompleted,
    ServerStatus,
    SessionInfo,
    TextDelta,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.ports import User
from aura.pipeline.run import Run, Sources
from aura.runs.deadlines import Limits
from aura.server.drain import Drain
from aura.server.modes import Mode
from tests.support.agents import agent, asks, breaks, says
from tests.support.asgi import Client, call
from tests.support.serving import Response, task
from tests.support.sources import fixed_sources
from tests.support.tools import ScriptedToolbox, fails, gives
from tests.support.virtual import in_virtual_time, virtual_sources
from tests.support.wire import frames, text

pytestmark = pytest.mark.anyio

SERVER = ServerStatus(server_name="demo", transport="stdio", status="connected", tools_count=6)
SHOWN = Mode(events=True, tool_results="open-web-ui", result_limit=4)
EVERYTHING = Mode(events=True, reasoning=True, usage_chunk=True)


class Bytes(SingleFileSnapshotExtension):
    """The stored file is what a client gets."""

    file_extension = "sse"


@pytest.fixture
def sse(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Bytes)


def response(
    asked: Agent,
    *,
    mode: Mode = EVERYTHING,
    stream: bool = True,
    drain: Drain | None = None,
    sources: Sources | None = None,
    timeout: float = 0.0,
) -> Response:
    return Response(
        task=task(
            partial(answer, asked, (User("Hello?"),)),
            model=asked.model.name,
            stream=stream,
            mode=mode,
            limits=Limits(total=timeout),
        ),
        drain=drain or Drain(),
        sources=sources or fixed_sources(),
    )


def scene(name: str) -> Agent:
    """What happens in the stored streams, by name."""
    look, broken = gives("look", "a.txt", steps=2), fails("broken", "disk on fire")
    return {
        "servers": agent(says("Hi."), toolset=ScriptedToolbox(servers=(SERVER,))),
        "plain": agent(says("Hi there.", reasoning="A greeting.")),
        "tool": agent(asks("look", text="Looking."), says("Done."), tools=(look,)),
        "parallel": agent(
            asks("look", "broken"), says("Half."), tools=(look, broken), parallel_calls=1
        ),
        "error": agent(
            asks("look"), breaks(500, message="Overloaded.", kind="rejected"), tools=(look,)
        ),
    }[name]


@pytest.mark.parametrize("name", ["plain", "servers", "tool", "parallel", "error"])
@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(Mode(), id="silent"),
        pytest.param(EVERYTHING, id="merged"),
        pytest.param(Mode(events=True, bare=True), id="bare"),
        pytest.param(
            Mode(events=True, tool_results="open-web-ui", result_limit=4), id="open-web-ui"
        ),
        pytest.param(Mode(events=True, tool_results="aura"), id="aura"),
        pytest.param(Mode(error_text=True), id="text"),
    ],
)
def test_the_bytes_that_a_client_gets(name: str, mode: Mode, sse: SnapshotAssertion) -> None:
    got = {
        backend: anyio.run(call, response(scene(name), mode=mode), Client(), backend=backend).body
        for backend in ("asyncio", "trio")
    }
    if name != "parallel":  # trio shuffles what is ready at the same time, on purpose
        assert got["asyncio"] == got["trio"]
    assert got["asyncio"] == sse


def test_a_wait_for_the_provider_is_shown(sse: SnapshotAssertion) -> None:
    async def events(run: Run) -> AsyncIterator[AnyEvent]:
        del run
        names = {"agent_id": "main", "index": 0}
        yield SessionInfo(model="scripted/test")
        yield CompletionStarted(**names)
        yield CompletionDelayed(**names, reason="busy", attempt=1)
        yield CompletionDelayed(**names, reason="rate_limited", attempt=2, seconds=1.5)
        yield TextDelta(agent_id="main", text="At last.")
        yield CompletionEnded(**names, reason="stop")
        yield RunCompleted(reason="stop")

    assert anyio.run(call, Response(task=task(events)), Client()).body == sse


@pytest.mark.parametrize("name", ["plain", "tool", "parallel"])
async def test_a_json_answer_has_the_text_of_the_stream(name: str) -> None:
    streamed = await call(response(scene(name)), Client())
    whole = await call(response(scene(name), stream=False), Client())
    [choice] = frames(b"data: " + whole.body + b"\n\n")[0].data["choices"]
    assert text(streamed.body) == choice["message"]["content"]


async def test_headers_name_the_session_the_request_and_the_run() -> None:
    client = await call(response(scene("plain")), Client())
    expected = {
        "x-chat-session-id": "cs_test",
        "x-request-id": "req_1",
        "x-aura-run-id": "run_1",
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    assert expected == client.headers


async def test_every_data_frame_has_an_id_and_they_only_grow() -> None:
    client = await call(response(scene("tool")), Client())
    ids = [frame.id for frame in frames(client.body)]
    numbers = [int(str(frame_id).removeprefix("run_1:")) for frame_id in ids]
    assert sorted(set(numbers)) == numbers


async def test_a_frame_has_the_same_id_in_every_mode() -> None:
    ids = []
    for mode in (EVERYTHING, Mode(), Mode(tool_results="open-web-ui")):
        client = await call(response(scene("tool"), mode=mode), Client())
        ids.append({f.id for f in frames(client.body) if f.data == "[DONE]"})
    assert [ids[0]] * 3 == ids


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_the_first_word_is_a_real_status(stream: bool) -> None:
    failing = agent(breaks(429, message="Slow down.", retry_after=30.5))
    client = await call(response(failing, stream=stream), Client())
    assert (client.status, client.headers["retry-after"]) == (429, "31")
    error = {"message": "Slow down.", "type": "rate_limit_error", "code": "rate_limited"}
    assert {"error": error} == frames(b"data: " + client.body + b"\n\n")[0].data


async def test_what_is_ready_together_leaves_in_one_write() -> None:
    client = await call(response(scene("plain")), Client())
    assert len(client.bodies) <= 2


async def timed(asked: Agent, client: Client, **options: object) -> float:
    begun = anyio.current_time()
    await call(response(asked, sources=virtual_sources(), **options), client)  # type: ignore[arg-type]
    return anyio.current_time() - begun


def test_the_status_line_waits_a_quarter_of_a_second_at_most() -> None:
    moments: list[float] = []
    client = Client(got=lambda _: moments.append(anyio.current_time()))

    async def run() -> list[float]:
        begun = anyio.current_time()
        await timed(agent(says("Late.", first_delay=10.0)), client)
        return [moment - begun for moment in moments]

    first, *_, last = in_virtual_time(run)
    assert (pytest.approx(first), pytest.approx(last)) == (0.25, 10.0)


def test_a_silent_stream_is_kept_alive_by_comments() -> None:
    client = Client()
    in_virtual_time(timed, agent(says("Late.", first_delay=29.0), first_chunk_timeout=0), client)
    assert client.body.count(b": keepalive\n\n") == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_that_takes_too_long_is_ended(stream: bool) -> None:
    client = Client()
    slow = agent(says("Never.", first_delay=1000.0), first_chunk_timeout=0)
    seconds = in_virtual_time(partial(timed, slow, client, timeout=60.0, stream=stream))
    assert pytest.approx(60, abs=0.1) == seconds
    assert b'"code":"request_timeout"' in client.body
    assert client.status == (200 if stream else 504)


def test_a_provider_that_never_answers_is_given_up() -> None:
    client = Client()
    slow = agent(says("Never.", first_delay=1000.0), first_chunk_timeout=30.0)
    assert pytest.approx(30, abs=0.1) == in_virtual_time(partial(timed, slow, client))
    assert b'"code":"provider_timeout"' in client.body
    assert client.body.endswith(b"data: [DONE]\n\n")


def test_a_client_that_does_not_read_is_given_up() -> None:
    client = Client(reading=anyio.Event())
    seconds = in_virtual_time(timed, scene("plain"), client)
    assert 60 <= seconds <= 80
    assert client.messages == []


@pytest.mark.parametrize("stream", [True, False])
async def test_the_client_leaving_ends_the_run_at_once(stream: bool) -> None:
    client = Client()
    tool = gives("look", "never", gate=anyio.Event())
    asking = agent(asks("look"), says("."), tools=(tool,))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, response(asking, stream=stream), client)
        await anyio.wait_all_tasks_blocked()
        client.leave()
    assert tool.abandoned == ["call_1"]


async def test_shutting_down_refuses_waits_and_ends_what_is_left() -> None:
    drain, client = Drain(), Client()
    waiting = agent(says("Never.", first_delay=1e6), first_chunk_timeout=0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, response(waiting, drain=drain), client)
        await anyio.wait_all_tasks_blocked()
        assert drain.in_flight == 1
        await drain.close(0)
    assert (client.status, drain.in_flight) == (503, 0)
    assert b'"code":"server_shutdown"' in client.body


async def test_a_stream_that_breaks_is_an_internal_error() -> None:
    async def broken(run: Run) -> AsyncIterator[AnyEvent]:
        yield TextDelta(agent_id="main", text="half")
        raise KeyError(run.id)

    with capture_logs():
        client = await call(Response(task=task(broken)), Client())
    *_, error, done = frames(client.body)
    assert (error.data["error"]["code"], done.data) == ("internal_error", "[DONE]")
