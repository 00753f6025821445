"""One lane, measured and printed, and how quiet the machine was meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.table import Row, show

TICKS = os.sysconf("SC_CLK_TCK")

LOOPS = 1_000_000


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane found.

    `others` is how many cores were busy with work that was not ours, `loop_ns` how long one turn of
    an empty Python loop took before the lane: figures of two runs can be compared when both agree.
    """

    title: str
    seconds: float
    others: float
    loop_ns: float
    rows: list[Row]


def measured(title: str | None, measure: Callable[[], list[Row]]) -> Lane:
    """Measure one lane and print its table."""
    loop_ns = _loop_ns()
    begun, busy, own = time.perf_counter(), _busy(), _own()
    rows = measure()
    seconds = time.perf_counter() - begun
    others = max(0.0, (_busy() - busy) - (_own() - own)) / seconds
    lane = Lane(
        title=(title or "").splitlines()[0],
        seconds=seconds,
        others=others,
        loop_ns=loop_ns,
        rows=rows,
    )
    show(lane.title, lane.rows)
    print(f"({seconds:.0f} s; others kept {others:.2f} cores busy; empty loop {loop_ns:.0f} ns)")
    return lane


def _loop_ns() -> float:
    begun = time.perf_counter_ns()
    for _ in range(LOOPS):
        pass
    return (time.perf_counter_ns() - begun) / LOOPS


def _busy() -> float:
    """CPU seconds that the whole machine has been busy: all but idle, waiting and stolen ones."""
    first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    user, nice, system, _, _, irq, softirq, *_ = (int(ticks) for ticks in first.split()[1:])
    return (user + nice + system + irq + softirq) / TICKS


def _own() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
