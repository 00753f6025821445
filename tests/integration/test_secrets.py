"""Secrets stay where they belong: nothing that the server writes, or answers, has one in it."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from tests.support.processes import Processes, environment, free_port
from tests.support.upstream import Upstream, upstream

CANARIES = {
    name: f"canary-{name}-7f3a/é"[: -2 if name in {"token", "header", "forwarded", "url"} else None]
    for name in ("key", "token", "header", "forwarded", "child", "template", "url")
}
"""One for each place that a secret can be in; those that travel in headers are plain ASCII."""

TOOLS = Path(__file__).parents[1] / "support" / "mcp" / "server.py"

GOOD = """
[agent]
name = "good"
system_prompt = "Use your tools."

[agent.llm]
provider = "scripted"
script = "script.toml"

[mcp.servers.child]
transport = "stdio"
cmd = [{python}, "-P", {tools}]
env = {{ SECRET = "{{{{ env.CHILD }}}}" }}

[mcp.servers.down]
transport = "http_streamable"
url = "http://user:{url}@127.0.0.1:{closed}/mcp"
headers = {{ X-Key = "{{{{ env.HEADER }}}}" }}
headers_from_request = {{ X-Caller = "X-Caller" }}
connect_timeout_secs = 1
"""
BAD = """
[agent]
name = "{name}"
system_prompt = "Fail."

[agent.llm]
provider = "openai"
model = "m"
api_key = "{{{{ env.KEY }}}}"
base_url = "{base_url}"
additional_params = {{ user = "x" }}
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


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def files(provider: Upstream) -> dict[str, str]:
    """Agents with a secret in every place that takes one."""
    closed = f"http://user:{CANARIES['url']}@127.0.0.1:{free_port()}/v1"
    bad = {name: f"{provider.url}/{name}/v1" for name in ("refuse", "break", "cut", "limit")}
    return {
        "script.toml": SCRIPT,
        "agents/good.toml": GOOD.format(
            python=repr(sys.executable),
            tools=repr(str(TOOLS)),
            url=CANARIES["url"],
            closed=free_port(),
        ),
        **{
            f"agents/{name}.toml": BAD.format(name=name, base_url=url)
            for name, url in {**bad, "closed": closed}.items()
        },
    }


def secrets() -> dict[str, str]:
    return {
        "KEY": CANARIES["key"],
        "HEADER": CANARIES["header"],
        "CHILD": CANARIES["child"],
        "AURA_AUTH_TOKEN": f"{CANARIES['token']},other",
    }


def answers(url: str) -> Iterator[httpx2.Response]:
    """Everything that the server can be asked, well and badly."""
    chat = f"{url}/v1/chat/completions"
    callers = {"x-caller": CANARIES["forwarded"], "x-aura-events": "all"}
    mine = {**callers, "authorization": f"Bearer {CANARIES['token']}"}
    wrong = {
        **callers,
        "authorization": f"Bearer {CANARIES['template']}x".encode("latin-1", "replace"),
    }
    with httpx2.Client(timeout=60) as http:
        for model in ("good", "refuse", "break", "cut", "limit", "closed", "nobody"):
            for word in ("hello", "fail", "crash"):
                for stream in (True, False):
                    asked = {"content": word, "role": "user"}
                    body = {"model": model, "stream": stream, "messages": [asked]}
                    yield http.post(chat, json=body, headers=mine)
                if model != "good":
                    break
        yield http.post(chat, content=b"{", headers={**mine, "content-type": "application/json"})
        yield http.post(chat, json={}, headers=wrong)
        yield http.get(f"{url}/aura/runs", headers={**mine, "last-event-id": "x"})
        for path in ("/metrics", "/aura/info?detail=tools", "/aura/runs?limit=100", "/v1/models"):
            yield http.get(url + path, headers=mine)
        runs = http.get(f"{url}/aura/runs?limit=100", headers=mine).json()["data"]
        assert len(runs) > 10
        for run in runs:
            yield http.get(f"{url}/aura/runs/{run['id']}/events", headers=mine)
            yield http.get(f"{url}/aura/runs/{run['id']}", headers=mine)


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it could be written down."""
    raw = secret.encode()
    yield raw
    yield secret.encode("latin-1", "replace")
    yield quote(secret).encode()
    yield quote(secret, safe="").encode()
    yield secret.encode("unicode_escape")
    for padding in range(3):  # wherever it begins in what was encoded
        yield base64.b64encode(b"x" * padding + raw)[4:-4]


def leaks(where: str, text: bytes) -> list[str]:
    return [
        f"{name} in {where}"
        for name, secret in CANARIES.items()
        if any(form in text for form in forms(secret))
    ]


def test_no_secret_is_ever_written_or_answered(processes: Processes, provider: Upstream) -> None:
    folder = processes.folder_of(files(provider))
    port = free_port()
    serve = (sys.executable, "-m", "aura", "serve", "--config", "agents", "--debug")
    options = ("--port", str(port), "--run-log", "runs", "--aura-emit-reasoning", "true")
    server = processes.start(*serve, *options, port=port, folder=folder, env=secrets())
    found: list[str] = []
    for answer in answers(server.url):
        headers = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
        found += leaks(str(answer.request.url.path), headers + answer.content)
    server.terminate()
    assert server.ended(within=15) == 0
    found += leaks("the log", server.log.read_bytes())
    logged = list((folder / "runs").glob("*.jsonl"))
    assert len(logged) > 10
    for file in logged:
        found += leaks(file.name, file.read_bytes())
    for arguments in (("check", "agents"), ("check", "--connect", "agents", "--debug")):
        done = subprocess.run(
            [sys.executable, "-m", "aura", *arguments],
            cwd=folder,
            env=environment() | secrets(),
            capture_output=True,
            check=False,
        )
        assert b"good" in done.stdout + done.stderr
        found += leaks(f"aura {' '.join(arguments)}", done.stdout + done.stderr)
    assert found == []


def test_a_leak_would_be_found() -> None:
    secret = CANARIES["key"]
    for text in (secret, f"Bearer {secret}", quote(secret), f"{{'key': {secret!r}}}"):
        assert leaks("here", text.encode())
    assert leaks("here", base64.b64encode(f"user:{secret}".encode()))
    assert not leaks("here", b"nothing to see")
