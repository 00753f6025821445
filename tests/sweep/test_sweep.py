"""The fault sweep: every scenario, disturbed at every event by every fault, and what is left."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from aura.server.modes import Mode
from tests.support.sources import fixed_sources
from tests.support.virtual import in_virtual_time, virtual_sources
from tests.sweep.faults import HERE, LATER
from tests.sweep.harness import MODE, alone, check, check_file, play
from tests.sweep.scenarios import SCENARIOS, WITH_THREADS
from tests.sweep.teams import TEAMS

IN_VIRTUAL_TIME = [name for name in SCENARIOS if name not in WITH_THREADS]


def undisturbed(name: str) -> int:
    """How many entries the run of a scenario has."""
    work = partial(play, SCENARIOS[name], None, 0, stream=True, sources=fixed_sources())
    return len(alone(work).entries)


def combinations(faults: Iterable[str], names: Iterable[str] = SCENARIOS) -> list[object]:
    """All of them; but for a quarter, or a twelfth of those of teams, always the same, they are
    marked to be left out of the ordinary run. `make sweep` runs all."""
    cases = [
        (name, fault, at, kind)
        for name in names
        for at in range(undisturbed(name))
        for fault in faults
        for kind in ("stream", "json")
    ]
    return [_marked(*case) for case in cases]


def _marked(name: str, fault: str, at: int, kind: str) -> object:
    case = f"{name}-{kind}-{fault}-{at}"
    share = 12 if name in TEAMS else 4
    marks = [pytest.mark.sweep] if crc32(case.encode()) % share else []
    return pytest.param(name, fault, at, kind == "stream", id=case, marks=marks)


def usual(name: str) -> frozenset[str | None]:
    """How the run ends when the fault comes too late, or does not matter to it."""
    return frozenset({"provider_rejected" if name == "failing" else None})


def of_provider(name: str, codes: frozenset[str | None]) -> frozenset[str | None]:
    """The codes of a provider's faults; in a team each task fails with them by itself."""
    return codes | {"provider_unavailable"} if name.startswith("team-") else codes


def mode(name: str) -> Mode:
    return Mode(events=True, tool_calls=False) if SCENARIOS[name].client else MODE


@pytest.mark.parametrize(("name", "fault", "at", "stream"), combinations(HERE))
def test_a_fault_at_an_event(name: str, fault: str, at: int, stream: bool, tmp_path: Path) -> None:
    act, codes = HERE[fault]
    folder = tmp_path / "runs"
    outcome = alone(
        partial(
            play,
            SCENARIOS[name],
            act,
            at,
            stream=stream,
            sources=fixed_sources(),
            folder=folder,
        )
    )
    check(outcome, mode(name), stream=stream, codes=codes | usual(name))
    check_file(outcome, folder, full=fault == "disk-full")


@pytest.mark.parametrize(("name", "fault", "at", "stream"), combinations(LATER, IN_VIRTUAL_TIME))
def test_a_provider_that_fails_at_an_event(name: str, fault: str, at: int, stream: bool) -> None:
    act, codes = LATER[fault]

    async def work() -> object:
        return await play(SCENARIOS[name], act, at, stream=stream, sources=virtual_sources())

    outcome = in_virtual_time(work)
    expected = of_provider(name, codes) | usual(name)
    check(outcome, mode(name), stream=stream, codes=expected)
