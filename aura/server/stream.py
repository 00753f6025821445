"""The one response: a run, written down as it happens or folded into one JSON object.

It owns the run. It closes the stream in the request's own task, keeps time, notices at once when
the client leaves, and bounds how long a write may block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from aura.events import AnyEvent, RunCompleted, RunFailed
from aura.pipeline.compose import Events, opened
from aura.pipeline.lanes import Lanes
from aura.pipeline.run import Run, Sources, open_run
from aura.server.drain import Drain
from aura.server.fold import Fold
from aura.server.frames import Frames
from aura.server.modes import Mode
from aura.server.timing import Timing
from aura.server.writer import JsonWriter, StreamWriter, Writer

SHORTEST_SLEEP = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer and how to write it.

    `events` gives the stream of a run; `timeout` bounds the whole run in seconds, 0 for none;
    `buffer` is how many events may wait for a slow client; `headers` go out with every answer.
    `request_headers` are those of the request, by lower-case name.
    """

    events: Callable[[Run], Events]
    model: str
    session_id: str | None
    request_headers: Mapping[str, str]
    stream: bool
    mode: Mode
    timeout: float
    buffer: int
    headers: Mapping[str, str]


class Answer(ASGIResponse):
    """Answers one chat completion request."""

    def __init__(self, reply: Reply, *, drain: Drain, sources: Sources) -> None:
        super().__init__()
        self._reply = reply
        self._drain = drain
        self._sources = sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run, write, and leave nothing behind."""
        del scope
        reply = self._reply
        async with open_run(
            session_id=reply.session_id, headers=reply.request_headers, sources=self._sources
        ) as run:
            lanes: Lanes[AnyEvent] = run.lanes(room=reply.buffer)
            timing = _timing(reply, run.sources.clock())
            ending = Ending(lanes)
            writer = _writer(reply, run, send, timing)
            with self._drain.request(ending.shut_down):
                run.tasks.start_soon(_leave_with_client, receive, ending, run)
                run.tasks.start_soon(_keep_time, timing, ending, run)
                lanes.add(reply.events(run))
                try:
                    async with opened(lanes.batches()) as batches:
                        async for batch in batches:
                            if await writer.write(ending.after(batch)):
                                break
                except Exception:
                    run.log.exception("event stream broke")
                    ending.broke()
                    await writer.write(ending.after([]))
                ending.over = True
                seconds = round(run.sources.clock() - timing.begun, 3)
                run.log.info("answered", model=reply.model, stream=reply.stream, seconds=seconds)


class Ending:
    """Why a run has to end before it is done, if it has to; and whether it is `over`."""

    def __init__(self, lanes: Lanes[AnyEvent]) -> None:
        self.over = False
        self._lanes = lanes
        self._failure: RunFailed | None = None

    def after(self, batch: list[AnyEvent]) -> list[AnyEvent]:
        """The batch, and the end of the run if it has to end now."""
        if self._failure is None or any(isinstance(event, RunCompleted) for event in batch):
            return batch
        return [*batch, self._failure, RunCompleted()]

    def wake(self) -> None:
        """Let the writer look at the clock."""
        self._lanes.wake()

    def shut_down(self) -> None:
        """The server's time to shut down is over."""
        self._end("server_shutdown", "The server was shut down before the answer was done.", 503)

    def time_out(self, seconds: float) -> None:
        """The request took longer than it may."""
        self._end(
            "request_timeout",
            f"The answer was not done after {seconds:g} seconds, as long as this server allows"
            " (--streaming-timeout-secs).",
            504,
        )

    def broke(self) -> None:
        """The stream itself failed, which it never should."""
        self._end("internal_error", "The server failed while answering; its log says why.", 500)

    def _end(self, code: str, message: str, status: int) -> None:
        if self._failure is None:
            self._failure = RunFailed(
                code=code, message=message, status=status, retryable=status != 500
            )
            self._lanes.wake()


def _writer(reply: Reply, run: Run, send: Send, timing: Timing) -> Writer:
    completion_id = run.sources.ids("chatcmpl-")
    created = int(run.sources.now())
    headers = {
        **reply.headers,
        "x-chat-session-id": run.session_id,
        "x-request-id": run.request_id,
        "x-aura-run-id": run.id,
    }
    fold = Fold(
        completion_id=completion_id,
        created=created,
        model=reply.model,
        session_id=run.session_id,
        error_text=reply.mode.error_text,
    )
    whole = JsonWriter(fold, send=send, headers=headers)
    if not reply.stream:
        return whole
    frames = Frames(
        run_id=run.id,
        completion_id=completion_id,
        created=created,
        model=reply.model,
        session_id=run.session_id,
        mode=reply.mode,
    )
    return StreamWriter(
        frames,
        early=None if reply.mode.error_text else whole,
        send=send,
        headers=headers,
        timing=timing,
        clock=run.sources.clock,
    )


def _timing(reply: Reply, now: float) -> Timing:
    deadline = now + reply.timeout if reply.timeout else None
    return Timing(begun=now, streaming=reply.stream, deadline=deadline)


async def _leave_with_client(receive: Receive, ending: Ending, run: Run) -> None:
    """Cancel the run as soon as the client is gone. Servers also say so after the last byte."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if not ending.over:
        run.log.info("client left")
        run.tasks.cancel_scope.cancel()


async def _keep_time(timing: Timing, ending: Ending, run: Run) -> None:
    """Wake the writer when something is due; give up on a client that does not read."""
    clock = run.sources.clock
    while True:
        await anyio.sleep(max(timing.wait(clock()), SHORTEST_SLEEP))
        match timing.due(clock()):
            case "release" | "keepalive":
                ending.wake()
            case "timeout":
                ending.time_out((timing.deadline or 0.0) - timing.begun)
            case "stalled":
                run.log.warning("client does not read, giving up")
                run.tasks.cancel_scope.cancel()
            case None:
                pass
