"""One run: the tasks, the clock, the ids and the log that everything in it borrows."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import structlog
from anyio.abc import TaskGroup

from aura.events import RunFailed
from aura.pipeline.backlog import Backlog
from aura.pipeline.lanes import Lanes
from aura.pipeline.ports import Log

T = TypeVar("T")


def fresh_id(prefix: str) -> str:
    """The prefix and the 32 hex digits of a UUID of version 7 (RFC 9562): ids sort by time."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return f"{prefix}{value:032x}"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where time, ids and chance come from; tests hand in their own, so runs are repeatable.

    `clock` counts seconds from anywhere and never goes back, `now` is seconds since the epoch,
    `ids` makes a new identifier with the given prefix, `chance` is in [0, 1).
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    ids: Callable[[str], str] = fresh_id
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Run:
    """One request being answered. `headers` are those of the request, by lower-case name; `owner`
    stands for whoever sent it. It `begun` at that moment of the clock and is cut off after `limit`
    seconds, 0 for never; `fate` says why it was cut off, once it is. `backlog` counts what waits in
    it.
    """

    id: str
    request_id: str
    session_id: str
    headers: Mapping[str, str]
    tasks: TaskGroup
    borrowed: ExitStack
    sources: Sources
    log: Log
    owner: str = ""
    begun: float = 0.0
    limit: float = 0.0
    fate: list[RunFailed] = field(default_factory=list)
    backlog: Backlog = field(default_factory=Backlog)

    def borrow(self, lent: AbstractContextManager[T]) -> T:
        """What is lent, until this run is over."""
        return self.borrowed.enter_context(lent)

    def lanes(self, *, room: int = 8) -> Lanes[T]:
        """An empty set of lanes whose tasks end with this run."""
        return Lanes(self.tasks, room=room, backlog=self.backlog)


@asynccontextmanager
async def open_run(
    *,
    run_id: str | None = None,
    session_id: str | None = None,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    sources: Sources | None = None,
    log: Log | None = None,
    owner: str = "",
    limit: float = 0.0,
) -> AsyncIterator[Run]:
    """Open the one task group of a run. On the way out everything still running is cancelled,
    then everything borrowed is given back.

    `headers` are those of the request that the run answers, by lower-case name: MCP servers can be
    configured to get some of them. `owner` stands for whoever sent it, `limit` is in seconds.

    An error of the body leaves as it is, not wrapped in a group.
    """
    sources = sources or Sources()
    run_id = run_id or sources.ids("run_")
    request_id = request_id or sources.ids("req_")
    session_id = session_id or sources.ids("cs_")
    bound = (log or structlog.get_logger()).bind(
        request_id=request_id, run_id=run_id, session_id=session_id
    )
    error: Exception | None = None
    with ExitStack() as borrowed:
        async with anyio.create_task_group() as tasks:
            run = Run(
                id=run_id,
                request_id=request_id,
                session_id=session_id,
                headers=headers or {},
                tasks=tasks,
                borrowed=borrowed,
                sources=sources,
                log=bound,
                owner=owner,
                begun=sources.clock(),
                limit=limit,
            )
            try:
                yield run
            except Exception as raised:  # noqa: BLE001 - raised again below, outside the group
                error = raised
            tasks.cancel_scope.cancel()
    if error is not None:
        raise error
