"""The fault sweep for runs that share an account: what happens to one, and to the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from zlib import crc32

import anyio
import pytest

from aura.events import CompletionDelayed, RunCompleted
from aura.pipeline.answered import answer
from aura.pipeline.ports import User
from aura.pipeline.run import Sources, open_run
from tests.support.sources import fixed_sources
from tests.support.transcript import transcript
from tests.support.virtual import in_virtual_time, virtual_sources
from tests.sweep.faults import HERE, LATER
from tests.sweep.harness import MODE, Outcome, alone, check, check_file, is_idle, play_together
from tests.sweep.shared import Shared, shared

RUNS = 2
OF_ONE = frozenset({"client-gone", "cancelled"})
"""Faults that only one of the runs may notice."""

REFUSED = "provider_unavailable"
"""The code of runs whose account leaves the provider alone, because others have failed."""

SHARE = 6
"""One case in so many belongs to the ordinary run."""


async def undisturbed(case: Shared, sources: Sources) -> list[Outcome]:
    return await play_together(case.staged, None, 0, stream=True, sources=sources, runs=RUNS)


def combinations(faults: Iterable[str]) -> Iterator[object]:
    outcomes = alone(partial(undisturbed, shared(), fixed_sources()))
    for fault in faults:
        for victim in range(RUNS if fault in OF_ONE else 1):
            for at in range(sum(len(outcome.entries) for outcome in outcomes)):
                for kind in ("stream", "json"):
                    case = f"{kind}-{fault}-{victim}-{at}"
                    marks = [pytest.mark.sweep] if crc32(case.encode()) % SHARE else []
                    yield pytest.param(fault, victim, at, kind == "stream", id=case, marks=marks)


async def disturbed(
    case: Shared,
    fault: str,
    victim: int,
    at: int,
    *,
    stream: bool,
    sources: Sources,
    folder: Path | None = None,
) -> list[Outcome]:
    """Both runs; afterwards the account is as good as new."""
    act, _ = (HERE | LATER)[fault]
    outcomes = await play_together(
        case.staged,
        act,
        at,
        stream=stream,
        sources=sources,
        folder=folder,
        runs=RUNS,
        victim=victim,
    )
    assert case.model.busy == 0
    case.staged.switch.broken = ""
    if (until := case.account.breaker.until) is not None:
        await anyio.sleep(until - sources.clock())
    async with open_run(sources=sources) as run:
        events = await transcript(answer(case.staged.agent, (User("And now?"),), run))
    assert events[-1] == RunCompleted(reason="stop")
    assert is_idle(case.account)
    return outcomes


def judge(outcomes: list[Outcome], fault: str, victim: int, *, stream: bool) -> None:
    _, codes = (HERE | LATER)[fault]
    refused = {REFUSED} if fault in LATER else set()
    for number, outcome in enumerate(outcomes):
        spared = fault in OF_ONE and number != victim
        expected = frozenset({None}) if spared else codes | {None, *refused}
        check(outcome, MODE, stream=stream, codes=expected)


def test_the_second_run_backs_off_with_the_first() -> None:
    case = shared()
    outcomes = in_virtual_time(partial(undisturbed, case, virtual_sources()))
    first, *others = case.model.asked
    assert (len(others), case.model.busiest) == (5, 1)
    assert min(others) == pytest.approx(first + 0.01)
    for outcome in outcomes:
        check(outcome, MODE, stream=True, codes=frozenset({None}))
        delays = [e.event for e in outcome.entries if isinstance(e.event, CompletionDelayed)]
        assert delays[0].reason == "rate_limited"


def test_a_run_is_refused_once_both_have_failed_often_enough() -> None:
    case, (act, _) = shared(), LATER["provider-cut"]

    async def work() -> list[Outcome]:
        given = {"stream": True, "sources": virtual_sources(), "runs": RUNS}
        return await play_together(case.staged, act, 0, **given)

    codes = [outcome.record.failed.code for outcome in in_virtual_time(work)]
    assert sorted(codes) == ["provider_stream_cut", REFUSED]
    assert (case.account.breaker.failures, case.account.breaker.until is None) == (5, False)


@pytest.mark.parametrize(("fault", "victim", "at", "stream"), list(combinations(HERE)))
def test_a_fault_at_an_event(
    fault: str, victim: int, at: int, stream: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    outcomes = alone(
        partial(
            disturbed,
            shared(),
            fault,
            victim,
            at,
            stream=stream,
            sources=fixed_sources(),
            folder=folder,
        )
    )
    judge(outcomes, fault, victim, stream=stream)
    for outcome in outcomes:
        check_file(outcome, folder, full=fault == "disk-full")


@pytest.mark.parametrize(("fault", "victim", "at", "stream"), list(combinations(LATER)))
def test_a_provider_that_fails_at_an_event(fault: str, victim: int, at: int, stream: bool) -> None:
    work = partial(disturbed, shared(), fault, victim, at, stream=stream, sources=virtual_sources())
    judge(in_virtual_time(work), fault, victim, stream=stream)
