"""Real processes on loopback: started, waited for, ended by their id, their output kept."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0
"""Seconds after which a process that has not begun, or not ended, never will."""

NODE_FOLDER = Path(__file__).parents[1] / "integration" / "node"
EVERYTHING = "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
AIMOCK = "node_modules/@copilotkit/aimock/dist/cli.js"


def free_port() -> int:
    """A port of the loopback address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def everything_over_stdio(node: str) -> list[str]:
    """The command of MCP's reference server, for a client that starts it."""
    return [node, str(NODE_FOLDER / EVERYTHING), "stdio"]


@dataclass(frozen=True, slots=True)
class Running:
    """A process, where it can be reached, and the file that its output goes to."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def output(self) -> str:
        """What the process has written so far, to standard output and error."""
        return self.log.read_text(errors="replace")

    def terminate(self) -> None:
        """Ask the process to end, and return at once."""
        self.process.terminate()

    def ended(self, within: float = PATIENCE) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired` when it is not there in time."""
        return self.process.wait(within)

    def end(self) -> None:
        """End the process: ask, and after a while insist."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.ended(within=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Processes:
    """The processes of a test or of several, each with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: list[Running] = []

    def serve(self, files: Mapping[str, str], *options: str) -> Running:
        """Aura on the agents in `files`, of which each is a text by its path in a new folder.

        The folder is the working directory, and `agents` in it is the configuration.
        """
        folder = self.folder_of(files)
        port = free_port()
        command = (sys.executable, "-m", "aura", "serve", "--config", "agents")
        return self.start(*command, "--port", str(port), *options, port=port, folder=folder)

    def aimock(self, node: str, replies: Path) -> Running:
        """A model that says what is in `replies`; an unforeseen request is an error."""
        port = free_port()
        command = (node, str(NODE_FOLDER / AIMOCK), "--strict", "--fixtures", str(replies))
        return self.start(*command, "--port", str(port), port=port)

    def everything(self, node: str) -> Running:
        """MCP's reference server over streamable HTTP."""
        port = free_port()
        preload = (NODE_FOLDER / "loopback.mjs").as_uri()
        command = (node, "--import", preload, str(NODE_FOLDER / EVERYTHING), "streamableHttp")
        return self.start(*command, port=port, env={"PORT": str(port)})

    def folder_of(self, files: Mapping[str, str]) -> Path:
        """A new folder with these files in it."""
        folder = self._folder / f"files-{len(list(self._folder.iterdir()))}"
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return folder

    def start(
        self,
        *command: str,
        port: int,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Running:
        """Start a process and return once its port answers.

        Its environment is small, so that no key or setting of the developer's gets into a test.
        """
        log = self._folder / f"process-{len(self.running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder or self._folder,
                env=environment() | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running = Running(process, f"http://127.0.0.1:{port}", log)
        self.running.append(running)
        _wait_for(port, running)
        return running

    def end(self) -> None:
        """End what still runs, the youngest first."""
        for running in reversed(self.running):
            running.end()


def environment() -> dict[str, str]:
    """What a process needs in order to run at all."""
    kept = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _wait_for(port: int, running: Running) -> None:
    """Return when the port answers. Raises `RuntimeError` when the process ends before it does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            pass
        try:
            code = running.ended(within=0.02)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"the process ended with {code}:\n{running.output()}")
    raise RuntimeError(f"nothing answers on port {port}:\n{running.output()}")
