"""Things that happen at their moment, and what is forgotten of those that need not."""

from __future__ import annotations

import anyio
from hypothesis import given
from hypothesis import strategies as st

from aura.runs.timer import ENOUGH, Timer
from tests.support.virtual import in_virtual_time


def test_appointments_that_were_called_off_are_forgotten() -> None:
    timer = Timer(lambda: 0.0)
    for _ in range(10_000):
        timer.at(900.0, lambda: None).call_off()
    assert timer.waiting <= 2 * ENOUGH


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=300))
def test_all_others_happen_in_their_order(given_: list[tuple[int, bool]]) -> None:
    async def work() -> list[int]:
        happened: list[int] = []
        timer = Timer(anyio.current_time)
        start = anyio.current_time()

        def at(moment: int, *, off: bool) -> None:
            appointment = timer.at(start + moment, lambda: happened.append(moment))
            if off:
                appointment.call_off()
                appointment.call_off()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(timer.keep)
            for moment, off in given_:
                at(moment, off=off)
            await anyio.sleep(60)
            tasks.cancel_scope.cancel()
        assert timer.waiting == 0
        return happened

    assert in_virtual_time(work) == sorted(moment for moment, off in given_ if not off)
