"""One question, answered in this process: what `aura run` does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TextIO

import msgspec

from aura.events import (
    AnyEvent,
    PlanCreated,
    PlannedTask,
    ReplanStarted,
    RunFailed,
    TaskBlocked,
    TaskCompleted,
    TaskStarted,
    TextDelta,
    ToolCompleted,
    ToolProgressed,
    ToolStarted,
    WorkerToolCompleted,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import opened
from aura.pipeline.ports import User
from aura.pipeline.run import open_run
from aura.pipeline.submitted import SUBMIT
from aura.pipeline.team import Team

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def event_line(event: AnyEvent, seq: int) -> str:
    """An event as one line of JSON: its name, its position and its fields."""
    name = event.wire or _CAPITAL.sub("_", type(event).__name__).lower()
    line = {"type": name, "seq": seq, **msgspec.to_builtins(event)}
    return msgspec.json.encode(line).decode()


def progress_line(event: AnyEvent) -> str | None:
    """What a person who waits wants to know, if this event is worth a line."""
    match event:
        case ToolStarted():
            return f"… {event.tool_name}"
        case ToolProgressed():
            share = "" if event.percent is None else f" ({event.percent} %)"
            return f"  {_plain(event.message)}{share}"
        case ToolCompleted(hidden=False):
            sign = "✓" if event.success else "✗"
            return f"{sign} {event.tool_name} ({event.duration_ms / 1000:.1f} s)"
        case _:
            return _team_line(event)


def _team_line(event: AnyEvent) -> str | None:
    """The same for what happens in a team."""
    match event:
        case PlanCreated():
            tasks = (f"\n  {task.task_id}. {_task(task)}" for task in event.graph)
            return f"plan: {_plain(event.goal)}{''.join(tasks)}"
        case TaskStarted():
            return f"… task {event.task_id} ({event.worker_id})"
        case WorkerToolCompleted() if event.tool_name != SUBMIT:
            sign = "✓" if event.success else "✗"
            return f"  {sign} {event.tool_name} ({event.duration_ms / 1000:.1f} s)"
        case TaskCompleted():
            sign = "✓" if event.success else "✗"
            said = event.summary if event.success else event.result
            seconds = event.duration_ms / 1000
            return f"{sign} task {event.task_id} ({seconds:.1f} s): {_plain(said)[:200]}"
        case TaskBlocked():
            return f"✗ task {event.task_id}: it needs task {event.blocked_by}"
        case ReplanStarted():
            return f"plan {event.iteration}"
        case _:
            return None


def _task(task: PlannedTask) -> str:
    needs = ", ".join(map(str, task.dependencies))
    worker = f" [{task.worker}]" if task.worker else ""
    return f"{_plain(task.description)}{worker}" + (f" (after {needs})" if needs else "")


def _plain(text: str) -> str:
    """One line that does nothing to a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


async def ask(
    agent: Agent | Team, question: str, *, events: bool, out: TextIO, report: Callable[[str], None]
) -> int:
    """Write the answer to `out`, or every event when `events` is set; progress goes to `report`.

    Gives the exit code: 0, or 1 when the run failed.
    """
    code = 0
    async with open_run() as run, opened(answer(agent, [User(question)], run)) as happened:
        seq = 0
        async for event in happened:
            if isinstance(event, RunFailed):
                code = 1
                report(f"failed ({event.code}): {event.message}")
            if events:
                print(event_line(event, seq), file=out, flush=True)
            elif isinstance(event, TextDelta):
                print(event.text, end="", file=out, flush=True)
            elif (line := progress_line(event)) is not None:
                report(line)
            seq += 1
    if not events:
        print(file=out)
    return code
