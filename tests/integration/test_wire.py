"""What a client gets from a running server: status, headers and body of every kind of answer."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psutil
import pytest

from tests.support.processes import Processes, Running, environment
from tests.support.upstream import REFUSALS, SECRET_DETAIL, Upstream, upstream
from tests.support.wire import Frame, frames, text

TOOL_SERVER = str(Path(__file__).parents[1] / "support" / "mcp" / "server.py")

DESK = f"""
[agent]
name = "desk"
system_prompt = "Be brief."

[agent.llm]
provider = "scripted"
script = "desk.toml"

[mcp.servers.test]
transport = "stdio"
cmd = {json.dumps([sys.executable, TOOL_SERVER])}
"""

SCRIPT = """
[[reply]]
when = { tool = "*" }
text = "Heard: ${results}."
usage = { prompt = 20, completion = 5 }

[[reply]]
when = { message = "one tool" }
calls = [{ name = "echo", arguments = { text = "a" } }]
usage = { prompt = 10, completion = 2 }

[[reply]]
when = { message = "two tools" }
text = "Two."
calls = [
    { name = "echo", arguments = { text = "a" } },
    { name = "echo", arguments = { text = "b" } },
]
usage = { prompt = 10, completion = 2 }

[[reply]]
when = { message = "failing tool" }
calls = [{ name = "fail", arguments = { why = "no disk" } }]
usage = { prompt = 10, completion = 2 }

[[reply]]
when = { message = "endless tool" }
text = "Wait."
calls = [{ name = "hang", arguments = { name = "x" } }]

[[reply]]
when = { message = "" }
text = "Hello."
usage = { prompt = 10, completion = 2 }
"""

PROVIDED = """
[agent]
name = "{name}"
system_prompt = "Be brief."

[agent.llm]
provider = "openai"
model = "gpt-test"
api_key = "secret-key of {name}"
base_url = "{url}/{behaviour}/v1"
"""

TALKER = """
[agent]
name = "talker"
system_prompt = "Talk."

[agent.llm]
provider = "scripted"
script = "talker.toml"
"""

LONG_TALK = f"""
[[reply]]
when = {{ message = "talk" }}
delay = 0.05
text = "{"word " * 1000}"

