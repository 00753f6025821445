"""The runs of this server: started for requests, found by their ids, ended at shutdown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from aura.events import RunFailed
from aura.pipeline.backlog import Backlog
from aura.pipeline.compose import Events
from aura.pipeline.run import Run, Sources
from aura.runs.deadlines import Limits
from aura.runs.live import LiveRun
from aura.runs.log import Head, RunLog
from aura.runs.timer import Timer
from aura.server.admission import Admission
from aura.server.drain import Drain
from aura.server.metrics import Metrics
from aura.server.modes import Mode

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a request wants done, and within which bounds.

    `events` gives the stream of a run; `owner` stands for the caller's token; `request_headers`
    are those of the request, by lower-case name. `linger` is how many seconds the run goes on
    without its client, `None` for as long as it takes; `buffer` how many events may wait for a
    slow one.
    """

    events: Callable[[Run], Events]
    agent: str
    model: str
    session_id: str | None
    owner: str
    request_headers: Mapping[str, str]
    stream: bool
    mode: Mode
    limits: Limits
    linger: float | None
    buffer: int


@lru_cache(256)
def owner_of(token: str) -> str:
    """What stands for a bearer token in the run log, which keeps no secrets."""
    return sha256(b"owner of runs\0" + token.encode()).hexdigest()[:32]


class Runs:
    """Starts runs, in tasks of their own, and knows those that are not over."""

    def __init__(
        self,
        tasks: TaskGroup,
        *,
        log: RunLog,
        timer: Timer,
        sources: Sources,
        drain: Drain,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self.log = log
        self.timer = timer
        self.sources = sources
        self._tasks = tasks
        self._drain = drain
        self._admission = admission
        self.metrics = metrics
        self._live: dict[str, LiveRun] = {}
        metrics.watch(
            "aura_entries_unread", "Entries of runs that slow clients have not read.", self._ahead
        )
        metrics.watch(
            "aura_lanes_waiting",
            "Tool calls and tasks that wait until others have ended.",
            lambda: sum(backlog.queued for backlog in self._backlogs()),
        )
        metrics.watch(
            "aura_lanes_blocked",
            "Tools and tasks that cannot go on until what they have said is read.",
            lambda: sum(backlog.blocked for backlog in self._backlogs()),
        )

    def _ahead(self) -> float:
        return sum(live.ahead for live in tuple(self._live.values()))

    def _backlogs(self) -> Iterator[Backlog]:
        return filter(None, [live.backlog for live in tuple(self._live.values())])

    def live(self, run_id: str) -> LiveRun | None:
        """The run, unless it is over."""
        return self._live.get(run_id)

    async def start(self, task: Task) -> LiveRun:
        """Begin a run. It is in the log from now on, and goes on without who started it. Raises
        `RequestError` when there are too many."""
        ids = self.sources.ids
        head = Head(
            run_id=ids("run_"),
            request_id=ids("req_"),
            session_id=task.session_id or ids("cs_"),
            completion_id=ids("chatcmpl-"),
            agent=task.agent,
            model=task.model,
            created=int(self.sources.now()),
            owner=task.owner,
            stream=task.stream,
            view=msgspec.Raw(_encode(task.mode)),
        )
        with ExitStack() as held:
            held.enter_context(self._admission.slot(task.owner))
            await self.log.begin(head)
            live = LiveRun(
                head,
                log=self.log,
                timer=self.timer,
                sources=self.sources,
                limits=task.limits,
                linger=task.linger,
                room=task.buffer,
                shows_calls=task.mode.tool_calls,
                meter=self.metrics.run(task.agent, self.sources.clock),
            )
            held.enter_context(self._drain.run(lambda: live.end(shut_down())))
            self._live[head.run_id] = live
            self._tasks.start_soon(self._drive, live, task, held.pop_all())
        return live

    async def _drive(self, live: LiveRun, task: Task, held: ExitStack) -> None:
        try:
            with held:
                await live.drive(task.events, task.request_headers)
        except Exception:  # noqa: BLE001 - one broken run is not the end of the others
            structlog.get_logger().exception("run broke", run_id=live.head.run_id)
        finally:
            del self._live[live.head.run_id]


def shut_down() -> RunFailed:
    """How runs end that the server has no more time for."""
    return RunFailed(
        code="server_shutdown",
        message="The server was shut down before the answer was done.",
        status=503,
        retryable=True,
    )


@asynccontextmanager
async def open_runs(
    *, log: RunLog, sources: Sources, drain: Drain, admission: Admission, metrics: Metrics
) -> AsyncIterator[Runs]:
    """Runs can be started within the block; those that are not over at its end are cancelled."""
    timer = Timer(sources.clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(timer.keep)
        yield Runs(
            tasks,
            log=log,
            timer=timer,
            sources=sources,
            drain=drain,
            admission=admission,
            metrics=metrics,
        )
        tasks.cancel_scope.cancel()
