"""The programs under measurement: started, pinned to a core, weighed, and ended."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvloop

from benchmarks.client import Address

T = TypeVar("T")

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
"""The server has a core for itself if there are two; load client and upstream share the other."""

ROOT = Path(__file__).parent.parent

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
POLL = 0.002

CONFIG = """
[agent]
name = "bench"
system_prompt = "You are measured."

[agent.llm]
provider = "openai"
model = "gpt-4o-mini"
api_key = "none"
base_url = "http://127.0.0.1:{port}/v1"
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A running process that listens on a loopback port."""

    pid: int
    address: Address
    started_in: float

    def cpu(self) -> float:
        """CPU seconds that its threads have used so far."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> int:
        """Its proportional share of resident memory, in bytes."""
        return _memory(self.pid)

    def children(self) -> int:
        """The same of all its children together."""
        return sum(_memory(pid) for pid in _children(self.pid))


@dataclass(frozen=True, slots=True)
class Stage:
    """An upstream, and Aura in front of it."""

    upstream: Program
    aura: Program


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]
    return found + [grandchild for child in found for grandchild in _children(child)]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(command: Sequence[str], port: int, *, core: int, where: Path) -> Iterator[Program]:
    """A program on one core, from its first answer to the end of the block."""
    begun = time.perf_counter()
    os.sched_setaffinity(0, {core})
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=where, env=_environment(), stderr=subprocess.DEVNULL
    )
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        _wait(process, port)
        yield Program(process.pid, ("127.0.0.1", port), time.perf_counter() - begun)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    """No variable of the caller may change what is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "DEMO_PYTHON": sys.executable}


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Return as soon as /health is answered with 200."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                probe.sendall(b"GET /health HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
                if probe.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(POLL)
    message = f"{process.args!r} did not start"
    raise RuntimeError(message)


@contextmanager
def upstream() -> Iterator[Program]:
    """The scripted upstream, on the core of the load client."""
    port = free_port()
    command = ("benchmarks.upstream", str(port))
    with started(command, port, core=LOAD_CORE, where=ROOT) as program:
        yield program


@contextmanager
def aura(config: Path, *options: str, where: Path) -> Iterator[Program]:
    """`aura serve` with these options, else with its defaults, on a core of its own."""
    port = free_port()
    options = ("--port", str(port), "--shutdown-timeout-secs", "0", *options)
    command = ("aura", "serve", "--config", str(config), *options)
    with started(command, port, core=SERVER_CORE, where=where) as program:
        yield program


@contextmanager
def stage() -> Iterator[Stage]:
    """An upstream and an Aura whose only agent is served by it."""
    with tempfile.TemporaryDirectory() as directory, upstream() as provider:
        config = Path(directory, "bench.toml")
        config.write_text(CONFIG.format(port=provider.address[1]), encoding="utf-8")
        with aura(config, where=Path(directory)) as server:
            yield Stage(provider, server)


def run(main: Coroutine[object, object, T]) -> T:
    """Run on the event loop that Aura uses, too."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
