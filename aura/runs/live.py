"""A run under way: it goes on in a task of its own, whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import anyio

from aura.events import AnyEvent, RunFailed, TextDelta
from aura.pipeline.backlog import Backlog
from aura.pipeline.compose import Events, opened
from aura.pipeline.ports import Log
from aura.pipeline.run import Run, Sources, open_run
from aura.runs.deadlines import Deadlines, Limits
from aura.runs.entry import Entry, Numbering, weight
from aura.runs.log import LEFT, STALLED, Head, RunLog, Status, outcome
from aura.runs.timer import Appointment, Timer
from aura.runs.unfinished import Unfinished

GRACE = 5.0
"""Seconds that the log gets to take the end of a run."""


class Meter(Protocol):
    """Who counts what happens in a run."""

    def count(self, event: AnyEvent) -> None:
        """Count one event."""
        ...

    def ended(self, status: Status) -> None:
        """The run is over."""
        ...


class Seat:
    """One client's place before a run. The run does not get further ahead of a client that is
    `paced` than its room allows. One that did not read for too long has `stalled`."""

    def __init__(self, live: LiveRun) -> None:
        self._live = live
        self.taken = 0
        self.stalled = False

    def take(self, entries: Sequence[Entry]) -> None:
        """The client has got these entries."""
        for entry in entries:
            self.taken += weight(entry.event)
        self._live.taken()


class LiveRun:
    """One run: its events are numbered and logged as they happen, and it ends in order whatever
    ends it.

    `linger` is how many seconds it goes on when nobody watches it any more, `None` for as long as
    it takes. `room` is how far it may be ahead of the client it was started for, in entries; a
    large one counts for several.
    """

    def __init__(
        self,
        head: Head,
        *,
        log: RunLog,
        timer: Timer,
        sources: Sources,
        limits: Limits,
        linger: float | None,
        room: int,
        shows_calls: bool,
        meter: Meter,
    ) -> None:
        self.head = head
        self._log = log
        self._timer = timer
        self._sources = sources
        self._begun = sources.clock()
        self._limit = limits.total
        self._deadlines = Deadlines(limits)
        self._hushed = bool(limits.silence)
        self._linger = linger
        self._room = room
        self._meter = meter
        self._numbering = Numbering(shows_calls=shows_calls)
        self._unfinished = Unfinished()
        self._tidying = anyio.Lock(fast_acquire=True)
        self._run: Run | None = None
        self._failure: RunFailed | None = None
        self._paced: Seat | None = None
        self._appended = 0
        self._room_made: anyio.Event | None = None
        self._readers = 0
        self._alone: Appointment | None = None
        self._stalled = False
        self._watch: Appointment | None = None

    @property
    def ahead(self) -> int:
        """How much waits for the client that the run was started for, in entries."""
        return 0 if self._paced is None else self._appended - self._paced.taken

    @property
    def backlog(self) -> Backlog | None:
        """What waits inside the run, once it has begun."""
        return None if self._run is None else self._run.backlog

    async def drive(self, events: Callable[[Run], Events], headers: Mapping[str, str]) -> None:
        """Let the run happen, from its first event to its last. When this raises, too, the run is
        over, in the log and for everybody who watches."""
        try:
            await self._happen(events, headers)
        except Exception:
            await self._over()
            raise
        await self._over()

    async def _happen(self, events: Callable[[Run], Events], headers: Mapping[str, str]) -> None:
        async with open_run(
            run_id=self.head.run_id,
            request_id=self.head.request_id,
            session_id=self.head.session_id,
            headers=headers,
            sources=self._sources,
            owner=self.head.owner,
            limit=self._limit,
        ) as run:
            self._run = run
            self._look()
            await self._follow(events(run), run.log)
            await self._conclude()

    async def _over(self) -> None:
        """Bring what the run was to an end, whatever it came to."""
        try:
            await self._conclude()
        finally:
            for appointment in (self._watch, self._alone):
                if appointment is not None:
                    appointment.call_off()
            failed = self._unfinished.failed
            self._meter.ended(outcome(failed))
            with anyio.move_on_after(GRACE, shield=True):
                await self._log.close(self.head.run_id)
        if self._run is not None:
            self._run.log.info(
                "answered",
                model=self.head.model,
                stream=self.head.stream,
                seconds=round(self._sources.clock() - self._begun, 3),
                status=outcome(failed),
                code=failed and failed.code,
            )

    def end(self, failure: RunFailed) -> None:
        """End the run because of this: clients hear of it at once, then what runs is cancelled."""
        if self._failure is None and not self._unfinished.over:
            self._failure = failure
            if self._run is not None:
                self._run.fate.append(failure)
                self._run.tasks.start_soon(self._cut, self._run)

    async def cancel(self, failure: RunFailed) -> None:
        """The same, and wait until the end is in the log."""
        self.end(failure)
        await self._conclude()

    @contextmanager
    def watched(self, *, paced: bool = False) -> Iterator[Seat]:
        """Watch the run for as long as the block lasts. When nobody does any more, it goes on for
        as long as it may linger."""
        seat = Seat(self)
        self._readers += 1
        if paced:
            self._paced = seat
        if self._alone is not None:
            self._alone.call_off()
            self._alone = None
        try:
            yield seat
        finally:
            self._readers -= 1
            if self._paced is seat:
                self._paced = None
                self.taken()
            if not self._readers and not self._unfinished.over:
                self._stalled = seat.stalled
                self._left()

    def taken(self) -> None:
        """A client has caught up, or does not count any more."""
        if self._room_made is not None and self.ahead < self._room:
            self._room_made.set()

    async def _follow(self, events: Events, log: Log) -> None:
        try:
            async with opened(events) as happened:
                async for event in happened:
                    if self._failure is not None and self._appended:
                        return
                    await self._append(event)
                    if self._failure is not None:  # one that is ended so early has a beginning, too
                        return
                    paced = self._paced
                    if paced is not None and self._appended - paced.taken >= self._room:
                        await self._wait_for_client()
        except Exception:
            log.exception("event stream broke")

    async def _append(self, event: AnyEvent) -> None:
        at = self._sources.clock() - self._begun
        if not isinstance(event, TextDelta):  # most are, and they end nothing
            self._unfinished.add(event, at)
        if self._hushed:
            self._deadlines.heard(event, at)
        self._meter.count(event)
        self._appended += weight(event)
        await self._log.append(self.head.run_id, (self._numbering.entry(event, at),))

    async def _wait_for_client(self) -> None:
        while self.ahead >= self._room:
            self._room_made = anyio.Event()
            await self._room_made.wait()
        self._room_made = None

    async def _cut(self, run: Run) -> None:
        # Were it cancelled, because the run ends by itself at the same moment, its exception would
        # keep all of the run in a cycle that waits for the collector.
        with anyio.move_on_after(GRACE, shield=True):
            await self._conclude()
        run.tasks.cancel_scope.cancel()

    async def _conclude(self) -> None:
        """End everything that is open, unless all of it has ended."""
        async with self._tidying:
            if self._unfinished.over:
                return
            failure = self._failure = self._failure or RunFailed(
                code="internal_error",
                message=f"The server failed while answering; its log has it as"
                f" {self.head.request_id}.",
                status=500,
                retryable=False,
            )
            at = self._sources.clock() - self._begun
            for event in tuple(self._unfinished.ends(failure, at)):
                await self._append(event)

    def _look(self) -> float | None:
        """See to the deadlines; gives when to do it again."""
        at = self._sources.clock() - self._begun
        exempt = self._unfinished.calling or self._room_made is not None
        failure = self._deadlines.failure(at, exempt=exempt)
        if failure is not None:
            self.end(failure)
            return None
        again = self._deadlines.look(at)
        if again is None:
            return None
        if self._watch is None:
            self._watch = self._timer.at(self._begun + again, self._look)
        return self._begun + again

    def _left(self) -> None:
        """The last client has gone."""
        if self._linger is None:
            return
        if self._linger:
            moment = self._sources.clock() + self._linger
            self._alone = self._timer.at(moment, self._give_up)
        else:
            self._give_up()

    def _give_up(self) -> None:
        code, message = LEFT, "The client left before the answer was done."
        if self._stalled:
            code, message = STALLED, "The client did not read the answer for too long."
        self.end(RunFailed(code=code, message=message, status=499, retryable=False))
