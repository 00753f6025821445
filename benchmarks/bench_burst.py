"""Burst: provider chunks per second that one core turns into client frames."""

from __future__ import annotations

import asyncio
from time import perf_counter

import msgspec

from benchmarks.client import body, connect_all
from benchmarks.lane import measured
from benchmarks.machine import Program, Stage, run, stage
from benchmarks.table import Row, middle
from benchmarks.upstream import text

CHUNKS = 128 * 1024
"""Chunks of one round, over all streams."""

ROUNDS = 5
TARGET = 300_000.0

PACKS = (1, 4, 32)
STREAMS = (1, 16, 64)
WARM_UP = body("tokens=4")


class Round(msgspec.Struct, frozen=True):
    """What one round took; `cpu` is the seconds that the program under measurement used."""

    seconds: float
    cpu: float
    frames: int

    @property
    def per_core(self) -> float:
        """Chunks per CPU second."""
        return CHUNKS / self.cpu

    @property
    def per_second(self) -> float:
        """Chunks per second of the clock."""
        return CHUNKS / self.seconds


def measure() -> list[Row]:
    """Every size of write with every number of streams."""
    with stage() as running:
        cases = [(pack, streams, "") for pack in PACKS for streams in STREAMS]
        return [run(_case(running, *case)) for case in (*cases, (1, 16, "pad=1"))]


async def _case(running: Stage, pack: int, streams: int, more: str) -> Row:
    """Rounds take turns, so that whatever else the machine does hits both alike."""
    words = f"tokens={CHUNKS // streams} pack={pack} {more}"
    alone: list[Round] = []
    added: list[Round] = []
    await _round(running.aura, streams, words)
    for _ in range(ROUNDS):
        alone.append(await _round(running.upstream, streams, words))
        added.append(await _round(running.aura, streams, words))
    busy = middle(one.cpu / one.seconds for one in added)
    merged = middle(CHUNKS / one.frames for one in added)
    return Row(
        what=f"{pack} a write, {streams} stream{'s' * (streams > 1)} {more}".strip(),
        value=middle(one.per_core for one in added),
        unit="chunks/CPU s",
        target=TARGET,
        direct=middle(one.per_second for one in alone),
        through=middle(one.per_second for one in added),
        note=f"core {busy:.0%} busy, {merged:.1f} chunks a frame",
    )


async def _round(program: Program, streams: int, words: str) -> Round:
    """Ask on every connection at once; every answer has to be whole."""
    connections = await connect_all(program.address, streams, keep=True)
    for connection in connections:
        await connection.ask(WARM_UP)
    content = body(words)
    cpu, begun = program.cpu(), perf_counter()
    answers = await asyncio.gather(*(connection.ask(content) for connection in connections))
    seconds, used = perf_counter() - begun, program.cpu() - cpu
    for connection in connections:
        connection.close()
    expected = text(CHUNKS // streams)
    if any(answer.text() != expected for answer in answers):
        message = "an answer did not arrive whole"
        raise RuntimeError(message)
    return Round(seconds, used, sum(len(answer.events()) for answer in answers))


if __name__ == "__main__":
    measured(__doc__, measure)
