"""Secrets stay where they belong: nothing that the server writes, or answers, has one in it.

Those whom we send secrets to are part of the test: a parrot repeats every request in its errors.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import httpx2
import pytest

from tests.support.processes import PATIENCE, Processes, Running, environment, free_port
from tests.support.upstream import Upstream, upstream

PLACES = (
    *("api_key", "auth_token", "wrong_token", "static_header", "caller_header", "child_env"),
    *("child_argument", "model_login", "model_query", "mcp_login", "mcp_query", "parameter"),
)
"""Where a secret can be."""

TOOLS = Path(__file__).parents[1] / "support" / "mcp" / "server.py"


def canary(place: str) -> str:
    """The secret in that place; its looks change when it is quoted, whatever way."""
    return f'canary "{place}" 7f3a/é' if place == "child_env" else f'canary"{place}"7f3a/+'


def forms(secret: str) -> set[bytes]:
    """A secret as it could be written down."""
    raw = secret.encode()
    aligned = [base64.b64encode(b"x" * padding + raw)[4:-4] for padding in range(3)]
    texts = {
        secret,
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        *(quote(secret, safe=safe) for safe in ("", "/", '"/+')),
    }
    latin = secret.encode("latin-1", "replace")
    return {text.encode() for text in texts} | {latin, raw.hex().encode(), *aligned}


CANARIES = {place: forms(canary(place)) for place in PLACES}

SCRIPTED = """
[agent]
name = "{name}"
system_prompt = "Use your tools."

[agent.llm]
provider = "scripted"
script = "script.toml"
"""
CHILD = """
[mcp.servers.child]
transport = "stdio"
cmd = [{python}, "-P", {tools}]
env = {{ SECRET = "{{{{ env.CHILD_ENV }}}}" }}

[mcp.servers.loud]
transport = "stdio"
cmd = [{python}, "-c", "import os, sys; sys.stderr.write(repr(os.environ)); sys.exit(1)"]
env = {{ SECRET = "{{{{ env.CHILD_ENV }}}}" }}

[mcp.servers.unstarted]
transport = "stdio"
cmd = ["/nowhere/server", "--token", "{{{{ env.CHILD_ARGUMENT }}}}"]
"""
REMOTE = """
[mcp.servers.{name}]
transport = "http_streamable"
url = "http://{login}127.0.0.1:{port}/{path}?token={query}"
headers = {{ X-Key = "{{{{ env.STATIC_HEADER }}}}" }}
headers_from_request = {{ X-Caller = "X-Caller" }}
connect_timeout_secs = 2
"""
MODEL = """
[agent]
name = "{name}"
system_prompt = "Fail."

[agent.llm]
provider = "openai"
model = "m"
api_key = "{{{{ env.API_KEY }}}}"
base_url = "{base_url}"
"""
PARAMETER = """
[agent.llm.additional_params]
access_token = "{{ env.PARAMETER }}"
"""
SCRIPT = """
[[reply]]
when = { tool = "fail" }
text = "It failed."

[[reply]]
when = { message = "crash" }
calls = [{ name = "die" }]

[[reply]]
when = { message = "fail" }
calls = [{ name = "fail", arguments = { why = "because" } }, { name = "nothing" }]

[[reply]]
text = "Hello."
"""


class Parrot(BaseHTTPRequestHandler):
    """Answers with an error that repeats the request, in a manner that the path names."""

    def do_POST(self) -> None:
        """Refuse, and say to what."""
        body = self.rfile.read(int(self.headers["content-length"]))
        words = f"{self.path} {self.headers.items()} {body.decode()}"
        error = {"error": {"message": words, "code": -32603}}
        match self.path.split("/")[1].partition("?")[0]:
            case "stream":
                frame = f"data: {json.dumps(error)}\n\n"
                self._answer(200, "text/event-stream", frame)
            case "rpc":
                asked = json.loads(body)
                answer = {"jsonrpc": "2.0", "id": asked.get("id"), **error}
                self._answer(200, "application/json", json.dumps(answer))
            case "plain":
                self._answer(400, "text/plain", words)
            case _:
                self._answer(401, "application/json", json.dumps(error))

    def _answer(self, status: int, media_type: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("WWW-Authenticate", f"Bearer realm={quote(text[:500])}")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing here: only what Aura writes is looked at."""


