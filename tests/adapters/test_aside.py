"""Work that can wait does, but not for ever."""

from __future__ import annotations

import os
import sys
from threading import Event, Thread, get_native_id

import pytest

from aura.adapters.scratchpad import aside
from aura.adapters.scratchpad.aside import LESS_URGENT, Aside, unhurried


class Work:
    """A thread that asks once whether to go on."""

    def __init__(self, one: Aside) -> None:
        self.answers: list[bool] = []
        self._asked = Event()
        self.thread = Thread(target=self._run, args=(one,))
        self.thread.start()
        self._asked.wait()

    def _run(self, one: Aside) -> None:
        self._asked.set()
        self.answers.append(one.go_on())


def test_it_goes_on_when_the_last_one_is_done() -> None:
    one = Aside()
    with one.going_first():
        with one.going_first():
            work = Work(one)
        work.thread.join(0.02)
        assert work.answers == []
    work.thread.join()
    assert work.answers == [True]


def test_it_does_not_stand_aside_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "LONGEST", 0.001)
    one = Aside()
    with one.going_first():
        work = Work(one)
        work.thread.join()
    assert work.answers == [True]


def test_it_ends_at_once_when_nobody_needs_it() -> None:
    one = Aside()
    with one.going_first():
        work = Work(one)
        one.end()
        work.thread.join()
    assert work.answers == [False]
    assert not one.go_on()


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_unhurried_work_steps_back_alone() -> None:
    before = _niceness()
    assert unhurried(_niceness) == min(before + LESS_URGENT, 19)
    assert _niceness() == before


def test_unhurried_work_gives_what_it_gives() -> None:
    def fails() -> int:
        raise ValueError("no text")

    assert unhurried(lambda: 7) == 7
    with pytest.raises(ValueError, match="no text"):
        unhurried(fails)


def test_where_nobody_may_step_back_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "nice", forbidden)
    assert unhurried(lambda: 7) == 7
