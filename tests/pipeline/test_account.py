"""Runs that share an account: who may ask the provider, and when."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, cycle
from typing import TypeAlias

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from aura.errors import (
    AuraError,
    CutOff,
    ProviderError,
    RateLimited,
    Rejected,
    TimedOut,
    Unavailable,
)
from aura.events import AnyEvent, CompletionDelayed, TextDelta
from aura.pipeline.account import Account
from aura.pipeline.begun import Begun
from aura.pipeline.compose import opened
from aura.pipeline.run import Run, Sources, open_run
from tests.support.sources import fixed_sources
from tests.support.transcript import transcript
from tests.support.virtual import in_virtual_time, virtual_sources

HI = TextDelta(agent_id="main", text="hi")

Does: TypeAlias = float | AnyEvent | Exception
"""What a provider does: wait for some seconds, say something, fail."""


@dataclass
class Provider:
    """Does what a call says, and counts the calls that it is busy with."""

    busy: int = 0
    busiest: int = 0
    asked: list[float] = field(default_factory=list)

    async def stream(self, does: Sequence[Does]) -> AsyncGenerator[AnyEvent, None]:
        self.asked.append(anyio.current_time())
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            for each in does:
                match each:
                    case float():
                        await anyio.sleep(each)
                    case Exception():
                        raise each
                    case _:
                        yield each
        finally:
            self.busy -= 1


@dataclass
class Case:
    """An account, its provider and a run on the virtual clock."""

    run: Run
    account: Account
    provider: Provider = field(default_factory=Provider)

    def call(self, *attempts: Sequence[Does], seconds: float = 0.0, of: str = "m") -> Begun:
        """One call; the last attempt is the same as those after it."""
        left = iter((*attempts[:-1], *[attempts[-1]] * 9))
        return Begun(
            lambda: self.provider.stream(next(left)),
            self.run,
            of=of,
            account=self.account,
            seconds=seconds,
        )

    async def result(self, *attempts: Sequence[Does], seconds: float = 0.0) -> list[AnyEvent] | str:
        """What the call gives, or the name of its error."""
        try:
            return await transcript(self.call(*attempts, seconds=seconds))
        except AuraError as error:
            return type(error).__name__

    async def fail(self, times: int) -> None:
        """As many calls that the provider does not survive, one after the other."""
        for _ in range(times):
            assert await self.result([1.0, TimedOut("silent")]) == "TimedOut"


def on_the_clock(
    work: Callable[[Case], Awaitable[None]],
    *,
    most: int = 0,
    chance: Callable[[], float] = lambda: 0.0,
) -> None:
    async def happen() -> None:
        sources: Sources = replace(virtual_sources(), chance=chance)
        async with open_run(sources=sources) as run:
            await work(Case(run, Account(most=most)))

    with capture_logs():
        in_virtual_time(happen)


def now() -> float:
    return anyio.current_time()


async def leaving_after(seconds: float, call: Begun) -> None:
    with anyio.move_on_after(seconds):
        await transcript(call)


@contextmanager
def fails_with(kind: type[ProviderError], words: str = "") -> Iterator[None]:
    with pytest.raises(kind, match=words):
        yield


def test_a_call_waits_for_its_turn_and_says_so_first() -> None:
    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [HI, 10.0])
            await anyio.sleep(1)
            async with opened(case.call([HI])) as events:
                assert await anext(events) == CompletionDelayed(
                    agent_id="main", index=0, reason="busy", attempt=1
                )
                assert now() == 1
                assert await anext(events) == HI
                assert now() == 10

    on_the_clock(work, most=1)


def test_calls_that_wait_are_counted_once_whatever_they_wait_for() -> None:
    async def work(case: Case) -> None:
        account = case.account
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [HI, 10.0])
            await anyio.sleep(1)
            for _ in range(3):
                tasks.start_soon(case.result, [HI])
            tasks.start_soon(leaving_after, 2.0, case.call([HI]))
            await anyio.sleep(1)
            assert account.waiting == 4  # for their turn
            await anyio.sleep(2)
            assert account.waiting == 3
        assert account.waiting == 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [RateLimited("x", retry_after=5)], [HI, 10.0])
            await anyio.sleep(1)
            tasks.start_soon(case.result, [HI, 10.0])
            await anyio.sleep(1)
            assert account.waiting == 2  # for the moment when the provider can be asked
            await anyio.sleep(5)
            assert account.waiting == 1  # for its turn, after that moment
        assert account.waiting == 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [Unavailable("x", retry_after=5)], [HI])
            await anyio.sleep(1)
            assert account.waiting == 1  # for another attempt
        assert account.waiting == 0

    on_the_clock(work, most=1)


def test_an_account_without_a_bound_makes_nobody_wait() -> None:
    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(case.result, [1.0, HI])
        assert (case.provider.busiest, now()) == (50, 1)

    on_the_clock(work)


def test_a_call_that_its_reader_leaves_makes_room() -> None:
    async def work(case: Case) -> None:
        async with opened(case.call([HI, 100.0, HI])) as events:
            await anext(events)
        assert await case.result([HI]) == [HI]
        assert now() == 0

    on_the_clock(work, most=1)


def test_a_turn_that_does_not_come_in_time_is_not_the_providers_fault() -> None:
    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [HI, 1000.0])
            await anyio.sleep(1)
            for _ in range(9):
                with fails_with(TimedOut, "`max_concurrent_calls` in .agent.llm. allows"):
                    await transcript(case.call([HI], seconds=5))
            assert now() == 46
            tasks.cancel_scope.cancel()

    on_the_clock(work, most=1)


def test_an_attempt_that_failed_gives_its_slot_to_others_while_it_waits() -> None:
    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [Unavailable("x", retry_after=10)], [HI])
            await anyio.sleep(1)
            assert await case.result([HI]) == [HI]
            assert now() == 1

    on_the_clock(work, most=1)


lasting = st.integers(1, 8).map(float)
arrivals = st.lists(st.tuples(lasting, st.none() | st.integers(1, 30)), min_size=1, max_size=14)


@settings(deadline=None)
@given(arrivals=arrivals, most=st.integers(1, 4))
def test_turns_come_in_order_and_none_is_lost_when_calls_are_cancelled(
    arrivals: list[tuple[float, int | None]], most: int
) -> None:
    """One call arrives each tenth of a second; some are cancelled after some seconds."""
    begun: list[int] = []
    done: list[int] = []

    async def one(case: Case, number: int, lasts: float, patience: int | None) -> None:
        with anyio.move_on_after(patience or math.inf):
            async with opened(case.call([HI, lasts])) as events:
                while await anext(events) is not HI:
                    pass
                begun.append(number)
                assert [event async for event in events] == []
            done.append(number)

    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            for number, (lasts, patience) in enumerate(arrivals):
                tasks.start_soon(one, case, number, lasts, patience)
                await anyio.sleep(0.1)
        assert begun == sorted(begun)
        assert {n for n, (_, patience) in enumerate(arrivals) if patience is None} <= set(done)
        assert case.provider.busiest <= most
        before = now()
        async with anyio.create_task_group() as tasks:
            for _ in range(most):
                tasks.start_soon(case.result, [1.0, HI])
        assert now() == pytest.approx(before + 1)

    on_the_clock(work, most=most)


async def in_steps(provider: Provider, steps: int) -> AsyncGenerator[AnyEvent, None]:
    """A call that lasts for some steps of the event loop."""
    async with opened(provider.stream([HI])) as events:
        await checkpoint()
        async for event in events:
            yield event
            for _ in range(steps):
                await checkpoint()


async def cancelled_after(steps: int, call: Begun) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transcript, call)
        for _ in range(steps):
            await checkpoint()
        tasks.cancel_scope.cancel()


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(0, 12)), max_size=12),
    most=st.integers(1, 3),
)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_slot_is_lost_wherever_a_call_is_cancelled(
    calls: list[tuple[int, int | None]], most: int, backend: str
) -> None:
    provider = Provider()

    async def happen() -> None:
        account = Account(most=most)
        async with open_run(sources=fixed_sources()) as run, anyio.create_task_group() as tasks:
            for steps, until in calls:
                stream = partial(in_steps, provider, steps)
                call = Begun(stream, run, of="m", account=account)
                if until is None:
                    tasks.start_soon(transcript, call)
                else:
                    tasks.start_soon(cancelled_after, until, call)
        assert account.slots is not None
        assert account.slots.value == most

    anyio.run(happen, backend=backend)
    assert provider.busy == 0
    assert provider.busiest <= most


def test_what_one_run_is_told_holds_for_the_whole_account() -> None:
    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [RateLimited("slow", retry_after=7)], [HI])
            await anyio.sleep(2)
            delayed, answer = await transcript(case.call([HI]))
        assert delayed == CompletionDelayed(
            agent_id="main", index=0, reason="rate_limited", attempt=1, seconds=5.0
        )
        assert answer == HI
        assert case.provider.asked == [0, 7, 7]

    on_the_clock(work)


def test_runs_that_wait_for_the_same_moment_do_not_come_back_at_once() -> None:
    chances = cycle([0.1, 0.5, 0.9])

    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(case.result, [1.0, RateLimited("slow", retry_after=6)], [HI])
        first, *others = sorted(case.provider.asked[4:])
        assert first == 7
        assert len(set(others)) == 3
        assert all(7 < moment < 7.75 for moment in others)

    on_the_clock(work, chance=lambda: next(chances))


def test_a_run_that_is_alone_comes_back_at_its_moment() -> None:
    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            for patience in (3, 9, 99):
                call = case.call([1.0, RateLimited("slow", retry_after=6)], [HI, 50.0])
                tasks.start_soon(leaving_after, patience, call)
            await anyio.sleep(30)
            slow = RateLimited("slow", retry_after=6)
            delayed, _ = await transcript(case.call([slow], [HI]))
            assert delayed.seconds == 6

    on_the_clock(work, chance=lambda: 0.9)


def test_a_quota_that_is_used_up_holds_nobody_up() -> None:
    class OutOfQuota(RateLimited):
        retryable = False

    async def work(case: Case) -> None:
        assert await case.result([OutOfQuota("empty", retry_after=9)]) == "OutOfQuota"
        assert await case.result([HI]) == [HI]

    on_the_clock(work)


def test_nobody_waits_for_longer_than_the_longest_wait() -> None:
    waits: list[float] = []

    async def one(case: Case) -> None:
        call = case.call([1.0, RateLimited("slow", retry_after=20)], [HI])
        waits.extend(
            [e.seconds for e in await transcript(call) if isinstance(e, CompletionDelayed)]
        )

    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(one, case)

    on_the_clock(work, chance=lambda: 0.9)
    assert waits == [20] * 30


def test_a_limit_that_is_lowered_while_a_run_waits_changes_nothing() -> None:
    async def work(case: Case) -> None:
        slow = partial(RateLimited, "slow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [3.0, slow(retry_after=4)], [HI])
            tasks.start_soon(case.result, [1.0, slow(retry_after=10)], [HI])
        assert case.provider.asked == [0, 0, 11, 11]

    on_the_clock(work)


def test_a_wait_is_over_when_it_was_waited_for_whatever_the_clock_says() -> None:
    async def happen() -> list[AnyEvent]:
        async with open_run(sources=fixed_sources()) as run:
            case = Case(run, Account())
            return await transcript(case.call([RateLimited("slow", retry_after=6)], [HI]))

    with capture_logs():
        delayed, answer = in_virtual_time(happen)
    assert (delayed.seconds, answer) == (6, HI)


def test_a_limit_that_is_raised_while_a_run_waits_is_waited_for_too() -> None:
    async def work(case: Case) -> None:
        slow = partial(RateLimited, "slow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [3.0, slow(retry_after=10)], [HI])
            await anyio.sleep(1)
            tasks.start_soon(case.result, [slow(retry_after=4)], [HI])
        assert case.provider.asked == [0, 1, 13, 13]

    on_the_clock(work)


def test_what_takes_too_long_is_not_waited_for() -> None:
    async def work(case: Case) -> None:
        assert await case.result([RateLimited("slow", retry_after=3600)]) == "RateLimited"
        await anyio.sleep(1)
        with pytest.raises(RateLimited, match="Try again in 59 seconds") as caught:
            await transcript(case.call([HI]))
        assert (caught.value.retry_after, now()) == (59, 1)
        await anyio.sleep(59)
        assert await case.result([HI]) == [HI]

    on_the_clock(work)


def test_a_provider_that_keeps_failing_is_left_alone() -> None:
    async def work(case: Case) -> None:
        await case.fail(5)
        await anyio.sleep(2)
        with pytest.raises(Unavailable) as caught:
            await transcript(case.call([HI]))
        assert str(caught.value) == (
            "The provider of m failed 5 times in a row. It is tried again in 3 seconds."
        )
        assert (caught.value.retry_after, caught.value.detail) == (3, "silent")
        assert len(case.provider.asked) == 5
        await anyio.sleep(3)
        assert await case.result([HI]) == [HI]

    on_the_clock(work)


@pytest.mark.parametrize(
    ("does", "counts"),
    [
        ([Unavailable("down")], True),
        ([TimedOut("silent")], True),
        ([CutOff("cut")], True),
        ([HI, CutOff("cut")], False),
        ([Rejected("no")], False),
        ([], False),
    ],
)
def test_only_calls_that_got_no_answer_count(does: list[Does], counts: bool) -> None:
    async def work(case: Case) -> None:
        for _ in range(5):
            await case.result(does)
        assert (await case.result([HI]) == "Unavailable") == counts

    on_the_clock(work)


@pytest.mark.parametrize("does", [[Rejected("no")], [RateLimited("slow", retry_after=99)], []])
def test_a_refusal_is_an_answer_and_so_is_silence_that_ends(does: list[Does]) -> None:
    async def work(case: Case) -> None:
        await case.fail(4)
        await case.result(does)
        await anyio.sleep(100)
        await case.fail(4)
        assert await case.result([HI]) == [HI]

    on_the_clock(work)


def test_a_call_does_not_wait_for_another_attempt_that_would_be_refused() -> None:
    async def work(case: Case) -> None:
        await case.fail(4)
        before = now()
        with fails_with(Unavailable, "down"):
            await transcript(case.call([Unavailable("down")]))
        assert now() == before

    on_the_clock(work)


def test_one_call_finds_out_whether_the_provider_is_back() -> None:
    async def work(case: Case) -> None:
        await case.fail(5)
        await anyio.sleep(5)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(case.result, [10.0, HI])
            await anyio.sleep(1)
            for _ in range(3):
                with fails_with(Unavailable, "It is being tried again now"):
                    await transcript(case.call([HI]))
        assert len(case.provider.asked) == 6
        assert await case.result([HI]) == [HI]

    on_the_clock(work)


def test_each_time_it_is_not_back_it_rests_for_longer() -> None:
    async def work(case: Case) -> None:
        await case.fail(5)
        for rest in (5, 10, 20, 40, 60, 60):
            await anyio.sleep(rest - 0.5)
            assert await case.result([HI]) == "Unavailable"
            await anyio.sleep(0.5)
            await case.fail(1)
        await anyio.sleep(60)
        assert await case.result([HI]) == [HI]
        await case.fail(4)
        assert await case.result([HI]) == [HI]

    on_the_clock(work)


def test_a_call_that_was_to_find_out_and_is_cancelled_leaves_it_to_the_next() -> None:
    async def work(case: Case) -> None:
        await case.fail(5)
        await anyio.sleep(5)
        with anyio.move_on_after(1):
            await case.result([10.0, HI])
        assert await case.result([HI]) == [HI]

    on_the_clock(work)


@pytest.mark.parametrize(("waits", "counts"), [(0.0, True), (4.0, True), (6.0, False)])
def test_silence_counts_if_the_provider_had_at_least_half_of_the_time(
    waits: float, counts: bool
) -> None:
    async def work(case: Case) -> None:
        await case.fail(4)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leaving_after, waits, case.call([99.0]))
            await anyio.wait_all_tasks_blocked()
            assert await case.result([99.0], seconds=10) == "TimedOut"
        assert (await case.result([HI]) == "Unavailable") == counts

    on_the_clock(work, most=1)


outcomes = st.lists(
    st.one_of(
        st.just([HI]),
        st.builds(lambda wait: [wait, HI, wait], lasting),
        st.builds(lambda wait: [wait, Unavailable("down")], lasting),
        st.just([Unavailable("down")]),
        st.builds(lambda wait: [RateLimited("slow", retry_after=wait)], st.integers(0, 25)),
        st.just([HI, CutOff("cut")]),
        st.just([Rejected("no")]),
        st.just([KeyError("defect")]),
        st.just([1000.0]),
    ),
    min_size=1,
    max_size=3,
)
storm = st.lists(
    st.tuples(outcomes, st.integers(0, 20), st.none() | lasting), min_size=1, max_size=20
)


@settings(deadline=None)
@given(storm=storm, most=st.integers(0, 3))
def test_whatever_happens_an_account_can_be_used_again(
    storm: list[tuple[list[list[Does]], int, float | None]], most: int
) -> None:
    numbers = count()

    async def one(case: Case, attempts: list[list[Does]], at: int, patience: float | None) -> None:
        await anyio.sleep(at)
        with anyio.move_on_after(patience or math.inf):
            try:
                async with opened(case.call(*attempts, seconds=30)) as events:
                    async for event in events:
                        assert not isinstance(event, CompletionDelayed) or (
                            event.seconds is None or 0 < event.seconds <= 20
                        )
            except (AuraError, KeyError):
                next(numbers)

    async def work(case: Case) -> None:
        async with anyio.create_task_group() as tasks:
            for attempts, at, patience in storm:
                tasks.start_soon(one, case, attempts, at, patience)
        assert case.provider.busy == 0
        assert not most or case.provider.busiest <= most
        await anyio.sleep(60)
        before = now()
        async with anyio.create_task_group() as tasks:
            for _ in range(most or 1):
                tasks.start_soon(case.result, [1.0, HI])
        assert now() == pytest.approx(before + 1)
        assert await case.result([HI]) == [HI]

    on_the_clock(work, most=most)
