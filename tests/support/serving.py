"""A run and its response without a server around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from litestar.types import Receive, Scope, Send

from aura.pipeline.compose import Events
from aura.pipeline.run import Run, Sources
from aura.runs.deadlines import Limits
from aura.runs.log import RunLog
from aura.runs.memory import MemoryLog
from aura.server.admission import Admission
from aura.server.drain import Drain
from aura.server.metrics import Metrics
from aura.server.modes import Mode
from aura.server.runs import Runs, Task, open_runs
from aura.server.stream import Answer
from tests.support.sources import fixed_sources


def memory_log(sources: Sources, *, most_bytes: int = 1_000_000, lifetime: float = 0) -> MemoryLog:
    """A run log that forgets nothing in a test."""
    return MemoryLog(most_bytes=most_bytes, lifetime=lifetime, clock=sources.clock)


@asynccontextmanager
async def opened_runs(
    *,
    sources: Sources,
    drain: Drain | None = None,
    log: RunLog | None = None,
    admission: Admission | None = None,
) -> AsyncIterator[Runs]:
    """Runs that can be started, with everything else as usual."""
    async with open_runs(
        log=log or memory_log(sources),
        sources=sources,
        drain=drain or Drain(),
        admission=admission or Admission(),
        metrics=Metrics(),
    ) as runs:
        yield runs


def task(events: Callable[[Run], Events], **changes: object) -> Task:
    """What an ordinary streaming request wants."""
    usual: dict[str, object] = {
        "agent": "one",
        "model": "scripted/test",
        "session_id": "cs_test",
        "owner": "owner",
        "request_headers": {},
        "stream": True,
        "mode": Mode(events=True),
        "limits": Limits(),
        "linger": 0.0,
        "buffer": 400,
    }
    return Task(events=events, **{**usual, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An ASGI application that answers one request with one run, and ends when both are over."""

    task: Task
    drain: Drain = field(default_factory=Drain)
    sources: Sources = field(default_factory=fixed_sources)
    headers: Mapping[str, str] = field(default_factory=dict)
    longest_write: float = 60.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        async with opened_runs(sources=self.sources, drain=self.drain) as runs:
            live = await runs.start(self.task)
            answer = Answer(
                live,
                self.task,
                runs,
                headers=self.headers,
                longest_write=self.longest_write,
            )
            await answer(scope, receive, send)
            await self.drain.settled()