[[reply]]
text = "Hello."
"""

TALKER_FILES = {"agents/talker.toml": TALKER, "talker.toml": LONG_TALK}
DESK_FILES = {"agents/desk.toml": DESK, "desk.toml": SCRIPT}


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    with upstream() as serving:
        yield serving


@pytest.fixture(scope="module")
def server(shared: Processes, provider: Upstream) -> Running:
    """A scripted agent with tools, and for each behaviour of the provider an agent; two for those
    that are remembered with the account."""
    behaviours = {name: name for name in (*REFUSALS, "cut", "hang", "answer")}
    behaviours |= {f"{name}-again": name for name in REFUSALS}
    provided = {
        f"agents/{name}.toml": PROVIDED.format(name=name, url=provider.url, behaviour=behaviour)
        for name, behaviour in behaviours.items()
    }
    options = ("--max-body-bytes", "4096", "--first-chunk-timeout-secs", "3")
    return shared.serve(DESK_FILES | provided, *options)


def ask(
    server: Running,
    message: str,
    *,
    model: str = "desk",
    stream: bool = False,
    headers: dict[str, str] | None = None,
) -> httpx2.Response:
    messages = [{"role": "user", "content": message}]
    body = {"model": model, "messages": messages, "stream": stream}
    return httpx2.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def streamed(server: Running, message: str, **options: Any) -> list[Frame]:
    answer = ask(server, message, stream=True, headers={"X-Aura-Events": "all"}, **options)
    assert answer.status_code == 200
    return frames(answer.content)


def kinds(found: list[Frame]) -> list[str]:
    """The name of each frame, `chunk` for an ordinary one."""
    return [frame.data if frame.data == "[DONE]" else frame.event or "chunk" for frame in found]


def named(found: list[Frame], event: str) -> list[dict[str, Any]]:
    return [frame.data for frame in found if frame.event == event]


def calls(found: list[Frame]) -> list[tuple[int, str, str]]:
    """Index, name and arguments of every tool call that the chunks carry."""
    choices = [choice for frame in found[:-1] for choice in frame.data.get("choices", ())]
    deltas = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    return [
        (call["index"], call["function"]["name"], call["function"]["arguments"]) for call in deltas
    ]


def error(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    return dict(body["error"])


# Answers


def test_a_stream_has_the_headers_of_a_stream(server: Running) -> None:
    answer = ask(server, "hello", stream=True, headers={"X-Chat-Session-Id": "cs_mine"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-chat-session-id"] == "cs_mine"
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
    assert re.fullmatch(r"run_[0-9a-f]{32}", answer.headers["x-aura-run-id"])


def test_every_frame_has_an_id_that_names_the_run_and_grows(server: Running) -> None:
    answer = ask(server, "one tool", stream=True)
    ids = [str(frame.id).rpartition(":") for frame in frames(answer.content)]

    assert {run for run, _, _ in ids} == {answer.headers["x-aura-run-id"]}
    assert [int(seq) for *_, seq in ids] == sorted({int(seq) for *_, seq in ids})


def test_a_tool_call_in_a_stream(server: Running) -> None:
    found = streamed(server, "one tool")

    assert kinds(found) == [
        "aura.session_info",
        "aura.mcp_status",
        "chunk",
        "aura.tool_requested",
        "aura.tool_start",
        "aura.tool_complete",
        "aura.tool_usage",
        "chunk",
        "aura.usage",
        "chunk",
        "[DONE]",
    ]
    assert calls(found) == [(0, "echo", '{"text":"a"}')]
    (complete,) = named(found, "aura.tool_complete")
    assert (complete["success"], complete["result"]) == (True, "a")
    last = found[-2].data
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert last["usage"]["prompt_tokens"] == 30
    assert last["usage"]["completion_tokens"] == 7
    assert last["usage"]["total_tokens"] == 37


def test_a_tool_call_in_a_json_answer(server: Running) -> None:
    answer = ask(server, "one tool")
    body = answer.json()

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == "Heard: a."
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == 37
    assert body["metadata"] == {"chat_session_id": answer.headers["x-chat-session-id"]}


def test_two_tool_calls_of_one_turn_keep_their_order(server: Running) -> None:
    answer = ask(server, "two tools", stream=True, headers={"X-Aura-Events": "all"})
    found = frames(answer.content)

    assert calls(found) == [(0, "echo", '{"text":"a"}'), (1, "echo", '{"text":"b"}')]
    results = {event["tool_id"]: event["result"] for event in named(found, "aura.tool_complete")}
    asked = [event["tool_id"] for event in named(found, "aura.tool_requested")]
    assert [results[tool_id] for tool_id in asked] == ["a", "b"]
    assert text(answer.content) == "Two.\n\nHeard: a\nb."


def test_a_tool_that_fails_is_reported_and_answered(server: Running) -> None:
    found = streamed(server, "failing tool")

    (complete,) = named(found, "aura.tool_complete")
    assert complete["success"] is False
    assert "no disk" in complete["error_message"]
    assert "error" not in complete
    assert found[-2].data["choices"][0]["finish_reason"] == "stop"
    assert found[-1].data == "[DONE]"


# Requests that cannot be answered


def test_an_unknown_model(server: Running) -> None:
    answer = ask(server, "hello", model="nobody")

    assert answer.status_code == 404
    assert error(answer) == {
        "message": "The model `nobody` does not exist or you do not have access to it.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


JSON_TYPE = {"content-type": "application/json"}

BAD_REQUESTS = {
    "malformed JSON": (b'{"messages": [', JSON_TYPE, 400, "not valid JSON"),
    "wrong shape": (b'{"messages": "hello"}', JSON_TYPE, 422, "wrong shape"),
    "no messages": (b'{"messages": []}', JSON_TYPE, 400, "No messages"),
    "wrong content type": (b"{}", {"content-type": "text/plain"}, 415, "application/json"),
    "no content type": (b"{}", {}, 415, "application/json"),
    "body too large": (b" " * 4097, JSON_TYPE, 413, "--max-body-bytes"),
}


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"), BAD_REQUESTS.values(), ids=BAD_REQUESTS
)
def test_a_request_that_cannot_be_answered(
    server: Running, body: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    answer = httpx2.post(f"{server.url}/v1/chat/completions", content=body, headers=headers)

    assert answer.status_code == status
    assert error(answer)["type"] == "invalid_request_error"
    assert words in error(answer)["message"]


def test_a_body_without_a_length_is_limited_too(server: Running) -> None:
    answer = httpx2.post(
        f"{server.url}/v1/chat/completions",
        content=(b" " * 1024 for _ in range(5)),
        headers=JSON_TYPE,
    )

    assert answer.status_code == 413
    assert "--max-body-bytes" in error(answer)["message"]


def test_a_wrong_method(server: Running) -> None:
    answer = httpx2.get(f"{server.url}/v1/chat/completions")

    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
    assert error(answer)["message"] == "GET is not allowed at /v1/chat/completions."


def test_a_path_where_nothing_is(server: Running) -> None:
    answer = httpx2.get(f"{server.url}/v2/nothing")

    assert answer.status_code == 404
    assert "/v2/nothing" in error(answer)["message"]


# Providers that fail


class Failing(NamedTuple):
    """How a provider fails, and what becomes of it."""

    behaviour: str
    attempts: int
    status: int
    code: str
    retry_after: str | None = None


FAILING = (
    Failing("refuse", attempts=1, status=502, code="provider_rejected"),
    Failing("limit", attempts=1, status=429, code="rate_limited", retry_after="30"),
    Failing("break", attempts=3, status=502, code="provider_unavailable"),
)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "JSON"])
@pytest.mark.parametrize("failing", FAILING, ids=[failing.behaviour for failing in FAILING])
def test_a_provider_that_does_not_begin_to_answer(
    server: Running, provider: Upstream, failing: Failing, stream: bool
) -> None:
    before = provider.asked[failing.behaviour]

    model = failing.behaviour if stream else f"{failing.behaviour}-again"
    answer = ask(server, "hello", model=model, stream=stream)

    assert provider.asked[failing.behaviour] - before == failing.attempts
    if stream and failing.attempts > 1:  # the status line does not wait that long
        assert answer.status_code == 200
        failed, done = frames(answer.content)
        assert (failed.data["error"]["code"], done.data) == (failing.code, "[DONE]")
    else:
        assert answer.status_code == failing.status
        assert error(answer)["code"] == failing.code
        assert answer.headers.get("retry-after") == failing.retry_after
    assert SECRET_DETAIL not in answer.text
    assert "secret-key" not in answer.text


def test_a_provider_that_answers(server: Running) -> None:
    assert text(ask(server, "hello", model="answer", stream=True).content) == "Half and half."


def test_a_stream_of_the_provider_that_is_cut(server: Running) -> None:
    answer = ask(server, "hello", model="cut", stream=True)

    assert answer.status_code == 200
    half, failed, done = frames(answer.content)
    assert half.data["choices"][0]["delta"]["content"] == "Half"
    assert failed.data["error"]["code"] == "provider_stream_cut"
    assert failed.data["error"]["type"] == "upstream_error"
    assert done.data == "[DONE]"


def test_an_answer_of_the_provider_that_is_cut_is_no_json_answer(server: Running) -> None:
    answer = ask(server, "hello", model="cut")

    assert answer.status_code == 502
    assert error(answer)["code"] == "provider_stream_cut"


def test_a_provider_that_stays_silent(server: Running) -> None:
    answer = ask(server, "hello", model="hang", stream=True)

    assert answer.status_code == 200
    failed, done = frames(answer.content)
    assert failed.data["error"]["code"] == "provider_timeout"
    assert "--first-chunk-timeout-secs" in failed.data["error"]["message"]
    assert done.data == "[DONE]"


def test_a_provider_that_stays_silent_is_a_gateway_timeout_in_json(server: Running) -> None:
    answer = ask(server, "hello", model="hang")

    assert answer.status_code == 504
    assert error(answer)["code"] == "provider_timeout"


# Who may ask


@pytest.fixture(scope="module")
def guarded(shared: Processes) -> Running:
    return shared.serve(TALKER_FILES, "--auth-token", "first,second")


@pytest.mark.parametrize("header", ["", "Bearer third", "Basic first", "Bearer first,second"])
def test_a_request_without_the_right_token_is_refused(guarded: Running, header: str) -> None:
    answer = ask(guarded, "hello", headers={"Authorization": header} if header else None)

    assert answer.status_code == 401
    assert error(answer)["code"] == "invalid_api_key"


def test_a_refusal_says_which_scheme_to_use(guarded: Running) -> None:
    assert ask(guarded, "hello").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["first", "second"])
def test_a_request_with_a_right_token_is_answered(guarded: Running, token: str) -> None:
    answer = ask(guarded, "hello", headers={"Authorization": f"Bearer {token}"})

    assert answer.json()["choices"][0]["message"]["content"] == "Hello."


def test_health_needs_no_token(guarded: Running) -> None:
    assert httpx2.get(f"{guarded.url}/health").json() == {"status": "healthy"}


# Beginning and ending


def test_shutting_down_ends_an_open_stream_and_leaves_nothing_behind(processes: Processes) -> None:
    server = processes.serve(DESK_FILES, "--shutdown-timeout-secs", "0.2")
    body = {"stream": True, "messages": [{"role": "user", "content": "endless tool"}]}
    url = f"{server.url}/v1/chat/completions"
    headers = {"X-Aura-Events": "all"}

    with httpx2.stream("POST", url, json=body, headers=headers, timeout=30) as answer:
        lines = answer.iter_lines()
        got = [next(line for line in lines if line == "event: aura.progress")]
        children = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        got += list(lines)

    data = [line.removeprefix("data: ") for line in got if line.startswith("data: ")]
    assert json.loads(data[-2])["error"]["code"] == "server_shutdown"
    assert data[-1] == "[DONE]"
    assert server.ended() == 0
    assert len(children) == 1
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_a_server_that_shuts_down_takes_no_more_requests(processes: Processes) -> None:
    server = processes.serve(TALKER_FILES, "--shutdown-timeout-secs", "10")
    body = {"stream": True, "messages": [{"role": "user", "content": "talk"}]}

    with (
        httpx2.Client(timeout=30) as client,
        client.stream("POST", f"{server.url}/v1/chat/completions", json=body) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        server.terminate()
        while (late := httpx2.get(f"{server.url}/health")).status_code == 200:
            pass

    assert late.status_code == 503
    assert late.headers["retry-after"] == "5"
    assert error(late)["type"] == "service_unavailable"


def test_a_second_signal_ends_what_still_runs(processes: Processes) -> None:
    server = processes.serve(TALKER_FILES, "--shutdown-timeout-secs", "600")
    body = {"stream": True, "messages": [{"role": "user", "content": "talk"}]}

    with httpx2.stream("POST", f"{server.url}/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        next(lines)
        server.terminate()
        while httpx2.get(f"{server.url}/health").status_code == 200:
            pass
        server.terminate()
        got = [line for line in lines if line.startswith("data: ")]

    assert json.loads(got[-2].removeprefix("data: "))["error"]["code"] == "server_shutdown"
    assert got[-1] == "data: [DONE]"
    assert server.ended() == 0


def aura(
    processes: Processes, files: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "aura", *arguments],
        cwd=processes.folder_of(files),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_port_that_is_taken_is_named(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = aura(processes, TALKER_FILES, "serve", "--config", "agents", "--port", port)

    assert ran.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ran.stderr
    assert "--port" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_check_names_file_and_line_of_every_problem(processes: Processes) -> None:
    broken = DESK.replace('name = "desk"', 'nmae = "desk"').replace('"stdio"', '"pigeon"')
    ran = aura(processes, {"agents/desk.toml": broken, "desk.toml": SCRIPT}, "check", "agents")

    places = re.findall(r"^error: \S*desk\.toml:(\d+): (\S+):", ran.stderr, re.MULTILINE)
    assert ran.returncode == 1
    assert places == [
        ("2", "agent.name"),
        ("3", "agent.nmae"),
        ("11", "mcp.servers.test.transport"),
    ]


def test_check_of_a_good_configuration_says_so(processes: Processes) -> None:
    ran = aura(processes, TALKER_FILES, "check", "agents")

    assert (ran.returncode, ran.stderr) == (0, "agents: 1 agent(s): talker; 0 warning(s)\n")


def test_run_answers_on_standard_output(processes: Processes) -> None:
    ran = aura(processes, TALKER_FILES, "run", "hello", "--config", "agents")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "Hello.\n", "")
