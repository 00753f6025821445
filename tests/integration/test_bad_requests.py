"""Bytes that no client library would send: the server answers what it can, and goes on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.processes import PATIENCE, Processes, Running

TOKEN = "right"
MOST_BODY = 60_000
LONGEST_ANSWER = 4000
EXAMPLES = 300

AGENT = """
[agent]
name = "{name}"
system_prompt = "Answer."
{more}

[agent.llm]
provider = "scripted"
script = "script.toml"
"""
FILES = {
    "agents/takes.toml": AGENT.format(
        name="takes", more='enable_client_tools = true\nclient_tool_filter = ["good_*"]'
    ),
    "agents/plain.toml": AGENT.format(name="plain", more=""),
    "script.toml": '[[reply]]\ntext = "Hello."\n',
}

CHAT, MODELS, RUNS = b"/v1/chat/completions", b"/v1/models", b"/aura/runs"
GOOD = b'{"model":"plain","messages":[{"role":"user","content":"x"}]}'
TOOLS = b'{"model":"takes","messages":[{"role":"user","content":"x"}],"tools":['


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sent back."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    processes = Processes(tmp_path_factory.mktemp("bad"))
    options = ("--max-body-bytes", str(MOST_BODY), "--run-log", "runs")
    yield processes.serve(FILES, "--auth-token", TOKEN, *options)
    processes.end()


def request(
    body: bytes = b"",
    *headers: bytes,
    method: bytes = b"POST",
    path: bytes = CHAT,
    media_type: bytes = b"application/json",
    token: bytes = TOKEN.encode(),
    host: bytes = b"test",
    length: bytes | None = None,
) -> bytes:
    """A request as it goes over the wire; the connection ends with its answer."""
    lines = (
        *(method + b" " + path + b" HTTP/1.1", b"Host: " + host, b"Connection: close"),
        *(b"Authorization: Bearer " + token, b"Content-Type: " + media_type),
        b"Content-Length: " + (length or str(len(body)).encode()),
        *headers,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    """A request whose body comes in these pieces, however they look."""
    head = request().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return head + b"".join(chunks)


def get(path: bytes, host: bytes = b"test") -> bytes:
    return request(method=b"GET", path=path, host=host)


def more(*fields: bytes) -> bytes:
    """The good request with further fields."""
    return request(GOOD[:-1] + b"".join(b"," + field for field in fields) + b"}")


def tool(text: bytes) -> bytes:
    """A request with a tool of which this is the text."""
    return request(TOOLS + b'{"type":"function","function":{' + text + b"}}]}")


def send(server: Running, data: bytes, *, end: bool = False) -> Answer | None:
    """The answer to these bytes, if there is one; `end` says that nothing follows them."""
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough, and may have said so
        try:
            response = HTTPResponse(connection)
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        except (HTTPException, ConnectionError):
            return None


def examined(server: Running, data: bytes, *, end: bool = False) -> Answer | None:
    """The answer, after a look at what it is like and whether the server is none the worse."""
    written = len(server.output())
    answer = send(server, data, end=end)
    if answer is not None:
        assert answer.status < 500, answer
        if answer.status >= 400 and answer.body:
            error = msgspec.json.decode(answer.body)["error"]
            assert error["message"]
            assert error["type"] == "invalid_request_error"
            assert len(answer.body) < LONGEST_ANSWER
    good = send(server, request(GOOD))
    assert good is not None
    assert good.status == 200
    log = server.output()[written:]
    assert '"level": "error"' not in log
    assert "Traceback" not in log
    return answer


WRONG: dict[str, tuple[int, bytes]] = {
    "a body cut short": (400, request(GOOD[:-1])),
    "a chunk without a size": (400, chunked(b"zz\r\nx\r\n")),
    "chunks beyond the limit": (413, chunked(b"10000\r\n", b" " * 0x10000, b"\r\n0\r\n\r\n")),
    "a body beyond the limit": (413, request(b" " * MOST_BODY + GOOD)),
    "an unknown field that is not UTF-8": (400, more(b'"a\xff":1')),
    "an unknown value that is not UTF-8": (400, more(b'"a":"\xff"')),
    "an unknown field with half a character": (400, more(b'"\\ud800":1')),
    "a format that is not UTF-8": (400, more(b'"response_format":"\xff"')),
    "a tool that is not UTF-8": (400, tool(b'"name":"a\xff"')),
    "a schema that is not UTF-8": (400, tool(b'"name":"a","parameters":{"b":"\xff"}')),
    "a tool with half a character": (400, tool(b'"name":"a","description":"\\ud800"')),
    "a deep schema": (400, tool(b'"name":"a","parameters":' + b'{"b":' * 5000 + b"}" * 5000)),
    "a media type of odd bytes": (415, request(GOOD, media_type=b"\xff\xfe")),
    "a long media type": (415, request(GOOD, media_type=b"x" * 30_000)),
    "a long model": (404, request(GOOD.replace(b"plain", b"m" * 50_000))),
    "a token of odd bytes": (401, request(GOOD, token=b"\xff")),
    "two tokens": (401, request(GOOD, token=b"right right")),
    "events of odd bytes": (400, request(GOOD, b"X-Aura-Events: \xff")),
    "long frames": (400, request(GOOD, b"X-Aura-Event-Frames: " + b"x" * 30_000)),
    "a digit that is none": (400, request(GOOD, b"X-Aura-On-Disconnect: grace:\xb2")),
    "an endless grace": (400, request(GOOD, b"X-Aura-On-Disconnect: grace:" + b"9" * 5000)),
    "a session of odd bytes": (400, request(GOOD, b"X-Chat-Session-Id: \xe9")),
    "a position of odd bytes": (400, request(GOOD, b"Last-Event-ID: \xb2")),
    "a position somewhere else": (404, request(GOOD, b"Last-Event-ID: ../../x:1")),
    "long headers": (431, request(GOOD, b"X-Long: " + b"x" * 70_000)),
    "a path with a wrong escape": (404, get(b"/v1/%zz")),
    "a path that is not UTF-8": (404, get(b"/v1/%ff%fe")),
    "a long path": (404, get(b"/" + b"x" * 50_000)),
    "an empty path": (404, get(b"//")),
    "a path upwards": (404, get(b"/v1/../v1/models")),
    "a run with a zero byte": (404, get(RUNS + b"/%00")),
    "a run upwards": (404, get(RUNS + b"/%2e%2e%2f%2e%2e/events")),
    "a limit that is no digit": (400, get(RUNS + b"?limit=%C2%B2")),
    "an endless limit": (400, get(RUNS + b"?limit=" + b"9" * 5000)),
    "a long detail": (400, get(b"/aura/info?detail=" + b"x" * 30_000)),
    "a method of its own": (405, request(method=b"BREW", path=MODELS)),
    "a long method": (405, request(method=b"X" * 300, path=MODELS)),
    "a method that shows requests": (405, request(method=b"TRACE", path=MODELS)),
    "a method of other paths": (405, get(CHAT)),
    "a way to another server": (404, request(method=b"CONNECT", path=b"example.com:443")),
    "no path at all": (404, request(method=b"OPTIONS", path=b"*")),
}
"""What is HTTP, and what the API says to it."""


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(server: Running, name: str) -> None:
    status, data = WRONG[name]
    answer = examined(server, data)
    assert answer is not None
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.body


@pytest.mark.parametrize(
    "data", [request(GOOD, length=b"500"), chunked(b"5\r\nab")], ids=["body", "chunk"]
)
def test_what_breaks_off_is_the_fault_of_the_client(server: Running, data: bytes) -> None:
    answer = examined(server, data, end=True)
    assert answer is None or answer.status == 400


NO_HTTP: dict[str, tuple[int, bytes]] = {
    "nothing but bytes": (400, b"\x00\x01\x02\r\n\r\n"),
    "a handshake of TLS": (400, bytes.fromhex("16030100a5010000a1") + b"\r\n\r\n"),
    "a version of old": (400, b"GET /\r\n\r\n"),
    "a version to come": (400, b"GET / HTTP/3.0\r\n\r\n"),
    "a length that is no number": (400, request(GOOD, length=b"ten")),
    "a length below nothing": (400, request(GOOD, length=b"-1")),
    "two lengths": (400, request(GOOD, b"Content-Length: 3")),
    "a zero byte in a header": (400, request(GOOD, b"X-Odd: a\0b")),
    "a header over two lines": (400, request(GOOD, b"X-Odd: a\r\n b")),
    "odd bytes in a path": (400, get(RUNS + b"?limit=\xff")),
    "an endless path": (414, get(b"/" + b"x" * 200_000)),
    "many headers": (431, request(GOOD, *[b"X-%d: 1" % number for number in range(200)])),
    "endless headers": (431, request(GOOD, b"X-Long: " + b"x" * 600_000)),
}
"""What is refused before the API sees it: there is a status, but no body."""


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_http_is_refused(server: Running, name: str) -> None:
    status, data = NO_HTTP[name]
    answer = examined(server, data)
    assert answer is not None
    assert (answer.status, answer.body) == (status, b"")


def refused_tools(numbers: range) -> bytes:
    tools = (b'{"type":"function","function":{"name":"bad_%d"}}' % number for number in numbers)
    return request(TOOLS + b",".join(tools) + b"]}")


IGNORED: dict[str, tuple[str, bytes]] = {
    "a line of its own": (r"a\nX-Odd: 1", more(rb'"a\nX-Odd: 1":1')),
    "what cannot be seen": (r"a\x00\x7f", more(rb'"a\u0000\u007f":1')),
    "letters of others": (r"\xe9\U0001f600", more('"é😀":1'.encode())),
    "a long field": ("k" * 64, more(b'"' + b"k" * 30_000 + b'":1')),
    "many fields": (
        ", ".join([*(f"f{number}" for number in range(20)), "480 more"]),
        more(*[b'"f%d":1' % number for number in range(500)]),
    ),
    "a role with a line of its own": (
        r"messages[role=r\r\nX-Odd: 1]",
        request(GOOD.replace(b"[{", rb'[{"role":"r\r\nX-Odd: 1","content":"x"},{')),
    ),
    "many tools": (
        ", ".join([*(f"tools[bad_{number}]" for number in range(20)), "tools[10 more]"]),
        refused_tools(range(30)),
    ),
}
"""Good requests, and how the header calls what they have too much of."""


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_ignored_is_named_in_a_header_that_stays_one(server: Running, name: str) -> None:
    named, data = IGNORED[name]
    answer = examined(server, data)
    assert answer is not None
    assert answer.status == 200
    assert answer.headers["x-aura-ignored"] == named
    assert "x-odd" not in answer.headers


@pytest.mark.parametrize("host", [b"te:st", b"[", b"", b"a b", b"x:99999999", b"\xff"])
def test_a_host_that_is_none_is_no_trouble(server: Running, host: bytes) -> None:
    statuses = {b"/health": 200, MODELS: 200, b"/nothing": 404, CHAT: 405}
    for path, status in statuses.items():
        answer = examined(server, get(path, host))
        assert answer is not None
        assert answer.status in {400, status}


def test_a_bad_request_does_not_spoil_the_connection(server: Running) -> None:
    kept = request(b"{").replace(b"Connection: close\r\n", b"")
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(kept + request(GOOD))
        answers = connection.makefile("rb").read()
    assert answers.count(b"HTTP/1.1 400 ") == 1
    assert answers.count(b"HTTP/1.1 200 ") == 1


PIECES = (b"\r\n", b"\0", b"\xff", b'"', b"{", b" ", b":", b"%", b"-1", b"9" * 30, b"\\ud800")
BODIES = (GOOD, TOOLS + b'{"type":"function","function":{"name":"good_one"}}]}')
REQUESTS = (
    *(data for _, data in WRONG.values() if len(data) < 1000),
    *(request(GOOD), get(RUNS + b"?limit=2"), chunked(b"1\r\n1\r\n")),
)


@st.composite
def damaged(draw: st.DrawFn, whole: tuple[bytes, ...]) -> bytes:
    """One of these, with pieces lost, doubled and put where they do not belong."""
    data = draw(st.sampled_from(whole))
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(data)))
        until = draw(st.integers(begin, min(len(data), begin + 40)))
        middle = draw(st.sampled_from([*PIECES, b"", data[begin:until] * 2]))
        data = data[:begin] + middle + data[until:]
    return data


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(data=damaged(REQUESTS))
def test_damaged_requests_do_no_damage(server: Running, data: bytes) -> None:
    examined(server, data, end=True)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(body=damaged(BODIES))
def test_damaged_bodies_are_answered(server: Running, body: bytes) -> None:
    answer = examined(server, request(body))
    assert answer is not None
    assert answer.status in {200, 400, 404, 422}
