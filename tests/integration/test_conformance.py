"""Programs of others that examine servers like this one, run against it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.processes import Processes, Running
from tests.support.reference_servers import program

TOKEN = "for-conformance"

AGENT = """
[agent]
name = "{name}"
system_prompt = "Answer."
enable_client_tools = true
allow_request_overrides = ["temperature", "top_p", "max_tokens", "stop", "response_format"]

[agent.llm]
provider = "scripted"
script = "script.toml"
"""
SCRIPT = r"""
[[reply]]
when = { message = "(?i)weather" }
calls = [{ name = "get_weather", arguments = { location = "San Francisco" } }]

[[reply]]
when = { message = "(?i)pong" }
text = "pong"

[[reply]]
when = { message = "(?s).*" }
text = "Hello there, this is an answer of some words, given one by one."
delay = 0.01
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    processes = Processes(tmp_path_factory.mktemp("conformance"))
    files = {f"agents/{name}.toml": AGENT.format(name=name) for name in ("one", "other")}
    yield processes.serve({**files, "script.toml": SCRIPT}, "--auth-token", TOKEN)
    processes.end()


def test_schemathesis_finds_nothing(server: Running, tmp_path: Path) -> None:
    checks = (
        *("not_a_server_error", "status_code_conformance"),
        *("content_type_conformance", "response_schema_conformance"),
    )
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            f"{server.url}/schema/openapi.json",
            *("--header", f"Authorization: Bearer {TOKEN}", "--checks", ",".join(checks)),
            *("--max-examples", "20", "--seed", "1", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout or "passed" in done.stdout
    assert '"level": "error"' not in server.output()


def test_llm_comply_passes(server: Running) -> None:
    done = subprocess.run(
        [
            *(program("llm-comply"), "--format", "openai-chat", "--json"),
            *("--base-url", f"{server.url}/v1", "--api-key", TOKEN, "--model", "one"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_provider_check_passes(server: Running, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    subprocess.run(
        [
            *(program("trustedrouter-provider-check"), "--base-url", f"{server.url}/v1"),
            *("--api-key", TOKEN, "--model", "one", "--tier", "5", "--json", str(report)),
        ],
        capture_output=True,
        check=False,
    )
    checks = msgspec.json.decode(report.read_bytes())["checks"]
    found = {check["id"]: check["status"] for check in checks}
    assert {name for name, status in found.items() if status == "fail"} == set()
    assert len([status for status in found.values() if status == "pass"]) > 10
