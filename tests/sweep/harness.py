"""Runs with one fault in them, and everything that has to be true afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
)
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import structlog
from anyio.abc import TaskGroup

from aura.events import CompletionDelayed, RunCompleted, RunFailed
from aura.pipeline.account import Account
from aura.pipeline.checked import Open
from aura.pipeline.run import Sources
from aura.runs.deadlines import Limits
from aura.runs.directory import open_directory
from aura.runs.entry import Entry
from aura.runs.lines import decoded
from aura.runs.log import Head, Record, RunLog, Tail
from aura.server.admission import Admission
from aura.server.drain import Drain
from aura.server.frames import Frames
from aura.server.modes import Mode
from aura.server.run_routes import run_info
from aura.server.runs import Runs
from aura.server.stream import Answer, Replay
from tests.support.asgi import Client, call
from tests.support.serving import memory_log, opened_runs, task
from tests.sweep.breakable import Staged
from tests.sweep.scenarios import Scenario
from tests.sweep.teams import TeamScenario

T = TypeVar("T")

LIMITS = Limits(total=600.0, silence=20.0)
MODE = Mode(events=True, reasoning=True, result_limit=4)
DESCRIPTORS = Path("/proc/self/fd")
CANCELLED = RunFailed(code="run_cancelled", message="Enough.", status=499, retryable=False)


@dataclass(slots=True)
class Disk:
    """Where the files of the log are written; it can be full."""

    full: bool = False

    def write(self, descriptor: int, data: bytes) -> int:
        """As `os.write`."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(descriptor, data)


@dataclass(slots=True)
class Scene:
    """A run under way, for a fault to act on."""

    staged: Staged
    client: Client
    drain: Drain
    disk: Disk
    tasks: TaskGroup
    runs: Runs
    run_id: str = ""

    def cancel(self) -> None:
        """As the route does."""
        live = self.runs.live(self.run_id)
        if live is not None:
            self.tasks.start_soon(live.cancel, CANCELLED)

    def shut_down(self) -> None:
        """As SIGTERM does, with no time left."""
        self.tasks.start_soon(self.drain.close, 0)


