"""Start and memory: from nothing to the first answer, and what an idle stream weighs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.client import body, connect_all
from benchmarks.lane import measured
from benchmarks.machine import ROOT, Program, Stage, aura, run, stage
from benchmarks.table import Row, middle

STARTS = 7
START_TARGET = 0.7

PROVIDER_STARTS = 5

IMPORTS = 12
"""Modules to list."""

_KEY = re.compile(r'"\{\{ env\.\w*KEY\w* \}\}"')

STREAMS = 1000
AT_ONCE = 50
STREAM_TARGET = 30.0
IDLE_TARGET = 100.0

SETTLE = 3.0
"""Seconds after which a server that started is idle: its tools are connected by then."""

KIB, MIB = 1024.0, 1024.0 * 1024.0


def measure() -> list[Row]:
    """Start, imports, memory."""
    return [*_starts(), *_providers(), *_imports(), *_streams()]


def _starts() -> list[Row]:
    """The demo, again and again; files are in the page cache after the first time."""
    _start(settle=0)
    seconds = [_start(settle=0).started_in for _ in range(STARTS)]
    with aura(ROOT / "examples" / "demo", where=ROOT) as program:
        time.sleep(SETTLE)
        idle, children = program.memory() / MIB, program.children() / MIB
    return [
        Row(
            what="start to the first 200",
            value=middle(seconds),
            unit="s",
            target=START_TARGET,
            note=f"fastest {min(seconds):.2f}, slowest {max(seconds):.2f}",
        ),
        Row(
            what="idle server",
            value=idle,
            unit="MiB",
            target=IDLE_TARGET,
            note=f"the demo's tools, a child process, take another {children:.0f} MiB",
        ),
    ]


def _start(*, settle: float) -> Program:
    with aura(ROOT / "examples" / "demo", where=ROOT) as program:
        time.sleep(settle)
        return program


def _providers() -> list[Row]:
    """One agent with a model of each provider, as the examples have it."""
    rows: list[Row] = []
    for example in sorted((ROOT / "examples" / "minimal").glob("*.toml")):
        with TemporaryDirectory() as directory:
            config = Path(directory, example.name)
            # Whatever key the example takes from the environment: nobody is asked for anything.
            config.write_text(_KEY.sub('"none"', example.read_text()))
            seconds: list[float] = []
            for _ in range(1 + PROVIDER_STARTS):
                with aura(config, where=Path(directory)) as program:
                    seconds.append(program.started_in)
        row = Row(
            what=f"start with {example.stem}",
            value=middle(seconds[1:]),
            unit="s",
            target=START_TARGET,
        )
        rows.append(row)
    return rows


def _imports() -> list[Row]:
    """The modules that take longest, themselves and with all they import."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import aura.cli"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.partition(":")[2].split("|") for line in done.stderr.splitlines()[1:]]
    found = [(int(whole) / 1000, int(own) / 1000, name.rstrip()) for own, whole, name in lines]
    found.sort(reverse=True)
    return [
        Row(what=f"import {name.strip()}", value=whole, unit="ms", note=f"{own:.1f} in itself")
        for whole, own, name in found[:IMPORTS]
    ]


def _streams() -> list[Row]:
    """Streams whose provider goes silent after the first word."""
    with stage() as running:
        return [run(_stream(running))]


async def _stream(running: Stage) -> Row:
    await _open(running.aura, 20, "tokens=4")
    before = running.aura.memory()
    await _open(running.aura, STREAMS, "tokens=1 silent=1")
    grown = (running.aura.memory() - before) / STREAMS / KIB
    return Row(what=f"open idle stream ({STREAMS})", value=grown, unit="KiB", target=STREAM_TARGET)


async def _open(program: Program, count: int, words: str) -> None:
    """Open streams, some at a time, and leave them open."""
    connections = await connect_all(program.address, count)
    content = body(words)
    for start in range(0, count, AT_ONCE):
        some = connections[start : start + AT_ONCE]
        for connection in some:
            connection.send(content)
        await asyncio.gather(*(connection.first() for connection in some))


if __name__ == "__main__":
    measured(__doc__, measure)
