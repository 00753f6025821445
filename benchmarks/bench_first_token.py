"""First token: what Aura adds to the wait for it, and to the gaps after it, for one stream."""

from __future__ import annotations

import itertools
import re

from benchmarks.client import Connection, Heard, body, connect
from benchmarks.lane import measured
from benchmarks.machine import Stage, run, stage
from benchmarks.table import Row, middle, percentile

REQUESTS = 600
WARM_UP = 60

SHORT = body("tokens=4 pace=0.003")
PACED = body("tokens=1000 pace=0.02 stamp=1")

FIRST_TARGET, FIRST_TARGET_P99 = 1.0, 1.5
GAP_TARGET = 0.05

_STAMP = re.compile(rb'"content":" (\d{19})"')


def measure() -> list[Row]:
    """Both, in one run."""
    with stage() as running:
        return run(_measure(running))


async def _measure(running: Stage) -> list[Row]:
    direct = await connect(running.upstream.address, keep=True)
    through = await connect(running.aura.address, keep=True)
    for _ in range(WARM_UP):
        await direct.ask(SHORT)
        await through.ask(SHORT)
    return [*await _first(running, direct, through), *await _gaps(direct, through)]


async def _first(running: Stage, direct: Connection, through: Connection) -> list[Row]:
    """Requests take turns, so that whatever else the machine does hits both alike."""
    alone: list[float] = []
    added: list[float] = []
    used = running.aura.cpu()
    for _ in range(REQUESTS):
        alone.append(_first_text(await direct.ask(SHORT)))
        added.append(_first_text(await through.ask(SHORT)))
    used = (running.aura.cpu() - used) * 1000 / REQUESTS
    return [
        _added("first token p50", alone, added, 0.5, FIRST_TARGET),
        _added("first token p99", alone, added, 0.99, FIRST_TARGET_P99),
        Row(what="CPU time of a request", value=used, unit="ms", note="all of its answer"),
    ]


def _first_text(heard: Heard) -> float:
    """Milliseconds to the read with the first text."""
    for when, data in zip(heard.times, heard.kept, strict=True):
        if b'"content":" ' in data:
            return (when - heard.begun) / 1e6
    message = "an answer had no text"
    raise RuntimeError(message)


async def _gaps(direct: Connection, through: Connection) -> list[Row]:
    """One stream after the other; each text is the moment it was sent."""
    alone, added = _delays(await direct.ask(PACED)), _delays(await through.ask(PACED))
    steady, changed = _changes(alone), _changes(added)
    return [
        _added("change of gap p99", steady, changed, 0.99, GAP_TARGET),
        _added("change of gap p50", steady, changed, 0.5),
        Row(
            what="delay of a frame p50",
            value=middle(added) - middle(alone),
            unit="ms",
            direct=middle(alone),
            through=middle(added),
        ),
    ]


def _delays(heard: Heard) -> list[float]:
    """Milliseconds that each text was under way."""
    stamps = (
        (when, stamp)
        for when, data in zip(heard.times, heard.kept, strict=True)
        for stamp in _STAMP.findall(data)
    )
    return [(when - int(stamp)) / 1e6 for when, stamp in stamps]


def _changes(delays: list[float]) -> list[float]:
    """How much each gap differs from the one that it was sent with."""
    return [abs(later - earlier) for earlier, later in itertools.pairwise(delays)]


def _added(
    what: str, alone: list[float], added: list[float], share: float, target: float | None = None
) -> Row:
    direct, through = percentile(alone, share), percentile(added, share)
    return Row(
        what=what,
        value=through - direct,
        unit="ms",
        target=target,
        direct=direct,
        through=through,
    )


if __name__ == "__main__":
    measured(__doc__, measure)
