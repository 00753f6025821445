"""Paced: how many streams at 20 ms a frame one core carries without a stall."""

from __future__ import annotations

import asyncio
import time
from itertools import chain

import msgspec

from benchmarks.client import Connection, Heard, body, connect_all
from benchmarks.lane import measured
from benchmarks.machine import Program, Stage, run, stage
from benchmarks.table import Row, percentile

LEVELS = (200, 400, 600, 800, 1000)
TARGET = 1000.0

PACE = 0.02
FRAMES = 500
STALL = 10 * PACE
"""A gap that a reader notices."""

APART = 0.004
"""Seconds between the starts of two streams: arrivals spread, as those of many users."""


class Level(msgspec.Struct, frozen=True):
    """What one number of streams did; gaps are in milliseconds, loads in cores."""

    streams: int
    stalls: int
    worst: float
    p99: float
    server: float
    client: float


def measure() -> list[Row]:
    """Every level, directly and through Aura."""
    with stage() as running:
        return run(_measure(running))


async def _measure(running: Stage) -> list[Row]:
    levels: list[Level] = []
    rows: list[Row] = []
    for streams in LEVELS:
        direct = await _level(running.upstream, streams)
        through = await _level(running.aura, streams)
        levels.append(through)
        rows.append(_row(direct, through))
    carried = max((level.streams for level in levels if not level.stalls), default=0)
    best = Row(what="streams without a stall", value=carried, unit="streams", target=TARGET)
    return [best, *rows]


def _row(direct: Level, through: Level) -> Row:
    return Row(
        what=f"worst gap, {through.streams} streams",
        value=through.worst,
        unit="ms",
        direct=direct.worst,
        through=through.worst,
        note=(
            f"{through.stalls} stalls (direct {direct.stalls}), p99 {through.p99:.1f} ms"
            f" (direct {direct.p99:.1f}); load: Aura {through.server:.2f} cores, client"
            f" {through.client:.2f}, upstream alone {direct.server:.2f}"
        ),
    )


async def _level(program: Program, streams: int) -> Level:
    """Every stream from its first frame to its last; loads while all of them run."""
    connections = await connect_all(program.address, streams)
    content = body(f"tokens={FRAMES} pace={PACE}")
    await connections[0].ask(body("tokens=4"))
    asked = [asyncio.ensure_future(_ask(connections, at, content)) for at in range(streams)]
    await asyncio.sleep(streams * APART + 0.2)
    cpu, own, begun = program.cpu(), time.process_time(), time.perf_counter()
    await asyncio.sleep(FRAMES * PACE - streams * APART - 0.4)
    seconds = time.perf_counter() - begun
    server, client = program.cpu() - cpu, time.process_time() - own
    answers = await asyncio.gather(*asked)
    for connection in connections:
        connection.close()
    gaps = [gap / 1e6 for gap in chain.from_iterable(answer.gaps for answer in answers)]
    return Level(
        streams=streams,
        stalls=sum(gap > STALL * 1000 for gap in gaps),
        worst=max(gaps),
        p99=percentile(gaps, 0.99),
        server=server / seconds,
        client=client / seconds,
    )


async def _ask(connections: list[Connection], at: int, content: bytes) -> Heard:
    await asyncio.sleep(at * APART)
    return await connections[at].ask(content)


if __name__ == "__main__":
    measured(__doc__, measure)
