"""One question, answered in this process: what `aura run` does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TextIO

import msgspec

from aura.events import AnyEvent, RunFailed, TextDelta, ToolCompleted, ToolProgressed, ToolStarted
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import opened
from aura.pipeline.ports import User
from aura.pipeline.run import open_run

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
            return None


def _plain(text: str) -> str:
    """One line that does nothing to a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


async def ask(
    agent: Agent, question: str, *, events: bool, out: TextIO, report: Callable[[str], None]
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
