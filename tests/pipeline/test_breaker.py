"""When a provider is left alone."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from aura.pipeline.breaker import CLOSED, LONGEST_OPENING, MOST_FAILURES, Breaker

OUTCOMES = ("answered", "failed", "left")

steps = st.lists(
    st.one_of(
        st.just("ask"),
        st.integers(1, 70),
        st.tuples(st.sampled_from(OUTCOMES), st.integers(0, 20)),
    ),
    max_size=120,
)


class Naive:
    """A breaker that remembers all outcomes since the last answer, and counts from them."""

    def __init__(self) -> None:
        self.failures = 0
        self.openings: list[float] = []
        self.probe: int | None = None

    def closes(self) -> None:
        self.__init__()  # type: ignore[misc]

    def opens(self, now: float) -> None:
        self.openings.append(now)
        self.probe = None

    def is_resting(self, now: float) -> bool:
        lasts = min(60, 5 * 2 ** (len(self.openings) - 1))
        return bool(self.openings) and now < self.openings[-1] + lasts

    def lets_through(self, call: int, now: float) -> bool:
        if self.is_resting(now) or self.probe is not None:
            return False
        if self.openings:
            self.probe = call
        return True

    def told(self, outcome: str, call: int, now: float) -> None:
        match outcome:
            case "answered":
                self.closes()
            case "failed":
                self.failures += 1
                if call == self.probe or (not self.openings and self.failures == MOST_FAILURES):
                    self.opens(now)
            case _ if call == self.probe:
                self.probe = None


def after(breaker: Breaker, outcome: str, call: int, now: float) -> Breaker:
    match outcome:
        case "answered":
            return breaker.answered()
        case "failed":
            return breaker.failed(call, now)
        case _:
            return breaker.left(call)


@given(steps)
def test_it_lets_through_what_a_naive_one_does(happens: list[str | int | tuple[str, int]]) -> None:
    breaker, naive, now, number = CLOSED, Naive(), 0.0, 0
    under_way: list[int] = []
    for step in happens:
        match step:
            case "ask":
                number += 1
                passes = breaker.refusal(now) is None
                assert naive.lets_through(number, now) == passes
                if passes:
                    breaker = breaker.asked(number)
                    under_way.append(number)
            case int():
                now += step
            case (str(outcome), int(which)) if under_way:
                call = under_way.pop(which % len(under_way))
                breaker = after(breaker, outcome, call, now)
                naive.told(outcome, call, now)
        assert naive.failures == breaker.failures


@given(steps)
def test_it_is_never_stuck(happens: list[str | int | tuple[str, int]]) -> None:
    breaker, now, number = CLOSED, 0.0, 0
    under_way: list[int] = []
    for step in happens:
        match step:
            case "ask" if breaker.refusal(now) is None:
                number += 1
                breaker = breaker.asked(number)
                under_way.append(number)
            case int():
                now += step
            case (str(outcome), int(which)) if under_way:
                breaker = after(breaker, outcome, under_way.pop(which % len(under_way)), now)
    for call in under_way:
        breaker = breaker.left(call)
    assert breaker.refusal(now + LONGEST_OPENING) is None


@given(st.integers(0, 30))
def test_it_rests_twice_as_long_each_time_but_never_for_ever(openings: int) -> None:
    breaker, now = CLOSED, 0.0
    for call in range(MOST_FAILURES):
        breaker = breaker.asked(call).failed(call, now)
    for call in range(MOST_FAILURES, MOST_FAILURES + openings):
        now = breaker.until or math.inf
        breaker = breaker.asked(call).failed(call, now)
    assert min(60.0, 5.0 * 2**openings) == breaker.refusal(now)
