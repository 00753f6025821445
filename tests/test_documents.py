"""What the documents say is true: blocks run, frames are real, files load."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aura.adapters.models.scripted import load_script
from aura.config import load
from aura.errors import ProviderError, ScriptError
from aura.flags import FLAGS, OPTIONS
from tests.support.eventually import PATIENCE
from tests.support.processes import Processes, free_port

ROOT = Path(__file__).parents[1]
KEYS = {f"{name}_API_KEY": "k" for name in ("ANTHROPIC", "GEMINI", "OPENAI", "OPENROUTER")}
README = ROOT / "README.md"
WIRE = ROOT / "aura" / "events" / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(page.read_text()) if name == language]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    kinds = {name for page in (README, WIRE) for name, _ in BLOCK.findall(page.read_text())}
    assert kinds <= {"sh", "toml", "python", "sse"}


@pytest.mark.parametrize("page", [README, WIRE], ids=["readme", "wire"])
def test_every_frame_is_one_that_clients_get(page: Path) -> None:
    stored = "".join(path.read_text() for path in ROOT.glob("tests/server/**/*.sse"))
    assert all(block.strip() in stored for block in blocks(page, "sse"))


def test_every_error_code_is_described() -> None:
    codes = [kind.code for kind in ProviderError.__subclasses__()]
    assert not [code for code in codes if f"`{code}`" not in WIRE.read_text()]


def test_every_server_option_is_described() -> None:
    flags = [FLAGS.get(option.field, option.flag) for option in OPTIONS]
    assert not [flag for flag in flags if f"`{flag}`" not in README.read_text()]


@pytest.mark.parametrize("block", blocks(README, "toml"), ids=lambda block: block.split("\n")[0])
def test_every_piece_of_toml_loads(block: str, tmp_path: Path) -> None:
    path = tmp_path / "block.toml"
    path.write_text(block)
    if "[[reply]]" in block:
        assert load_script(path).replies
    else:
        assert load(path, KEYS).configs


SHIPPED = sorted([*(ROOT / "examples").rglob("*.toml"), *(ROOT / "configs").glob("*.toml")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    try:
        load_script(path)
    except ScriptError:
        assert load(path, KEYS).warnings == ()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


def environment(port: int) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    return {**ours, "AURA_PORT": str(port), "OPENAI_API_KEY": "not-a-key"}


@pytest.fixture(scope="module")
def demo(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `make run` starts, without installing anything again."""
    plan = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    command = shlex.split(plan.stdout.strip().splitlines()[-1])
    assert command[:2] == [".venv/bin/aura", "serve"]
    processes = Processes(tmp_path_factory.mktemp("demo"))
    running = processes.start(
        *(sys.executable, "-m", "aura", *command[1:]),
        port=port,
        folder=ROOT,
        env=environment(port),
    )
    yield
    running.terminate()
    assert running.ended(PATIENCE) == 0


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    "block",
    [block for block in blocks(README, "sh") if block.strip() != "make run"],
    ids=lambda block: block.split()[0],
)
def test_every_command_works(block: str, port: int) -> None:
    command = block.replace(":8080", f":{port}").replace(".venv/bin/aura", "python -m aura")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=ROOT,
        env={**environment(port), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.usefixtures("demo")
def test_the_printed_line_is_answered_with_tool_events(port: int) -> None:
    asked = {"model": "demo", "stream": True}
    question = {"role": "user", "content": "What can you do?"}
    body = msgspec.json.encode({**asked, "messages": [question]}).decode()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    told = subprocess.run(
        ["curl", "-sN", url, "-H", "content-type: application/json", "-d", body],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout
    assert told.count("event: aura.tool_complete") == 2
    assert "391" in told
    assert told.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_every_program_runs(block: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "RunCompleted(reason='stop')" in done.stdout
