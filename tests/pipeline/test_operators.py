"""The small parts: beginnings, spaced, checked, totals, ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from aura.errors import AuraError, ProviderError, RateLimited, Rejected, TimedOut, Unavailable
from aura.events import (
    AnyEvent,
    CompletionStarted,
    RunCompleted,
    SessionInfo,
    TextDelta,
    ToolCompleted,
    ToolRequested,
    ToolStarted,
    TurnUsage,
    Usage,
)
from aura.pipeline.begun import LONGEST_PAUSE, RETRIES, Begun, pause
from aura.pipeline.checked import checked
from aura.pipeline.run import Run, fresh_id, open_run
from aura.pipeline.spaced import spaced
from aura.pipeline.totals import Totals
from tests.support.transcript import transcript
from tests.support.virtual import in_virtual_time, virtual_sources

pytestmark = pytest.mark.anyio

T = TypeVar("T")

BEGUN = SessionInfo(model="m")
OVER = RunCompleted(reason="stop")


def text(words: str) -> TextDelta:
    return TextDelta(agent_id="main", text=words)


def requested(tool_id: str) -> ToolRequested:
    return ToolRequested(agent_id="main", tool_id=tool_id, tool_name="t", arguments="{}")


def completed(tool_id: str) -> ToolCompleted:
    return ToolCompleted(
        agent_id="main", tool_id=tool_id, tool_name="t", duration_ms=0, success=True, result=""
    )


async def stream(*items: AnyEvent | Exception) -> AsyncIterator[AnyEvent]:
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (Unavailable("x"), 0, 0.5),
        (Unavailable("x"), 1, 1.0),
        (Unavailable("x"), RETRIES, None),
        (RateLimited("x", retry_after=7), 0, 7),
        (RateLimited("x", retry_after=3600), 0, None),
        (Rejected("x"), 0, None),
        (TimedOut("x"), 0, None),
        (ValueError("x"), 0, None),
    ],
)
def test_only_what_may_pass_is_tried_again(
    error: Exception, attempt: int, expected: float | None
) -> None:
    assert expected == pause(error, attempt, 0.0)


@given(attempt=st.integers(0, RETRIES - 1), chance=st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_longer_than_the_longest(attempt: int, chance: float) -> None:
    assert 0 < (pause(Unavailable("x"), attempt, chance) or 0) <= LONGEST_PAUSE


class Attempts:
    """Streams that are handed out one for each time somebody asks."""

    def __init__(self, *attempts: Iterable[AnyEvent | Exception]) -> None:
        self._attempts = list(attempts)

    def __call__(self) -> AsyncIterator[AnyEvent]:
        return stream(*self._attempts.pop(0))

    @property
    def left(self) -> int:
        return len(self._attempts)


def timed(work: Callable[..., Awaitable[T]], *given: object) -> tuple[T, float]:
    """The result, or the error if it is one of ours, and the virtual seconds that passed."""

    async def run() -> tuple[T, float]:
        begun = anyio.current_time()
        try:
            result = await work(*given)
        except AuraError as error:
            result = error
        return result, anyio.current_time() - begun

    return in_virtual_time(run)


async def read_begun(ask: Callable[[], AsyncIterator[T]], seconds: float = 0.0) -> list[T]:
    async with open_run(sources=virtual_sources()) as run:
        return await transcript(Begun(ask, run, seconds=seconds, of="m"))


def test_a_call_that_failed_before_its_first_event_is_made_again() -> None:
    attempts = Attempts([RateLimited("busy", retry_after=7)], [text("hi")])
    (_, answer), seconds = timed(read_begun, attempts)
    assert (text("hi"), 7) == (answer, seconds)


def test_a_call_that_failed_later_is_not_made_again() -> None:
    attempts = Attempts([text("h"), Unavailable("gone")], [text("hi")])
    error, _ = timed(read_begun, attempts)
    assert isinstance(error, Unavailable)
    assert attempts.left == 1


def test_the_last_error_is_raised_when_every_attempt_failed() -> None:
    attempts = Attempts(*[[Unavailable(str(index))] for index in range(RETRIES + 1)])
    error, seconds = timed(read_begun, attempts)
    assert str(RETRIES) == str(error)
    assert 0.75 <= seconds <= 1.5


async def late(seconds: float) -> AsyncIterator[int]:
    await anyio.sleep(seconds)
    yield 1
    await anyio.sleep(1000)
    yield 2


@pytest.mark.parametrize("limit", [0.0, 5.0])
def test_a_stream_that_begins_in_time_may_go_on_for_ever(limit: float) -> None:
    items, _ = timed(read_begun, lambda: late(4), limit)
    assert items == [1, 2]


def test_a_stream_that_begins_too_late_is_given_up() -> None:
    error, seconds = timed(read_begun, lambda: late(6), 5)
    assert isinstance(error, TimedOut)
    assert "The model m sent nothing for 5 seconds" in str(error)
    assert seconds == 5


async def test_an_empty_stream_is_in_time() -> None:
    assert await read_begun(stream, 5) == []


def test_waiting_for_another_attempt_counts_against_the_deadline() -> None:
    attempts = Attempts([RateLimited("busy", retry_after=7)], [text("hi")])
    error, seconds = timed(read_begun, attempts, 5)
    assert (type(error), seconds) == (TimedOut, 5)


async def test_text_after_a_tool_begins_with_a_blank_line() -> None:
    heard = [text("Looking."), completed("c"), text("One "), text("file.")]
    expected = [text("Looking."), completed("c"), text("\n\nOne "), text("file.")]
    assert expected == await transcript(spaced(stream(*heard)))


async def test_the_first_text_of_all_does_not() -> None:
    heard = [completed("c"), text("One file.")]
    assert heard == await transcript(spaced(stream(*heard)))


@pytest.mark.parametrize(
    ("happened", "problem"),
    [
        ([BEGUN, OVER], None),
        ([BEGUN, requested("c"), completed("c"), OVER], None),
        ([BEGUN], "the run did not end"),
        ([BEGUN, OVER, text("more")], "an event after the end of the run"),
        ([BEGUN, BEGUN, OVER], "run started twice"),
        ([BEGUN, requested("c"), OVER], "still open: tool call c"),
        ([BEGUN, completed("c"), OVER], "tool call c ended without having been open"),
        (
            [BEGUN, ToolStarted(agent_id="main", tool_id="c", tool_name="t"), OVER],
            "tool call c is not open",
        ),
        (
            [BEGUN, CompletionStarted(agent_id="main", index=0), OVER],
            "still open: completion main 0",
        ),
    ],
)
async def test_a_broken_invariant_is_logged_and_changes_nothing(
    happened: list[AnyEvent], problem: str | None, run: Run
) -> None:
    with capture_logs() as lines:
        assert happened == await transcript(checked(stream(*happened), log=run.log))
    assert [problem] * (problem is not None) == [line["problem"] for line in lines]


def test_totals_are_what_every_call_was_billed() -> None:
    calls = [
        TurnUsage(agent_id="main", prompt_tokens=10, completion_tokens=1, cached_tokens=4),
        text("in between"),
        TurnUsage(agent_id="main", prompt_tokens=20, completion_tokens=2, reasoning_tokens=1),
    ]
    totals = Totals()
    for event in calls:
        totals = totals.after(event)
    expected = Usage(
        prompt_tokens=30,
        completion_tokens=3,
        total_tokens=33,
        cached_tokens=4,
        reasoning_tokens=1,
        context_tokens=22,
    )
    assert expected == totals.usage()


async def test_an_error_of_the_body_leaves_a_run_as_it_is() -> None:
    with pytest.raises(ProviderError, match="mine"):
        async with open_run():
            raise Rejected("mine")


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [fresh_id("run_") for _ in range(3)]
    assert all(len(made_id) == 36 and made_id[16] == "7" for made_id in made)
    assert [made_id[:14] for made_id in made] == sorted(made_id[:14] for made_id in made)
