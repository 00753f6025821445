"""All lanes, one after the other.

python -m benchmarks [--no-save] [LANE ...]
"""

from __future__ import annotations

import argparse
import importlib
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.lane import Lane, measured
from benchmarks.machine import CORES

RESULTS = Path(__file__).with_name("results.json")

LANES = (
    "start",
    "first_token",
    "frames",
    "parsers",
    "burst",
    "paced",
    "tools",
    "servers",
    "scratchpad",
    "team",
)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the benchmarks."""

    date: str
    processor: str
    cores: int
    python: str
    lanes: dict[str, Lane]


def main() -> None:
    """Measure the lanes that were named, or all; save what a whole run found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Aura.")
    parser.add_argument("lanes", nargs="*", metavar="LANE", help=", ".join(LANES))
    parser.add_argument("--no-save", action="store_true", help=f"leave {RESULTS.name} alone")
    given = parser.parse_args()
    if unknown := set(given.lanes) - set(LANES):
        parser.error(f"no such lane: {', '.join(sorted(unknown))}; there are {', '.join(LANES)}")
    report = Report(
        date=datetime.now(UTC).date().isoformat(),
        processor=_processor(),
        cores=len(CORES),
        python=platform.python_version(),
        lanes={name: _measured(name) for name in dict.fromkeys(given.lanes or LANES)},
    )
    if not given.no_save and not given.lanes:
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def _measured(name: str) -> Lane:
    """One lane, imported only now: what it brings along would slow down the client of the others,
    whose garbage collector has to look at all of it."""
    lane = importlib.import_module(f"benchmarks.bench_{name}")
    return measured(lane.__doc__, lane.measure)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


if __name__ == "__main__":
    main()
