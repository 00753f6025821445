"""Programs of others that examine servers like this one, run against it."""

from __future__ import annotations

import re
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
when = { message = "lookup_weather" }
calls = [
    { name = "lookup_weather", arguments = { city = "Athens" } },
    { name = "lookup_time", arguments = { city = "Athens" } },
]

[[reply]]
when = { tool = "lookup_*" }
text = "It is noon, and the sun shines."

[[reply]]
when = { message = "JSON" }
text = '{"answer": "PONG", "count": 2}'

[[reply]]
when = { message = "(?i)weather" }
calls = [{ name = "get_weather", arguments = { location = "San Francisco" } }]

[[reply]]
when = { message = "(?i)pong" }
text = "pong"

[[reply]]
when = { message = "What can you do" }
text = "Answer."

[[reply]]
when = { message = "(?s).*" }
text = "Hello there, this is an answer of some words, given one by one."
delay = 0.01
"""
FILES = {
    "script.toml": SCRIPT,
    **{f"agents/{name}.toml": AGENT.format(name=name) for name in ("one", "other")},
}

DEVIATIONS = {
    "catalog.declared-v2": "a catalog for a marketplace, which nobody publishes for an agent",
    "chat.model": "an answer names the model that gave it, the request names the agent",
    "stream.incremental-delivery": "the whole answer to its question is one word",
}
"""What `trustedrouter-provider-check` does not call passed, and why that is as it should be."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    processes = Processes(tmp_path_factory.mktemp("conformance"))
    yield processes.serve(FILES, "--auth-token", TOKEN)
    processes.end()


def test_schemathesis_finds_nothing(processes: Processes, tmp_path: Path) -> None:
    """Whatever it asks, the answer is in the document; but which conversations can be answered, no
    schema says."""
    server = processes.serve(FILES, "--auth-token", TOKEN, "--default-agent", "one")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            f"{server.url}/schema/openapi.json",
            *("--header", f"Authorization: Bearer {TOKEN}"),
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            *("--max-examples", "10", "--seed", "1", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    tested = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert tested, done.stdout
    assert tested[1] == tested[2]
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
    assert {name for name, status in found.items() if status != "pass"} <= set(DEVIATIONS)
    assert "fail" not in found.values()
    assert len(found) > 20
