"""The part of the API that is about runs, and the limits on requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from litestar.testing import AsyncTestClient

from aura.catalog import Served
from aura.runs.log import Head
from aura.server.backend import Backend
from tests.server.test_routes import CHAT, application, client, question, served
from tests.support.agents import agent, asks, says
from tests.support.tools import fails, gives
from tests.support.wire import frames

pytestmark = pytest.mark.anyio

ME = {"authorization": "Bearer me"}
YOU = {"authorization": "Bearer you"}
RUNS = "/aura/runs"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def busy() -> Any:
    """An agent with something of everything in its streams."""
    tools = (gives("look", "a.txt", steps=2), fails("broken", "disk on fire"))
    replies = (asks("look", "broken", text="Looking."), says("Done."))
    return served("a", agent=agent(*replies, tools=tools, parallel_calls=1))


@asynccontextmanager
async def after_a_run(**settings: Any) -> AsyncIterator[tuple[AsyncTestClient[Any], str, bytes]]:
    """A server that has answered one request: its run and the stream of it."""
    async with client(busy(), **settings) as http:
        headers = {**ME, "x-aura-events": "all"}
        answer = await http.post(CHAT, json=question(stream=True), headers=headers)
        yield http, answer.headers["x-aura-run-id"], answer.content


@asynccontextmanager
async def clients(*agents: Served, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """One that can ask several things at a time."""
    app = application(*agents, **settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        yield http


async def test_a_finished_run_can_be_read_from_behind_every_frame() -> None:
    async with after_a_run() as (http, run, body):
        pieces = [piece + b"\n\n" for piece in body.removesuffix(b"\n\n").split(b"\n\n")]
        ids = [str(frame.id) for frame in frames(body)]
        for number, frame_id in enumerate(ids[:-1], 1):
            rest = b"".join(pieces[number:])
            seq = frame_id.rpartition(":")[2]
            path = f"{RUNS}/{run}/events"
            again = [
                await http.get(path, headers={**ME, "last-event-id": frame_id}),
                await http.get(path, params={"after": seq}, headers=ME),
                await http.post(
                    CHAT, json=question(stream=True), headers={**ME, "last-event-id": frame_id}
                ),
            ]
            assert [answer.content for answer in again] == [rest] * 3
        whole = await http.get(path, headers=ME)
        assert whole.content == body
        assert whole.headers["x-aura-run-id"] == run
        nothing = await http.get(path, headers={**ME, "last-event-id": ids[-1]})
        assert (nothing.status_code, nothing.content) == (204, b"")


async def test_another_view_of_the_same_run_has_the_same_numbers() -> None:
    async with after_a_run() as (http, run, body):
        path = f"{RUNS}/{run}/events"
        bare = await http.get(path, headers={**ME, "x-aura-event-frames": "bare"})
        plain = await http.get(path, headers={**ME, "x-aura-events": "none"})
    assert [frame.id for frame in frames(bare.content)] == [frame.id for frame in frames(body)]
    assert {frame.id for frame in frames(plain.content)} < {frame.id for frame in frames(body)}
    assert [frame.event for frame in frames(plain.content)] == [None] * len(frames(plain.content))


async def test_a_run_is_described() -> None:
    async with after_a_run() as (http, run, body):
        shown = (await http.get(f"{RUNS}/{run}", headers=ME)).json()
        listed = (await http.get(RUNS, headers=ME)).json()
    assert listed == {"object": "list", "data": [shown], "has_more": False}
    assert shown["usage"].pop("total_tokens") == 30
    assert shown == {
        "id": run,
        "object": "aura.run",
        "status": "completed",
        "agent": "a",
        "model": "scripted/test",
        "session_id": "cs_1",
        "request_id": "req_1",
        "completion_id": "chatcmpl-1",
        "stream": True,
        "created": 1767225600,
        "seconds": 0.0,
        "first_event": 0,
        "last_event": int(str(frames(body)[-1].id).rpartition(":")[2]),
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


async def test_runs_belong_to_the_token_that_started_them() -> None:
    async with after_a_run() as (http, run, _):
        answers = [
            await http.get(f"{RUNS}/{run}", headers=YOU),
            await http.get(f"{RUNS}/{run}/events", headers=YOU),
            await http.post(f"{RUNS}/{run}/cancel", headers=YOU),
            await http.post(CHAT, json=question(), headers={**YOU, "last-event-id": f"{run}:1"}),
            await http.get(f"{RUNS}/{run}"),
            await http.get(f"{RUNS}/run_unknown", headers=ME),
            await http.get(f"{RUNS}/{'x' * 65}", headers=ME),
        ]
        assert (await http.get(RUNS, headers=YOU)).json()["data"] == []
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error"]["code"] for answer in answers} == {"run_not_found"}


@pytest.mark.parametrize(
    ("position", "words"),
    [
        ("x", "is not the id or the number"),
        ("run_2:1", "is not the id or the number"),
        ("-1", "is not the id or the number"),
        ("1:2:3", "is not the id or the number"),
        ("9" * 16, "is not the id or the number"),
        ("99", "has no frame 99 yet"),
    ],
)
async def test_a_position_that_makes_no_sense_is_refused(position: str, words: str) -> None:
    async with after_a_run() as (http, run, _):
        answer = await http.get(f"{RUNS}/{run}/events", params={"after": position}, headers=ME)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "after")
        assert words in answer.json()["error"]["message"]


async def test_runs_are_listed_a_page_at_a_time_and_by_session() -> None:
    async with client() as http:
        for session in "ababa":
            asked = question(metadata={"chat_session_id": session})
            await http.post(CHAT, json=asked, headers=ME)
        first = (await http.get(RUNS, params={"limit": 2}, headers=ME)).json()
        assert ([run["id"] for run in first["data"]], first["has_more"]) == (
            ["run_5", "run_4"],
            True,
        )
        rest = (await http.get(RUNS, params={"before": "run_4"}, headers=ME)).json()
        assert ([run["id"] for run in rest["data"]], rest["has_more"]) == (
            ["run_3", "run_2", "run_1"],
            False,
        )
        mine = (await http.get(RUNS, params={"session_id": "b"}, headers=ME)).json()
        assert [run["id"] for run in mine["data"]] == ["run_4", "run_2"]
        for wrong in ("0", "101", "x", "-1", "²"):
            answer = await http.get(RUNS, params={"limit": wrong}, headers=ME)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "limit")


async def test_what_is_not_kept_any_more_is_gone_and_not_unknown() -> None:
    async with after_a_run(run_log_memory_bytes=1) as (http, run, _):
        answer = await http.get(f"{RUNS}/{run}/events", headers=ME)
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "run_trimmed")
        await http.post(CHAT, json=question(), headers=ME)
        answer = await http.get(f"{RUNS}/{run}", headers=ME)
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "run_expired")


async def test_a_run_can_be_cancelled() -> None:
    tool = gives("look", "never", gate=anyio.Event())
    waiting = agent(asks("look"), says("."), tools=(tool,))
    answers: list[Any] = []

    async def ask(http: httpx.AsyncClient) -> None:
        answers.append(await http.post(CHAT, json=question(), headers=ME))

    async with clients(served("a", agent=waiting)) as http:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, http)
            await anyio.wait_all_tasks_blocked()
            cancelled = await http.post(f"{RUNS}/run_1/cancel", headers=ME)
        again = await http.post(f"{RUNS}/run_1/cancel", headers=ME)
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert again.json() == cancelled.json()
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (499, "run_cancelled")
    assert tool.abandoned == ["call_1"]


@pytest.mark.parametrize(
    ("settings", "fields", "code"),
    [
        ({"max_messages": 2}, {"messages": [{"role": "user", "content": "x"}] * 3}, "messages"),
        ({"max_tools": 2}, {"tools": [{"type": "function"}] * 3}, "tools"),
    ],
)
async def test_requests_are_limited(
    settings: dict[str, int], fields: dict[str, Any], code: str
) -> None:
    async with client(**settings) as http:
        answer = await http.post(CHAT, json={**question(), **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, f"too_many_{code}", code)
    assert f"(--max-{code})" in error["message"]


async def test_headers_are_limited() -> None:
    async with client(max_header_bytes=1000) as http:
        answer = await http.get("/health", headers={"x-much": "x" * 1000})
        assert (answer.status_code, answer.json()["error"]["code"]) == (431, "headers_too_large")
        assert (await http.get("/health")).status_code == 200


async def test_no_more_runs_than_allowed_at_the_same_time() -> None:
    tool = gives("look", "now", gate=anyio.Event())
    waiting = agent(asks("look"), says("Done."), tools=(tool,))
    answers: list[Any] = []

    async def ask(http: httpx.AsyncClient) -> None:
        answers.append(await http.post(CHAT, json=question(), headers=ME))

    async with clients(served("a", agent=waiting), max_concurrent_requests_per_token=1) as http:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, http)
            await anyio.wait_all_tasks_blocked()
            refused = await http.post(CHAT, json=question(), headers=ME)
            assert tool.gate is not None
            tool.gate.set()
        others = [await http.post(CHAT, json=question(), headers=who) for who in (ME, YOU)]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert [answer.status_code for answer in (*answers, *others)] == [200, 200, 200]


@pytest.mark.parametrize(
    "word", ["stay", "grace:", "grace:-1", "grace:1e9", "grace:inf", "grace:123456789", ""]
)
async def test_an_unknown_word_for_what_to_do_on_disconnect_is_refused(word: str) -> None:
    async with client() as http:
        answer = await http.post(CHAT, json=question(), headers={"x-aura-on-disconnect": word})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "x-aura-on-disconnect")


async def test_pages_of_other_origins_are_told_nothing_unless_they_are_named() -> None:
    ask = {"origin": "https://chat.example", "access-control-request-method": "POST"}
    async with client() as http:
        plain = await http.get("/v1/models", headers=ask)
    async with client(cors_origins=("https://chat.example",)) as http:
        preflight = await http.options(CHAT, headers=ask)
        named = await http.get("/v1/models", headers=ask)
        other = await http.get("/v1/models", headers={"origin": "https://evil.example"})
    allowed = "access-control-allow-origin"
    assert allowed not in plain.headers
    assert allowed not in other.headers
    assert preflight.headers[allowed] == named.headers[allowed] == "https://chat.example"
    assert "x-aura-run-id" in named.headers["access-control-expose-headers"]


async def test_a_token_stands_in_the_log_as_something_else() -> None:
    async with after_a_run() as (http, run, _):
        backend: Backend = http.app.state.backend
        head: Head = (await backend.runs.log.find(run)).head
    assert "me" not in head.owner
    assert len(head.owner) == 32
