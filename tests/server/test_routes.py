"""The HTTP API, through litestar's test client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from structlog.testing import capture_logs

from aura.catalog import Catalog, Served, ServerInfo
from aura.errors import RequestError
from aura.events import ServerStatus
from aura.pipeline.ports import Offer, ToolSpec
from aura.server.app import create_app
from aura.server.chat import whole_body
from aura.server.drain import Drain
from aura.server.settings import Settings
from tests.support.agents import agent, asks, breaks, says
from tests.support.sources import fixed_sources
from tests.support.tools import ScriptedToolbox, gives
from tests.support.wire import frames, text

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def served(agent_id: str, **options: Any) -> Served:
    defaults = {"name": agent_id, "agent": agent(says("Hi.")), "created": 7, "owned_by": "me"}
    return Served(id=agent_id, **{**defaults, "model": "scripted/test", **options})


def application(
    *agents: Served, drain: Drain | None = None, default: str | None = None, **settings: Any
) -> Litestar:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Catalog]:
        yield Catalog(agents or (served("one"),), default=default)

    return create_app(
        opened,
        msgspec.structs.replace(Settings(), **settings),
        drain=drain,
        sources=fixed_sources(),
    )


@asynccontextmanager
async def client(*agents: Served, **options: Any) -> AsyncIterator[AsyncTestClient[Any]]:
    async with AsyncTestClient(application(*agents, **options)) as opened_client:
        yield opened_client


def question(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hello?"}], **fields}


async def test_health() -> None:
    async with client() as http:
        assert (await http.get("/health")).json() == {"status": "healthy"}


async def test_models_are_listed_in_order_without_the_hidden_ones() -> None:
    agents = (
        served("b", description="Answers"),
        served("hidden", hidden=True),
        served("a", created=8, owned_by="you"),
    )
    async with client(*agents) as http:
        listed = (await http.get("/v1/models")).json()
    first = {"id": "b", "object": "model", "created": 7, "owned_by": "me"}
    second = {"id": "a", "object": "model", "created": 8, "owned_by": "you"}
    assert listed == {"object": "list", "data": [{**first, "description": "Answers"}, second]}


async def test_info_names_servers_but_nothing_secret() -> None:
    servers = (
        ServerInfo(name="logs", transport="http_streamable", place="https://h", description="Logs"),
        ServerInfo(name="fs", transport="stdio", place="fs-server", description=None),
    )
    async with client(served("a", servers=servers), default="a") as http:
        told = (await http.get("/aura/info")).json()
    expected = {
        "logs": {"transport": "http_streamable", "url": "https://h", "description": "Logs"},
        "fs": {"transport": "stdio", "command": "fs-server"},
    }
    assert told["default_agent"] == "a"
    assert told["agents"] == [{"id": "a", "model": "scripted/test", "mcp_servers": expected}]


OFFER = Offer(
    server_name="logs",
    own_name="find logs",
    spec=ToolSpec("find_logs", "Finds.", msgspec.Raw(b'{"type":"object"}')),
    changes=(),
    described=msgspec.Raw(
        b'{"name":"find logs","title":"Find","inputSchema":{},"outputSchema":{"x":1},'
        b'"annotations":{"readOnlyHint":true},"_meta":{"m":1},"icons":[]}'
    ),
)


@pytest.mark.parametrize("asked", ["tools", " tools , tools:summary,", "tools:summary"])
async def test_info_lists_the_tools_of_the_servers_that_are_connected(asked: str) -> None:
    up = ServerStatus(
        server_name="logs", transport="http_streamable", status="connected", tools_count=1
    )
    down = ServerStatus(
        server_name="fs", transport="stdio", status="failed", tools_count=0, reason="no"
    )
    servers = (
        ServerInfo(name="logs", transport="http_streamable", place="https://h", description=None),
        ServerInfo(name="fs", transport="stdio", place="fs-server", description=None),
    )
    box = ScriptedToolbox(servers=(down, up), offered=(OFFER,))
    one = served("a", agent=agent(says("."), toolset=box), servers=servers)
    async with client(one) as http:
        told = (await http.get("/aura/info", params={"detail": asked})).json()
    shown = told["agents"][0]["mcp_servers"]
    summary = {"name": "find_logs", "description": "Finds."}
    whole = {
        **summary,
        "title": "Find",
        "inputSchema": {"type": "object"},
        "outputSchema": {"x": 1},
        "annotations": {"readOnlyHint": True},
        "_meta": {"m": 1},
    }
    assert shown["logs"]["tools"] == [summary if asked == "tools:summary" else whole]
    assert "tools" not in shown["fs"]


async def test_a_detail_that_is_not_known_is_refused() -> None:
    async with client() as http:
        answer = await http.get("/aura/info", params={"detail": "tools,prompts"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "detail")
    assert "'prompts'" in answer.json()["error"]["message"]


async def test_a_json_answer() -> None:
    async with client() as http:
        answer = await http.post(CHAT, json=question())
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "scripted/test",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi.",
                    "refusal": None,
                    "annotations": [],
                },
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "metadata": {"chat_session_id": "cs_1"},
    }


async def test_a_streamed_answer() -> None:
    async with client() as http:
        answer = await http.post(CHAT, json=question(stream=True))
    assert answer.headers["content-type"] == "text/event-stream"
    assert text(answer.content) == "Hi."


@pytest.mark.parametrize(
    ("fields", "headers", "expected"),
    [
        ({"metadata": {"chat_session_id": "m"}}, {"x-chat-session-id": "h"}, "m"),
        ({}, {"x-chat-session-id": "h", "x-openwebui-chat-id": "w"}, "h"),
        ({}, {"x-openwebui-chat-id": "w"}, "w"),
        ({}, {}, "cs_1"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_where_the_session_comes_from(
    fields: dict[str, Any], headers: dict[str, str], expected: str, stream: bool
) -> None:
    async with client() as http:
        answer = await http.post(CHAT, json=question(stream=stream, **fields), headers=headers)
    assert answer.headers["x-chat-session-id"] == expected


@pytest.mark.parametrize("session", ["a b", "x" * 257, "ü", "a\r\nb"])
async def test_a_session_that_fits_no_header_is_refused(session: str) -> None:
    async with client() as http:
        answer = await http.post(CHAT, json=question(metadata={"chat_session_id": session}))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "metadata.chat_session_id"


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "words"),
    [
        ("POST", CHAT, {"content": b"{}"}, 415, "Content-Type must be application/json"),
        ("POST", CHAT, {"json": {}}, 422, "messages"),
        ("POST", CHAT, {"json": {"messages": []}}, 400, "No messages provided"),
        ("POST", CHAT, {"json": question(model="ghost")}, 404, "The model `ghost` does not exist"),
        ("POST", CHAT, {"json": question()}, 400, "you must provide a model parameter"),
        ("POST", CHAT, {"json": question(pad="x" * 2000)}, 413, "--max-body-bytes"),
        ("GET", CHAT, {}, 405, "GET is not allowed"),
        ("GET", "/nothing", {}, 404, "There is nothing at /nothing"),
    ],
)
async def test_a_bad_request_gets_an_openai_error(
    method: str, path: str, options: dict[str, Any], status: int, words: str
) -> None:
    async with client(served("a"), served("b"), max_body_bytes=1000) as http:
        answer = await http.request(method, path, **options)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, "invalid_request_error")
    assert words in error["message"]


async def test_a_method_that_is_not_allowed_names_the_ones_that_are() -> None:
    async with client() as http:
        answer = await http.get(CHAT)
    assert "POST" in answer.headers["allow"]


async def test_the_methods_of_a_route_can_be_asked_for() -> None:
    async with client() as http:
        answer = await http.options(CHAT)
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST")


async def test_a_body_that_does_not_say_how_long_it_is_is_bounded_too() -> None:
    taken: list[int] = []

    async def receive() -> Any:
        taken.append(100)
        return {"type": "http.request", "body": bytes(100), "more_body": True}

    with pytest.raises(RequestError, match="--max-body-bytes") as raised:
        await whole_body({}, receive, most=1000)
    assert raised.value.status == 413
    assert sum(taken) == 1100


async def test_an_error_of_ours_says_nothing_about_itself() -> None:
    with capture_logs() as lines:
        async with client(served("a", overrides=None)) as http:
            answer = await http.post(CHAT, json=question(temperature=1))
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "The server failed; its log says why."
    assert [line["event"] for line in lines] == ["request failed"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic second"}, 401),
        ({"authorization": "Bearer first"}, 200),
        ({"authorization": "bearer second"}, 200),
    ],
)
async def test_a_token_is_asked_for_if_there_is_one(headers: dict[str, str], status: int) -> None:
    async with client(auth_tokens=("first", "second")) as http:
        answer = await http.get("/v1/models", headers=headers)
        assert answer.status_code == status
        assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
        assert (await http.get("/health")).status_code == 200


async def test_what_has_no_effect_is_named() -> None:
    allowed = frozenset({"max_tokens"})
    asked = question(temperature=1, max_tokens=3, n=2)
    asked["messages"].insert(0, {"role": "system", "content": "Be rude."})
    with capture_logs() as lines:
        async with client(served("a", overrides=allowed)) as http:
            answer = await http.post(CHAT, json=asked)
    assert answer.headers["x-aura-ignored"] == "temperature, n, messages[role=system]"
    assert [line["event"] for line in lines] == [
        "request asks for what this agent does not allow",
        "answered",
    ]


async def test_a_server_that_shuts_down_takes_nothing_new() -> None:
    drain = Drain()
    async with client(drain=drain) as http:
        await drain.close(0)
        answers = [await http.get("/health"), await http.post(CHAT, json=question())]
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["error"]["code"] == "shutting_down"


async def test_headers_choose_what_a_stream_shows() -> None:
    async with client() as http:
        answer = await http.post(CHAT, json=question(stream=True), headers={"x-aura-events": "all"})
    assert "aura.session_info" in [frame.event for frame in frames(answer.content)]


async def test_the_extra_usage_chunk_comes_when_it_is_asked_for() -> None:
    asked = question(stream=True, stream_options={"include_usage": True})
    async with client() as http:
        answer = await http.post(CHAT, json=asked)
    *_, finish, usage, done = frames(answer.content)
    assert "usage" not in finish.data  # some clients add up what they find in both
    assert (usage.data["choices"], usage.data["usage"]["total_tokens"]) == ([], 15)
    assert done.data == "[DONE]"


@pytest.mark.parametrize(("fields", "shown"), [({}, True), ({"tools": []}, False)])
async def test_a_client_with_tools_of_its_own_is_not_shown_ours(
    fields: dict[str, Any], shown: bool
) -> None:
    asking = agent(asks("look"), says("Done."), tools=(gives("look", "x"),))
    async with client(served("a", agent=asking)) as http:
        answer = await http.post(CHAT, json=question(stream=True, **fields))
    assert ("tool_calls" in answer.text) is shown


async def test_a_failed_run_is_a_status_in_json() -> None:
    async with client(served("a", agent=agent(breaks(401)))) as http:
        answer = await http.post(CHAT, json=question())
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_rejected")
