"""The one response: a run, shown as it happens or folded into one JSON object.

It does not own the run, which has a task of its own. It notices at once when the client leaves,
keeps the stream alive, and bounds how long a write may block.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import anyio.lowlevel
import structlog
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from aura.runs.live import LiveRun, Seat
from aura.runs.log import LEFT, STALLED, Head, Tail, Trimmed
from aura.server.errors import trimmed
from aura.server.fold import Fold
from aura.server.frames import Frames
from aura.server.modes import Mode
from aura.server.runs import Runs, Task
from aura.server.timing import Timing
from aura.server.writer import JsonWriter, StreamWriter, Writer

HEAD_START = 2
"""Turns of the event loop that a run is ahead of its answer: in the first it asks the provider, at
the end of it the request leaves. The answer is prepared while the provider works."""


class Answer:
    """The ASGI application that answers a chat completion request with the run that was started for
    it. `headers` go out with it, `longest_write` is how many seconds a client may let us wait, 0
    for no limit."""

    def __init__(
        self,
        live: LiveRun,
        task: Task,
        runs: Runs,
        *,
        headers: Mapping[str, str],
        longest_write: float,
    ) -> None:
        self._live = live
        self._task = task
        self._runs = runs
        self._headers = headers
        self._longest_write = longest_write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show the run, and leave nothing behind."""
        del scope
        live, runs = self._live, self._runs
        with live.watched(paced=True) as seat:
            async with runs.log.tail(live.head.run_id, -1, awaited=True) as tail:
                for _ in range(HEAD_START):
                    await anyio.lowlevel.checkpoint()
                writer, timing = self._writer(send)
                await Showing(tail, writer, timing, runs, seat).show(receive)

    def _writer(self, send: Send) -> tuple[Writer, Timing]:
        live, task, clock = self._live, self._task, self._runs.sources.clock
        timing = Timing(begun=clock(), streaming=task.stream, longest_write=self._longest_write)
        headers = {**self._headers, **run_headers(live.head)}
        fold = Fold(live.head, error_text=task.mode.error_text)
        whole = JsonWriter(fold, send=send, headers=headers)
        if not task.stream:
            return whole, timing
        stream = StreamWriter(
            Frames(live.head, task.mode),
            early=None if task.mode.error_text else whole,
            send=send,
            headers=headers,
            timing=timing,
            clock=clock,
        )
        return stream, timing


class Replay(ASGIResponse):
    """Shows a run, live or over, from behind the frame `after`."""

    def __init__(
        self, head: Head, mode: Mode, runs: Runs, *, after: int, longest_write: float
    ) -> None:
        super().__init__()
        self._head = head
        self._mode = mode
        self._runs = runs
        self._after = after
        self._longest_write = longest_write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show the rest of the run."""
        del scope
        runs = self._runs
        timing = Timing(
            begun=runs.sources.clock(),
            streaming=True,
            longest_write=self._longest_write,
            hold=0.0,
        )
        writer = StreamWriter(
            Frames(self._head, self._mode),
            send=send,
            headers=run_headers(self._head),
            timing=timing,
            clock=runs.sources.clock,
            after=self._after,
        )
        async with runs.log.tail(self._head.run_id, self._after) as tail:
            live = runs.live(self._head.run_id)
            if live is None:
                await Showing(tail, writer, timing, runs).show(receive)
                return
            with live.watched() as seat:
                await Showing(tail, writer, timing, runs, seat).show(receive)


def run_headers(head: Head) -> dict[str, str]:
    """What names the run to whoever gets it."""
    return {
        "x-chat-session-id": head.session_id,
        "x-request-id": head.request_id,
        "x-aura-run-id": head.run_id,
    }


class Showing:
    """A run on its way to one client, who may hold up the run from its `seat`."""

    def __init__(
        self, tail: Tail, writer: Writer, timing: Timing, runs: Runs, seat: Seat | None = None
    ) -> None:
        self._tail = tail
        self._writer = writer
        self._timing = timing
        self._runs = runs
        self._seat = seat
        self._over = False
        self._scope: anyio.CancelScope | None = None
        self._listening = anyio.CancelScope()

    async def show(self, receive: Receive) -> None:
        """Write until the run is over or the client has gone."""
        timer, clock = self._runs.timer, self._runs.sources.clock
        look = timer.at(self._timing.next(clock()), self._look)
        open_streams = self._runs.metrics.streams
        open_streams.inc()
        try:
            async with anyio.create_task_group() as tasks:
                self._scope = tasks.cancel_scope
                tasks.start_soon(self._leave_with_client, receive)
                await self._write()
                self._over = True
                self._listening.cancel()
        finally:
            look.call_off()
            open_streams.dec()
            self._runs.metrics.writes.inc(self._timing.blocked)

    async def _write(self) -> None:
        try:
            while True:
                batch = await self._tail.batch()
                over = await self._writer.write(batch)
                if self._seat is not None:
                    self._seat.take(batch)
                if over:
                    return
        except Trimmed as error:
            await self._writer.cut(trimmed(error))

    async def _leave_with_client(self, receive: Receive) -> None:
        """Stop as soon as the client is gone. Servers also say so after the last byte.

        Listening is cancelled in here: a task that ends as cancelled leaves a cycle of its error
        and a frame of anyio, which keeps the answer and the run until the collector finds it.
        """
        with self._listening:
            while (await receive())["type"] != "http.disconnect":
                pass
        if not self._over:
            structlog.get_logger().info("client left", code=LEFT)
            self._cut(LEFT)

    def _cut(self, code: str) -> None:
        self._runs.metrics.cut.labels(code).inc()
        if self._scope is not None:
            self._scope.cancel()

    def _look(self) -> float | None:
        """Wake the writer when something is due; give up on a client that does not read."""
        now = self._runs.sources.clock()
        match self._timing.due(now):
            case "release" | "keepalive":
                self._tail.wake()
            case "stalled":
                structlog.get_logger().warning("client does not read, giving up", code=STALLED)
                if self._seat is not None:
                    self._seat.stalled = True
                self._cut(STALLED)
                return None
            case None:
                pass
        return self._timing.next(now)