@contextmanager
def parrot() -> Iterator[int]:
    """The port of a parrot."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def remote(name: str, port: int, path: str, *, login: bool = False) -> str:
    """An MCP server with secrets in every part of its address."""
    who = f"user:{quote(canary('mcp_login'), safe='')}@" if login else ""
    query = quote(canary("mcp_query"), safe="")
    return REMOTE.format(name=name, login=who, port=port, path=path, query=query)


def files(provider: Upstream, bird: int, tools: int) -> dict[str, str]:
    """Agents with a secret in every place that takes one."""
    login = f"user:{quote(canary('model_login'), safe='')}@"
    query = f"?key={quote(canary('model_query'), safe='')}"
    working = provider.url.removeprefix("http://")
    addresses = {
        **{name: f"http://{working}/{name}/v1" for name in BROKEN},
        **{name: f"http://127.0.0.1:{bird}/{name}/v1{query}" for name in ("refuse", "stream")},
        "plain": f"http://{login}127.0.0.1:{bird}/plain/v1",
        "closed": f"http://{login}127.0.0.1:{free_port()}/v1{query}",
    }
    python, server = repr(sys.executable), repr(str(TOOLS))
    distant = (
        remote("live", tools, "mcp"),
        remote("down", free_port(), "mcp", login=True),
        *(remote(f"bird_{path}", bird, path, login=path == "plain") for path in BIRDS),
    )
    return {
        "script.toml": SCRIPT,
        "agents/near.toml": SCRIPTED.format(name="near")
        + CHILD.format(python=python, tools=server),
        "agents/far.toml": SCRIPTED.format(name="far") + "".join(distant),
        **{
            f"agents/{name}.toml": MODEL.format(name=name, base_url=address)
            + (PARAMETER if name in BROKEN else "")
            for name, address in addresses.items()
        },
    }


BROKEN = ("break", "cut", "limit", "hang")
BIRDS = ("rpc", "plain", "refuse")
MODELS = ("near", "far", "refuse", "stream", "plain", "closed", *BROKEN)
WORDS = {"near": ("hello", "fail", "crash"), "far": ("hello", "fail")}


def secrets() -> dict[str, str]:
    """The environment of every process."""
    places = ("api_key", "static_header", "child_env", "child_argument", "parameter")
    tokens = {"AURA_AUTH_TOKEN": f"{canary('auth_token')},other"}
    return {place.upper(): canary(place) for place in places} | tokens


def answers(server: Running) -> Iterator[httpx2.Response]:
    """Everything that the server can be asked, well and badly."""
    chat = "/v1/chat/completions"
    mine = {
        "authorization": f"Bearer {canary('auth_token')}",
        "x-caller": canary("caller_header"),
        "x-aura-events": "all",
    }
    wrong = mine | {"authorization": f"Bearer {canary('wrong_token')}"}
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        for model in (*MODELS, "nobody"):
            for word in WORDS.get(model, ("hello",)):
                asked = {"model": model, "messages": [{"role": "user", "content": word}]}
                yield http.post(chat, json=asked, headers=mine)
                yield http.post(chat, json=asked | {"stream": True}, headers=mine)
        bare = mine | {"x-aura-event-frames": "bare"}
        yield http.post(chat, json=asked | {"model": "far", "stream": True}, headers=bare)
        yield http.post(chat, content=b"{", headers=mine | {"content-type": "application/json"})
        yield http.post(chat, json={}, headers=wrong)
        yield http.get("/aura/runs", headers=wrong)
        yield http.get("/nothing", headers=wrong)
        for path in ("/metrics", "/schema/openapi.json", "/aura/info", "/v1/models", "/health"):
            yield http.get(path, headers=mine)
        for detail in ("tools", "tools:summary"):
            yield http.get("/aura/info", params={"detail": detail}, headers=mine)
        runs = http.get("/aura/runs", params={"limit": 100}, headers=mine)
        yield runs
        for run in runs.json()["data"]:
            yield http.get(f"/aura/runs/{run['id']}", headers=mine)
            yield http.get(f"/aura/runs/{run['id']}/events", headers=mine)
            yield http.get(f"/aura/runs/{run['id']}", headers=wrong)


COMMANDS = (
    ("check", "agents"),
    ("check", "--connect", "agents", "--debug"),
    ("run", "fail", "--config", "agents", "--agent", "near", "--events", "--debug"),
    ("run", "hello", "--config", "agents", "--agent", "plain", "--events", "--debug"),
)


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What the other commands write about the same agents, all of them run at once."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "aura", *arguments],
            cwd=folder,
            env=environment() | secrets(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for arguments in COMMANDS
    ]
    try:
        for arguments, process in zip(COMMANDS, running, strict=True):
            output, _ = process.communicate(timeout=PATIENCE)
            yield " ".join(arguments), output
    finally:
        for process in running:
            process.kill()


def leaks(where: str, text: bytes) -> list[str]:
    """The places whose secrets are in a text."""
    return [
        f"{place} in {where}: {text[max(0, text.find(form) - 100) :][:200]!r}"
        for place, written in CANARIES.items()
        for form in written
        if form in text
    ]


def test_no_secret_is_ever_written_or_answered(processes: Processes) -> None:
    tools = free_port()
    processes.start(sys.executable, str(TOOLS), "--http", str(tools), port=tools)
    found: list[str] = []
    with upstream() as provider, parrot() as bird:
        folder = processes.folder_of(files(provider, bird, tools))
        port = free_port()
        serve = (sys.executable, "-m", "aura", "serve", "--config", "agents", "--debug")
        options = ("--port", str(port), "--run-log", "runs", "--first-chunk-timeout-secs", "1")
        server = processes.start(*serve, *options, port=port, folder=folder, env=secrets())
        statuses = set()
        for answer in answers(server):
            statuses.add(answer.status_code)
            headers = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
            found += leaks(str(answer.request.url.path), headers + b"\n" + answer.content)
        server.terminate()
        assert server.ended(within=15) == 0
        for command, output in written(folder):
            assert output
            found += leaks(f"aura {command}", output)
    found += leaks("the log", server.log.read_bytes())
    logged = list((folder / "runs").glob("*.jsonl"))
    for file in logged:
        found += leaks("a run log", file.name.encode() + file.read_bytes())
    assert len(logged) > 20
    assert statuses >= {200, 400, 401, 404, 429, 502, 504}
    assert not found, "\n".join(found)


@pytest.mark.parametrize("place", PLACES)
def test_a_leak_would_be_found(place: str) -> None:
    secret = canary(place)
    texts = (
        *(secret, f"Bearer {secret}", quote(secret), quote(secret, safe=""), f"{[secret]!r}"),
        *(json.dumps([secret]), json.dumps(json.dumps({"a": secret})), f"{[secret]!a}"),
    )
    for text in texts:
        assert leaks("here", text.encode()), text
    for login in ("", "u:", "us:", "user:"):
        assert leaks("here", base64.b64encode(f"{login}{secret}".encode()))
    assert not leaks("here", b"nothing to see")
