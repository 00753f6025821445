"""MCP's reference servers, and an agent that uses what one of them offers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import anyio
import anyio.to_thread
import msgspec
import pytest

from aura.build import open_agents
from aura.config import load
from aura.events import (
    AnyEvent,
    McpStatus,
    ServerStatus,
    TextDelta,
    ToolCompleted,
    ToolProgressed,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Events, opened
from aura.pipeline.ports import Model, Prompt, User
from aura.pipeline.run import open_run
from tests.support.processes import (
    EVERYTHING,
    NODE_FOLDER,
    Processes,
    Running,
    environment,
    free_port,
)
from tests.support.transcript import transcript

PATIENCE = 60.0
"""Seconds after which a run over every tool of a server will not end any more."""

PROGRAMS = Path(__file__).parents[2] / ".venv-servers" / "bin"

PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T10:00:00 +0000",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T10:00:00 +0000",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
"""Who commits and when, and nothing of the developer's own settings."""

AGENT = """
[agent]
name = "tester"
system_prompt = "Try every tool."
parallel_tool_calls = {parallel}

[agent.llm]
provider = "scripted"
script = '{script}'

[mcp.servers.reference]
{server}
"""


class Driven(msgspec.Struct, frozen=True):
    """What an agent saw of a server: the tools it was offered, and what happened."""

    offered: tuple[str, ...]
    events: list[AnyEvent]

    @property
    def status(self) -> ServerStatus:
        """How the server did."""
        [status] = [event for event in self.events if isinstance(event, McpStatus)]
        [server] = status.servers
        return server

    @property
    def answer(self) -> str:
        """What the agent said."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def called(self) -> list[str]:
        """The tools whose calls came to an end, sorted."""
        return sorted(call.tool_name for call in self._completed())

    @property
    def results(self) -> dict[str, str]:
        """What the tools answered that succeeded."""
        return {call.tool_name: call.result or "" for call in self._completed() if call.success}

    @property
    def images(self) -> dict[str, tuple[str, ...]]:
        """The images that came with the answers, as `data:` URLs."""
        return {call.tool_name: call.images for call in self._completed() if call.images}

    @property
    def errors(self) -> dict[str, str]:
        """What the model was told of tools that failed."""
        return {call.tool_name: call.error or "" for call in self._completed() if not call.success}

    @property
    def progress(self) -> list[tuple[str, int | None]]:
        """Each progress report: its message and percentage."""
        reports = [event for event in self.events if isinstance(event, ToolProgressed)]
        return [(report.message, report.percent) for report in reports]

    def _completed(self) -> list[ToolCompleted]:
        return [event for event in self.events if isinstance(event, ToolCompleted)]


class Attentive:
    """A model that remembers which tools it was offered last."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.offered: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the model that answers."""
        return self._model.name

    @property
    def most_tools(self) -> int | None:
        """How many tools that model takes."""
        return self._model.most_tools

    async def stream(self, prompt: Prompt) -> Events:
        """What the model says."""
        self.offered = tuple(sorted(tool.name for tool in prompt.tools))
        async with opened(self._model.stream(prompt)) as events:
            async for event in events:
                yield event


async def driven(
    folder: Path, server: str, script: str, *, question: str = "Go on.", parallel: bool = True
) -> Driven:
    """An agent that follows `script`, with the tools of one server; `server` is its table."""
    replies, file = folder / "script.toml", folder / "agent.toml"
    text = AGENT.format(parallel=str(parallel).lower(), script=replies, server=server)
    await anyio.Path(replies).write_text(script)
    await anyio.Path(file).write_text(text)
    loaded = await anyio.to_thread.run_sync(load, file)
    with anyio.fail_after(PATIENCE):
        async with open_agents(loaded.configs) as agents, open_run() as run:
            agent = agents.find(None).agent
            assert isinstance(agent, Agent)
            model = Attentive(agent.model)
            asked = answer(replace(agent, model=model), [User(question)], run)
            events = await transcript(asked)
    return Driven(model.offered, events)


def everything_over_sse(processes: Processes, node: str) -> Running:
    """The reference server over the HTTP transport of old."""
    port = free_port()
    preload = (NODE_FOLDER / "loopback.mjs").as_uri()
    command = (node, "--import", preload, str(NODE_FOLDER / EVERYTHING), "sse")
    return processes.start(*command, port=port, env={"PORT": str(port)})


def logo() -> str:
    """The one image that server-everything has, as a `data:` URL."""
    source = NODE_FOLDER / EVERYTHING.replace("index.js", "tools/get-tiny-image.js")
    found = re.search('MCP_TINY_IMAGE = "(.+?)"', source.read_text())
    assert found
    return f"data:image/png;base64,{found[1]}"


class Repository:
    """A git repository with a commit on `main`; then another line was written and staged."""

    def __init__(self, folder: Path) -> None:
        self._git = shutil.which("git") or absent("git is not installed")
        self.folder = folder
        folder.mkdir()
        self.git("init", "--initial-branch=main")
        self._stage("one\n")
        self.git("commit", "--message=Begin")
        self._stage("one\ntwo\n")

    def git(self, *arguments: str) -> str:
        """What git prints, without the end of the last line."""
        ran = subprocess.run(
            (self._git, *arguments),
            cwd=self.folder,
            env=environment() | PERSON,
            check=True,
            capture_output=True,
            text=True,
        )
        return ran.stdout.removesuffix("\n")

    def _stage(self, notes: str) -> None:
        (self.folder / "notes").write_text(notes)
        self.git("add", "notes")


def program(name: str) -> str:
    """The path of a server that the Makefile installs."""
    path = PROGRAMS / name
    if not path.exists():
        absent(f"{name} is not installed: make test")
    return str(path)


def absent(reason: str) -> NoReturn:
    """Skip the test, except in CI, where everything that it needs has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