@dataclass(frozen=True, slots=True)
class Tripwire:
    """A log that does something right after it has taken one more entry. It also tells when a run
    has to wait or is over, which is when the `next` one may begin."""

    log: RunLog
    at: int
    trip: list[Callable[[], None]] = field(default_factory=list)
    seen: list[Entry] = field(default_factory=list)
    of: dict[str, list[Entry]] = field(default_factory=dict)
    next: anyio.Event = field(default_factory=anyio.Event)

    async def begin(self, head: Head) -> None:
        await self.log.begin(head)

    async def append(self, run_id: str, entries: Sequence[Entry]) -> None:
        await self.log.append(run_id, entries)
        self.seen.extend(entries)
        self.of.setdefault(run_id, []).extend(entries)
        if any(isinstance(entry.event, CompletionDelayed | RunCompleted) for entry in entries):
            self.next.set()
        if len(self.seen) > self.at and self.trip:
            self.trip.pop()()

    async def close(self, run_id: str) -> None:
        await self.log.close(run_id)

    def tail(
        self, run_id: str, after: int, *, awaited: bool = False
    ) -> AbstractAsyncContextManager[Tail]:
        return self.log.tail(run_id, after, awaited=awaited)

    async def find(self, run_id: str) -> Record:
        return await self.log.find(run_id)

    async def list(
        self, owner: str, *, limit: int, before: str | None = None, session: str | None = None
    ) -> list[Record]:
        return await self.log.list(owner, limit=limit, before=before, session=session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is left when a run is over."""

    entries: list[Entry]
    head: Head
    record: Record
    client: Client
    left: bool
    resumed: dict[int, bytes]
    tasks: int
    in_flight: int


async def play(
    scenario: Scenario | TeamScenario,
    fault: Callable[[Scene], None] | None,
    at: int,
    *,
    stream: bool,
    sources: Sources,
    folder: Path | None = None,
) -> Outcome:
    """Play a scenario with this fault right after its entry number `at`."""
    mode = MODE if not scenario.client else Mode(events=True, tool_calls=False)
    (outcome,) = await play_together(
        scenario.stage(), fault, at, mode=mode, stream=stream, sources=sources, folder=folder
    )
    return outcome


async def play_together(
    staged: Staged,
    fault: Callable[[Scene], None] | None,
    at: int,
    *,
    stream: bool,
    sources: Sources,
    folder: Path | None = None,
    mode: Mode = MODE,
    runs: int = 1,
    victim: int = 0,
) -> list[Outcome]:
    """So many runs of the same agent, the next one once the first has to wait or is over. The
    fault is that of the `victim` and comes right after entry number `at` of all of them."""
    clients, drain, disk = [Client() for _ in range(runs)], Drain(), Disk()
    tasks_before = len(anyio.get_running_tasks())
    asked = task(staged.events, stream=stream, mode=mode, limits=LIMITS)
    admission = Admission(most=runs)
    heads: list[Head] = []
    async with AsyncExitStack() as stack:
        wire = Tripwire(await stack.enter_async_context(opened_log(sources, folder, disk)), at)
        served = await stack.enter_async_context(
            opened_runs(sources=sources, drain=drain, log=wire, admission=admission)
        )
        async with anyio.create_task_group() as tasks:
            scene = Scene(staged, clients[victim], drain, disk, tasks, served)
            if fault is not None:
                wire.trip.append(partial(fault, scene))
            for number, client in enumerate(clients):
                if number:
                    await wire.next.wait()
                live = await served.start(asked)
                heads.append(live.head)
                if number == victim:
                    scene.run_id = live.head.run_id
                answer = Answer(live, asked, served, headers={}, longest_write=60.0)
                tasks.start_soon(call, answer, client)
        await drain.settled()
        with ExitStack() as slots:
            for _ in clients:
                slots.enter_context(admission.slot("owner"))
        records = [await wire.find(head.run_id) for head in heads]
        resumed = [await replayed(record, mode, served) for record in records]
        in_flight = drain.in_flight
    assert sorted(staged.begun) == sorted(staged.left)
    assert all(is_idle(account) for account in staged.accounts)
    return [
        Outcome(
            entries=wire.of[head.run_id],
            head=head,
            record=record,
            client=client,
            left=client.gone.is_set(),
            resumed=again,
            tasks=len(anyio.get_running_tasks()) - tasks_before,
            in_flight=in_flight,
        )
        for head, record, client, again in zip(heads, records, clients, resumed, strict=True)
    ]


@asynccontextmanager
async def opened_log(sources: Sources, folder: Path | None, disk: Disk) -> AsyncIterator[RunLog]:
    """A log in the folder, or in memory."""
    if folder is None:
        yield memory_log(sources)
        return
    async with open_directory(
        folder,
        memory=memory_log(sources),
        most_bytes=0,
        lifetime=0.0,
        now=sources.now,
        log=structlog.get_logger(),
        write=disk.write,
    ) as log:
        yield log


async def replayed(record: Record, mode: Mode, runs: Runs) -> dict[int, bytes]:
    """What comes behind each frame of a run that is over."""
    found = {}
    for seq in range(-1, record.next - 1):
        replay = Replay(record.head, mode, runs, after=seq, longest_write=60.0)
        found[seq] = (await call(replay, Client())).body
    return found


def is_idle(account: Account) -> bool:
    """Whether nobody waits for the account, holds a part of it or finds out about its provider."""
    slots, probe = account.slots, account.breaker.probe
    return (account.waiting, account.backing_off, probe) == (0, set(), None) and (
        slots is None or slots.value == slots.max_value
    )


def check(outcome: Outcome, mode: Mode, *, stream: bool, codes: frozenset[str | None]) -> None:
    """Everything started has ended, nothing is left, and everybody was told the same."""
    check_events(outcome.entries)
    assert (outcome.tasks, outcome.in_flight) == (0, 0)
    shown = run_info(outcome.record)
    assert (shown.error.code if shown.error else None) in codes
    assert shown.last_event == outcome.entries[-1].last
    frames = Frames(outcome.head, mode)
    pieces = [(e, frames.render(e)) for e in outcome.entries]
    whole = b"".join(piece for _, piece in pieces)
    check_client(outcome, whole, stream=stream)
    for seq, body in outcome.resumed.items():
        rest = b"".join(frames.render(e, seq) for e, _ in pieces if max(e.last, e.seq) > seq)
        assert body == rest
        assert whole.endswith(rest)


def check_events(entries: list[Entry]) -> None:
    """Every start has its end, the run's is the last, and the numbers have no gap."""
    state = Open()
    assert [found for e in entries if (found := state.violation(e.event))] == []
    assert isinstance(entries[-1].event, RunCompleted)
    assert sum(isinstance(e.event, RunFailed) for e in entries) <= 1
    following = 0
    for entry in entries:
        assert entry.seq == following
        following = entry.last + 1


def check_client(outcome: Outcome, whole: bytes, *, stream: bool) -> None:
    """The client got what the log has, or the beginning of it when it left."""
    client = outcome.client
    failed = outcome.record.failed
    if outcome.left and not client.messages:
        return
    got = client.body.replace(b": keepalive\n\n", b"")
    if stream and client.status == 200:
        assert whole.startswith(got) if outcome.left else whole == got
        assert got == b"" or got.endswith(b"\n\n")
    elif not outcome.left:
        assert client.status == (200 if failed is None else failed.status)
        assert (failed is None) or f'"code":"{failed.code}"'.encode() in got


def check_file(outcome: Outcome, folder: Path, *, full: bool) -> None:
    """The file says what was logged; when the disk was full, the beginning of it."""
    data = (folder / f"{outcome.head.run_id}.jsonl").read_bytes()
    head, entries, length = decoded(data)
    assert length == len(data)
    assert head == (outcome.head if data or not full else None)
    assert entries == (outcome.entries[: len(entries)] if full else outcome.entries)


def alone(work: Callable[[], Awaitable[T]]) -> T:
    """Run on an event loop of its own, and leave no descriptor behind."""
    before = len(list(DESCRIPTORS.iterdir()))
    outcome = anyio.run(work)
    assert len(list(DESCRIPTORS.iterdir())) == before
    return outcome
