"""How a model call begins, how long it may take, and what a reader is told meanwhile."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

import anyio
import pytest
from structlog.testing import capture_logs

from aura.errors import ProviderError, RateLimited, TimedOut, Unavailable
from aura.events import AnyEvent, CompletionDelayed, DelayReason, TextDelta
from aura.pipeline.begun import Begun
from aura.pipeline.compose import opened
from aura.pipeline.run import Run, open_run
from tests.support.transcript import transcript
from tests.support.virtual import in_virtual_time, virtual_sources

T = TypeVar("T")

Does: TypeAlias = float | str | Exception
"""What a provider does: wait for some seconds, say something, fail."""


def text(words: str) -> TextDelta:
    return TextDelta(agent_id="main", text=words)


def delayed(reason: DelayReason, attempt: int, seconds: float) -> CompletionDelayed:
    return CompletionDelayed(
        agent_id="main", index=0, reason=reason, attempt=attempt, seconds=seconds
    )


async def stream(does: Sequence[Does]) -> AsyncGenerator[AnyEvent, None]:
    for each in does:
        match each:
            case float():
                await anyio.sleep(each)
            case Exception():
                raise each
            case _:
                yield text(each)


def begun(run: Run, *attempts: Sequence[Does], **options: object) -> Begun:
    left = iter(attempts)
    return Begun(lambda: stream(next(left)), run, of="m", **options)  # type: ignore[arg-type]


def on_the_clock(work: Callable[[Run], Awaitable[T]]) -> T:
    async def happen() -> T:
        async with open_run(sources=virtual_sources()) as run:
            return await work(run)

    with capture_logs():
        return in_virtual_time(happen)


async def moments(call: Begun) -> list[tuple[float, AnyEvent | str]]:
    """When each event came, and the words of the error that was the last."""
    happened: list[tuple[float, AnyEvent | str]] = []
    async with opened(call) as events:
        try:
            async for event in events:
                happened.append((anyio.current_time(), event))  # noqa: PERF401 - now, not later
        except ProviderError as error:
            happened.append((anyio.current_time(), str(error)))
    return happened


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unavailable("down"), delayed("retry", 2, 0.5)),
        (Unavailable("down", retry_after=7), delayed("retry", 2, 7.0)),
        (RateLimited("slow"), delayed("rate_limited", 2, 0.5)),
        (RateLimited("slow", retry_after=7), delayed("rate_limited", 2, 7.0)),
    ],
)
def test_a_reader_is_told_of_a_wait_before_it_begins(
    error: ProviderError, told: CompletionDelayed
) -> None:
    happened = on_the_clock(lambda run: moments(begun(run, [1.0, error], ["hi"])))
    assert [(1.0, told), (1 + (told.seconds or 0), text("hi"))] == happened


def test_each_attempt_is_waited_for_longer() -> None:
    failing = [[Unavailable("down")], [Unavailable("down")], ["hi"]]
    happened = on_the_clock(lambda run: transcript(begun(run, *failing)))
    assert [delayed("retry", 2, 0.5), delayed("retry", 3, 1.0), text("hi")] == happened


@pytest.mark.parametrize("kind", [Unavailable, RateLimited])
def test_nothing_is_told_when_there_is_no_wait(kind: type[ProviderError]) -> None:
    at_once = [[kind("now", retry_after=0)], ["hi"]]
    assert [text("hi")] == on_the_clock(lambda run: transcript(begun(run, *at_once)))


def test_what_is_told_names_the_agent_and_the_completion() -> None:
    failing = [[Unavailable("down")], ["hi"]]
    told, _ = on_the_clock(lambda run: transcript(begun(run, *failing, agent_id="a", index=3)))
    assert (told.agent_id, told.index) == ("a", 3)


def test_a_reader_that_leaves_before_a_wait_is_not_waited_for() -> None:
    async def work(run: Run) -> float:
        async with opened(begun(run, [Unavailable("down", retry_after=9)])) as events:
            await anext(events)
        return anyio.current_time()

    assert on_the_clock(work) == 0


def test_waits_and_attempts_share_one_deadline() -> None:
    failing = [[2.0, Unavailable("down")], [99.0]]
    told, (at, error) = on_the_clock(lambda run: moments(begun(run, *failing, seconds=4.0)))
    assert (2.0, delayed("retry", 2, 0.5)) == told
    assert at == 4
    assert "The model m sent nothing for 4 seconds" in error


def test_the_time_of_a_slow_reader_is_not_that_of_the_provider() -> None:
    async def work(run: Run) -> list[AnyEvent]:
        attempts = [1.0, Unavailable("down", retry_after=2)], [1.0, "a", 2.0, "b", 2.0, "c"]
        happened: list[AnyEvent] = []
        async with opened(begun(run, *attempts, seconds=4.5, limit=4.5)) as events:
            async for event in events:
                happened.append(event)
                await anyio.sleep(100)
        return happened

    happened = on_the_clock(work)
    assert [delayed("retry", 2, 2.0), *map(text, "abc")] == happened


def test_a_call_that_takes_too_long_once_it_began_is_given_up() -> None:
    slow = [20.0, "a", 2.0, "b", 2.0, "c", 2.0, "d"]
    *said, (at, error) = on_the_clock(lambda run: moments(begun(run, slow, limit=5.0)))
    assert [(20, text("a")), (22, text("b")), (24, text("c"))] == said
    assert at == 25
    assert "more than 5 seconds" in error
    assert "`per_call_timeout_secs` in [agent]" in error


def test_a_call_that_is_given_up_is_not_made_again() -> None:
    async def work(run: Run) -> None:
        with pytest.raises(TimedOut) as caught:
            await transcript(begun(run, ["a", 99.0], limit=5.0))
        assert not caught.value.retryable
        assert caught.value.status == 504

    on_the_clock(work)


@pytest.mark.parametrize("limit", [0.0, 5.0])
def test_an_answer_that_is_empty_is_an_answer(limit: float) -> None:
    assert on_the_clock(lambda run: transcript(begun(run, [2.0], seconds=5.0, limit=limit))) == []
