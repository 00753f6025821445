"""Tools: what five rounds with a model and a warm MCP server take above a loop by hand."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from mcp import Client

from benchmarks.client import Connection, body, connect
from benchmarks.lane import measured
from benchmarks.machine import (
    CONFIG,
    LOAD_CORE,
    ROOT,
    SERVER_CORE,
    Program,
    aura,
    free_port,
    run,
    started,
)
from benchmarks.mcp_server import mcp_server, table, url
from benchmarks.table import Row, middle, percentile
from benchmarks.tool_loop import QUESTION, Loop, Taken, insist

ROUNDS = 3
"""The quietest one counts."""

REQUESTS = 200
"""Of each kind in a round."""

WARM_UP = 30
TARGET = 3.0

ASKED = body(QUESTION)


@dataclass(frozen=True, slots=True)
class Tools:
    """A provider that asks for a tool, the server that has it, and an Aura that knows both."""

    upstream: Program
    server: Program
    aura: Program


class Round(msgspec.Struct, frozen=True):
    """Requests of one round; `through` is milliseconds, `cpu` what Aura used for each."""

    direct: list[Taken]
    through: list[float]
    cpu: float

    def added(self, share: float) -> float:
        """What Aura adds at a percentile."""
        return percentile(self.through, share) - percentile(self.alone, share)

    @property
    def alone(self) -> list[float]:
        """Milliseconds of the requests without Aura."""
        return [taken.whole for taken in self.direct]

    @property
    def noise(self) -> float:
        """Less when the machine did less else: what both ways took."""
        return middle(self.alone) + middle(self.through)


def measure() -> list[Row]:
    """Both ways, in one run."""
    with _stage() as running:
        return run(_measure(running))


@contextmanager
def _stage() -> Iterator[Tools]:
    port = free_port()
    command = ("benchmarks.tool_upstream", str(port))
    with (
        tempfile.TemporaryDirectory() as directory,
        started(command, port, core=LOAD_CORE, where=ROOT) as upstream,
        mcp_server("bench") as server,
    ):
        config = Path(directory, "bench.toml")
        config.write_text(CONFIG.format(port=port) + table("bench", server), encoding="utf-8")
        with aura(config, where=Path(directory)) as program:
            yield Tools(upstream, server, program)


async def _measure(running: Tools) -> list[Row]:
    direct = await connect(running.upstream.address, keep=True)
    through = await connect(running.aura.address, keep=True)
    async with Client(url(running.server)) as client:
        loop = Loop(direct, client, (await client.list_tools()).tools)
        await _round(loop, through, running.aura, WARM_UP)
        rounds = [await _round(loop, through, running.aura, REQUESTS) for _ in range(ROUNDS)]
    return _rows(rounds)


async def _round(loop: Loop, connection: Connection, program: Program, requests: int) -> Round:
    """Requests take turns, so that whatever else the machine does hits both alike."""
    direct: list[Taken] = []
    through: list[float] = []
    used = program.cpu()
    for _ in range(requests):
        with _in_place_of_aura():
            direct.append(await loop.ask())
        through.append(await _through(connection))
    return Round(direct, through, (program.cpu() - used) * 1000 / requests)


@contextmanager
def _in_place_of_aura() -> Iterator[None]:
    """On its core: a loop that shared the one of model and tools would have to wait for them."""
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


async def _through(connection: Connection) -> float:
    heard = await connection.ask(ASKED)
    insist(heard.text())
    return (heard.times[-1] - heard.begun) / 1e6


def _rows(rounds: list[Round]) -> list[Row]:
    best = min(rounds, key=lambda each: each.noise)
    cpu = middle(taken.cpu for taken in best.direct)
    every = ", ".join(f"{each.added(0.5):.2f}" for each in rounds)
    return [
        _row("5 rounds p50", best, 0.5, note=f"the quietest of {every}"),
        _row("5 rounds p99", best, 0.99),
        Row(
            what="CPU time of a request",
            value=best.cpu - cpu,
            unit="ms",
            direct=cpu,
            through=best.cpu,
            note="of Aura, and of the loop by hand",
        ),
        Row(
            what="5 calls by hand p50",
            value=middle(taken.tools for taken in best.direct),
            unit="ms",
            note="what the mcp package and the server take of direct",
        ),
    ]


def _row(what: str, best: Round, share: float, note: str = "") -> Row:
    return Row(
        what=what,
        value=best.added(share),
        unit="ms",
        target=TARGET,
        direct=percentile(best.alone, share),
        through=percentile(best.through, share),
        note=note,
    )


if __name__ == "__main__":
    measured(__doc__, measure)
