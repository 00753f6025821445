"""Time that jumps: whatever waits, waits no longer than it takes to compute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import trio.testing

from aura.pipeline.run import Sources
from tests.support.sources import fixed_sources

T = TypeVar("T")


def in_virtual_time(work: Callable[..., Awaitable[T]], *given: object) -> T:
    """Run under trio with a clock that jumps to the next moment at which something is due."""
    return trio.run(work, *given, clock=trio.testing.MockClock(autojump_threshold=0))


def virtual_sources() -> Sources:
    """The sources of every test, with the virtual clock."""
    fixed = fixed_sources()
    return Sources(clock=anyio.current_time, now=fixed.now, ids=fixed.ids, chance=fixed.chance)
