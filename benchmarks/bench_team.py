"""Teams: what merging workers costs, how plans scale, and what a team takes to begin."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from time import process_time

import structlog

from aura import log
from aura.events import COORDINATOR, AnyEvent, ReasoningDelta, Stopped, ToolCalled
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.manner import Manner
from aura.pipeline.ports import Message, Options, Prompt, User
from aura.pipeline.run import open_run
from aura.pipeline.team import Policy, Team, Worker
from aura.pipeline.toolbox import NO_TOOLS, Fixed
from aura.pipeline.turn import turn
from benchmarks.client import body, connect
from benchmarks.lane import measured
from benchmarks.machine import Program, aura, run
from benchmarks.table import Row, middle

EVENTS = 4096
WORKERS = 8
ROUNDS = 7

SIZES = (125, 250, 500, 1000)
TASK_TARGET = 1.0
"""Milliseconds of our own for a task."""

REQUESTS = 200
TEAMS = 50

CONFIG = """
[agent]
name = "{name}"
system_prompt = "You are measured."
[agent.llm]
provider = "scripted"
script = "{script}.toml"
{team}
"""
TEAM = """
[orchestration]
enabled = true
[orchestration.worker.one]
description = "Works"
preamble = "You work."
"""
ANSWERS = """
[[reply]]
when = { offers = "respond_directly", message = "answer" }
calls = [{ name = "respond_directly", arguments = { response = "Done.", routing_rationale = "r" } }]
[[reply]]
when = { message = "answer" }
text = "Done."
"""
WORKS = """
[[reply]]
when = {{ offers = "respond_directly", message = "<request>" }}
calls = [{{ name = "create_plan", arguments = {{ goal = "G", routing_rationale = "r", \
planning_summary = "p", steps = [{steps}] }} }}]
[[reply]]
when = {{ offers = "respond_directly" }}
calls = [{{ name = "respond_directly", arguments = {{ response = "Done.", \
routing_rationale = "r" }} }}]
[[reply]]
first_delay = 3.0
calls = [{{ name = "submit_result", arguments = {{ summary = "s", result = "r", \
confidence = "high" }} }}]
"""
STEP = '{ type = "task", task = "T", worker = "one" }'
WORK = WORKS.format(steps=f'{{ type = "parallel", items = [{", ".join([STEP] * 3)}] }}')


class Player:
    """A model: the coordinator plans `tasks` tasks and answers, workers think `events` times."""

    name = "bench/model"
    most_tools = None

    def __init__(self, tasks: int, events: int) -> None:
        self._tasks = tasks
        self._events = events

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        """The next thing to say."""
        agent_id = prompt.agent_id
        if agent_id != COORDINATOR:
            for _ in range(self._events):
                yield ReasoningDelta(agent_id=agent_id, content=" token")
            arguments = '{"summary":"s","result":"r","confidence":"high"}'
            yield _call(agent_id, "submit_result", arguments)
        elif "<request>" in prompt.messages[-1].text:
            step = '{"type":"task","task":"T","worker":"one"}'
            steps = f'[{{"type":"parallel","items":[{",".join([step] * self._tasks)}]}}]'
            yield _call(agent_id, "create_plan", f'{{"goal":"G","steps":{steps}}}')
        else:
            yield _call(agent_id, "respond_directly", '{"response":"Done."}')
        yield Stopped(agent_id=agent_id, reason="tool_calls")


def _call(agent_id: str, name: str, arguments: str) -> ToolCalled:
    return ToolCalled(agent_id=agent_id, tool_id="c", tool_name=name, arguments=arguments)


def team(tasks: int, events: int, *, parallel: int) -> Team:
    """A team of one worker, which does all tasks."""
    model = Player(tasks, events)

    def agent(name: str) -> Agent:
        return Agent(model=model, system="", toolset=NO_TOOLS, agent_id=name)

    one = Worker(name="one", description="Works", agent=agent("one"))
    return Team(
        agent_id="bench",
        coordinator=agent(COORDINATOR),
        workers=(one,),
        anyone=one,
        toolset=NO_TOOLS,
        policy=Policy(most_tasks=tasks, parallel=parallel),
    )


def measure() -> list[Row]:
    """All of it."""
    log.configure(level="warning")
    return [*run(_merged()), *run(_scaled()), *_served()]


async def _merged() -> list[Row]:
    alone, merged = [], []
    for _ in range(ROUNDS):
        alone.append(await _turn_of(EVENTS * WORKERS) / (EVENTS * WORKERS) * 1e6)
        merged.append(await _run_of(WORKERS, EVENTS, WORKERS) / (EVENTS * WORKERS) * 1e6)
    direct, through = middle(alone), middle(merged)
    return [
        Row(
            what=f"a team of {WORKERS} workers, added to a piece of a thought",
            value=through - direct,
            unit="us",
            direct=direct,
            through=through,
            note="CPU of all layers; it is told twice, as the worker's and as the run's; direct is"
            " one turn without a team; for merging alone see the lane `frames`",
        )
    ]


async def _turn_of(events: int) -> float:
    """CPU seconds for a turn of a worker that nobody coordinates."""
    agent = team(1, events, parallel=1).workers[0].agent
    history: list[Message] = [User("T")]
    async with open_run(log=structlog.get_logger()) as opened:
        begun = process_time()
        happens = turn(
            agent,
            Fixed(()),
            history,
            opened,
            options=Options(),
            manner=Manner(decided=lambda: True),
        )
        async for _ in happens:
            pass
        return process_time() - begun


async def _run_of(tasks: int, events: int, parallel: int) -> float:
    """CPU seconds for a run of a team."""
    asked = team(tasks, events, parallel=parallel)
    async with open_run(log=structlog.get_logger()) as opened:
        begun = process_time()
        async for _ in answer(asked, [User("Q")], opened):
            pass
        return process_time() - begun


async def _scaled() -> list[Row]:
    rows = []
    for size in SIZES:
        each = [await _run_of(size, 0, 8) / size * 1e3 for _ in range(ROUNDS)]
        note = "CPU of a run, model included, for each task"
        rows.append(
            Row(
                what=f"a plan of {size} tasks, for each",
                value=middle(each),
                unit="ms",
                target=TASK_TARGET,
                note=note,
            )
        )
    return rows


def _served() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "agents").mkdir()
        for name, script, extra in (
            ("alone", "answers", ""),
            ("team", "answers", TEAM),
            ("works", "works", TEAM),
        ):
            text = CONFIG.format(name=name, script=script, team=extra)
            (place / "agents" / f"{name}.toml").write_text(text)
        (place / "answers.toml").write_text(ANSWERS)
        (place / "works.toml").write_text(WORK)
        with aura(Path("agents"), where=place) as server:
            return [run(_first_byte(server)), run(_memory(server))]


def _asking(agent: str, words: str) -> bytes:
    return body(words).replace(b'"bench"', f'"{agent}"'.encode())


async def _first_byte(server: Program) -> Row:
    connection = await connect(server.address, keep=True)
    found: dict[str, list[float]] = {"alone": [], "team": []}
    for _ in range(REQUESTS):
        for agent, times in found.items():
            heard = await connection.ask(_asking(agent, "answer"))
            shown = next(
                when
                for when, data in zip(heard.times, heard.kept, strict=True)
                if b'"content":"Done."' in data
            )
            times.append((shown - heard.begun) / 1e6)
    direct, through = middle(found["alone"]), middle(found["team"])
    return Row(
        what="first visible text of a team that answers itself, added",
        value=through - direct,
        unit="ms",
        direct=direct,
        through=through,
        note="direct is a single agent of the same server, both with a scripted model",
    )


async def _memory(server: Program) -> Row:
    connections = [await connect(server.address, keep=True) for _ in range(TEAMS)]
    await connections[0].ask(_asking("works", "work"))
    idle = server.memory()
    asked = [asyncio.ensure_future(each.ask(_asking("works", "work"))) for each in connections]
    most = idle
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        await asyncio.sleep(0.1)
        most = max(most, server.memory())
    await asyncio.gather(*asked)
    return Row(
        what=f"memory of a team at work, of {TEAMS} at a time",
        value=(most - idle) / TEAMS / 1024,
        unit="KiB",
        note=f"three workers each; the server: idle {idle / 2**20:.0f} MiB, then"
        f" {most / 2**20:.0f} MiB",
    )


if __name__ == "__main__":
    measured(__doc__, measure)
