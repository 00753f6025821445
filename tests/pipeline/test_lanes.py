from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.pipeline.lanes import Lanes
from aura.pipeline.run import Run, open_run
from tests.support.sources import fixed_sources
from tests.support.transcript import several, transcript

pytestmark = pytest.mark.anyio


async def numbers(
    lane: str, count: int, pauses: frozenset[int] = frozenset()
) -> AsyncIterator[str]:
    for index in range(count):
        if index in pauses:
            await checkpoint()
        yield f"{lane}{index}"


class Witness:
    """A stream that counts how many of its kind are open."""

    def __init__(self) -> None:
        self.open = 0

    async def endless(self) -> AsyncGenerator[int, None]:
        self.open += 1
        try:
            index = 0
            while True:
                yield index
                index += 1
                await checkpoint()
        finally:
            self.open -= 1


async def test_a_single_lane_keeps_its_order(run: Run) -> None:
    lanes: Lanes[str] = run.lanes()
    lanes.add(numbers("a", 5))
    assert await transcript(lanes.events()) == ["a0", "a1", "a2", "a3", "a4"]


async def test_no_lane_at_all_ends_at_once(run: Run) -> None:
    lanes: Lanes[str] = run.lanes()
    assert await transcript(lanes.events()) == []


async def test_what_is_ready_together_is_read_together(run: Run) -> None:
    lanes: Lanes[str] = run.lanes()
    lanes.add(numbers("a", 3))
    assert await transcript(lanes.batches()) == [["a0", "a1", "a2"]]


async def test_a_lane_that_is_always_ready_does_not_starve_another(run: Run) -> None:
    lanes: Lanes[str] = run.lanes(room=4)
    lanes.add(numbers("a", 1000))
    lanes.add(numbers("b", 3))
    items = await transcript(lanes.events())
    first = min(items.index(f"b{index}") for index in range(3))
    assert first <= 4


async def test_a_lane_waits_for_a_reader_that_does_not_read(run: Run) -> None:
    witness = Witness()
    lanes: Lanes[int] = run.lanes(room=3)
    lanes.add(witness.endless())
    batches = lanes.batches()
    await anext(batches)
    await wait_all_tasks_blocked()
    assert run.backlog.blocked == 1
    assert len(await anext(batches)) == 3
    await wait_all_tasks_blocked()
    await batches.aclose()
    assert run.backlog.blocked == 0


async def test_a_lane_added_while_reading_is_read_too(run: Run) -> None:
    lanes: Lanes[str] = run.lanes()
    lanes.add(numbers("a", 1))
    seen = []
    async for item in lanes.events():
        seen.append(item)
        if item == "a0":
            lanes.add(numbers("b", 1))
    assert seen == ["a0", "b0"]


async def test_an_error_is_raised_after_what_was_ready_before_it(run: Run) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "last words"
        raise KeyError("gone")

    lanes: Lanes[str] = run.lanes()
    lanes.add(broken())
    events = lanes.events()
    assert await anext(events) == "last words"
    with pytest.raises(KeyError, match="gone"):
        await anext(events)


async def test_waking_gives_the_reader_an_empty_batch(run: Run) -> None:
    gate = anyio.Event()

    async def silent() -> AsyncIterator[str]:
        await gate.wait()
        yield "spoke"

    lanes: Lanes[str] = run.lanes()
    lanes.add(silent())
    batches = lanes.batches()
    lanes.wake()
    assert await anext(batches) == []
    gate.set()
    assert await anext(batches) == ["spoke"]
    await batches.aclose()


async def test_closing_the_reader_closes_every_lane(run: Run) -> None:
    witness = Witness()
    lanes: Lanes[int] = run.lanes()
    for _ in range(5):
        lanes.add(witness.endless())
    await several(lanes.events(), 7)
    assert witness.open == 0


async def test_room_for_nothing_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="room for at least one"):
        run.lanes(room=0)


@settings(max_examples=60, deadline=None)
@given(
    lanes=st.lists(
        st.tuples(st.integers(0, 20), st.frozensets(st.integers(0, 20))), min_size=1, max_size=5
    ),
    room=st.integers(1, 5),
)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_nothing_is_lost_doubled_or_reordered_within_a_lane(
    lanes: list[tuple[int, frozenset[int]]], room: int, backend: str
) -> None:
    async def read() -> list[str]:
        async with open_run(sources=fixed_sources()) as run:
            joined: Lanes[str] = run.lanes(room=room)
            for index, (count, pauses) in enumerate(lanes):
                joined.add(numbers(f"{index}:", count, pauses))
            return await transcript(joined.events())

    items = anyio.run(read, backend=backend)
    for index, (count, _) in enumerate(lanes):
        of_lane = [item for item in items if item.startswith(f"{index}:")]
        assert of_lane == [f"{index}:{number}" for number in range(count)]
    assert len(items) == sum(count for count, _ in lanes)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 4), steps=st.integers(0, 30), room=st.integers(1, 4))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_at_any_step_leaves_no_open_lane(
    width: int, steps: int, room: int, backend: str
) -> None:
    witness = Witness()

    async def read() -> None:
        async with open_run(sources=fixed_sources()) as run:
            joined: Lanes[int] = run.lanes(room=room)
            for _ in range(width):
                joined.add(witness.endless())
            run.tasks.start_soon(transcript, joined.events())
            for _ in range(steps):
                await checkpoint()

    anyio.run(read, backend=backend)
    assert witness.open == 0
