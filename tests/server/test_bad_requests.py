"""Whatever a client sends, it gets an answer of the API, and the server is none the worse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio.from_thread
import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.server.test_routes import CHAT, application, question, served
from tests.support.agents import agent, says

ORDINARY, ALL = 500, 10_000

GOOD = msgspec.json.encode(question())
REPLIES = tuple(says("Hi.") for _ in range(2))

words = st.text(max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
    | st.sampled_from(["user", "assistant", "tool", "system", "auto", "http://x", "data:,x"])
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file"]) | words},
    optional={"text": trees, "image_url": trees | st.fixed_dictionaries({"url": trees})},
)
calls = st.fixed_dictionaries(
    {"id": words, "function": st.fixed_dictionaries({"name": words, "arguments": words})}
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "developer"]) | words},
    optional={
        "content": trees | st.lists(parts, max_size=3),
        "tool_calls": trees | st.lists(calls, max_size=2),
        "tool_call_id": trees,
        "name": trees,
    },
)
FIELDS = (
    *("model", "stream", "stream_options", "metadata", "user", "max_tokens", "temperature"),
    *("max_completion_tokens", "top_p", "seed", "stop", "response_format", "tool_choice"),
    *("tools", "n", "store", "logit_bias"),
)
asked = st.fixed_dictionaries(
    {"messages": st.lists(messages, max_size=4) | trees},
    optional=dict.fromkeys(FIELDS, trees) | {"surprise": trees},
)
bodies = st.one_of(
    asked.map(msgspec.json.encode),
    trees.map(msgspec.json.encode),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"",
            b"{",
            GOOD[:-1],
            GOOD + b"}",
            b"[" * 5000,
            b'{"messages":' * 3000,
            b'{"messages": NaN}',
            b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
            b'{"messages": [{"role": "user", "content": "\xff"}]}',
            b'{"messages": 1, "messages": [{"role": "user", "content": "x"}]}',
            b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": 1e400}',
            b"\xef\xbb\xbf" + GOOD,
        ]
    ),
)
token = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=30)
NAMES = (
    *("content-type", "accept", "authorization", "last-event-id", "x-aura-events"),
    *("x-aura-event-frames", "x-aura-on-disconnect", "x-chat-session-id", "x-openwebui-chat-id"),
    *("origin", "content-length-hint", "cookie", "accept-encoding", "x-odd"),
)
values = token | st.sampled_from(
    ["application/json", "text/plain", "Bearer x", "run_1:1", "run_1:99", "all", "grace:1", "*/*"]
)
headers = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
segments = st.sampled_from(
    ["v1", "chat", "completions", "models", "aura", "runs", "run_1", "events", "cancel", "info", ""]
) | st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#\\"), max_size=10
)
paths = st.one_of(
    st.just(CHAT),
    st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts)),
    st.sampled_from(["/aura/runs/run_1/events", "/aura/runs", "/aura/info", "//", "/%", "/%00"]),
)
queries = st.dictionaries(
    st.sampled_from(["after", "limit", "before", "session_id", "detail", "x"]), words, max_size=2
)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])

Ask = Callable[..., httpx.Response]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is sent, but for the address."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    content: bytes


requests = st.builds(Asked, methods, paths, queries, headers, bodies)
chats = st.builds(
    Asked,
    st.just("POST"),
    st.just(CHAT),
    st.just({}),
    headers.map(lambda given: {"content-type": "application/json"} | given),
    bodies,
)


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """A client of an application in another thread."""
    agents = (
        served("a", agent=agent(*REPLIES), takes_tool=lambda _: True),
        served("b", agent=agent(*REPLIES), overrides=frozenset({"temperature", "stop"})),
    )
    app = application(*agents, default="a", max_header_bytes=2000, max_body_bytes=50_000)
    transport = httpx.ASGITransport(app)
    http = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def send(request: Asked) -> httpx.Response:
        sent = {name: value.encode("latin-1") for name, value in request.headers.items()}
        return await http.request(
            request.method,
            httpx.URL("http://test").copy_with(raw_path=request.path.encode()),
            params=request.params or None,
            headers=sent,
            content=request.content,
        )

    with anyio.from_thread.start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(app.lifespan()):
            yield lambda request: portal.call(send, request)
        portal.call(http.aclose)


def examine(ask: Ask, request: Asked) -> None:
    with capture_logs() as lines:
        answer = ask(request)
    assert answer.status_code != 500, answer.text
    assert not [line for line in lines if line["log_level"] in ("error", "critical")]
    if answer.status_code >= 400 and request.method != "HEAD":
        error: dict[str, Any] = answer.json()["error"]
        assert isinstance(error["message"], str)
        assert error["message"]
        assert isinstance(error["type"], str)
        assert "Traceback" not in answer.text
    good = ask(Asked("POST", CHAT, {}, {"content-type": "application/json"}, GOOD))
    assert good.status_code == 200


def limited(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@limited(ORDINARY)
@given(request=requests | chats)
def test_bad_requests_get_errors_of_the_api(ask: Ask, request: Asked) -> None:
    examine(ask, request)


@pytest.mark.sweep
@pytest.mark.timeout(600)
@limited(ALL)
@given(request=requests | chats)
def test_many_bad_requests_get_errors_of_the_api(ask: Ask, request: Asked) -> None:
    examine(ask, request)
