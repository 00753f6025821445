"""Frames: nanoseconds that each layer of this process spends on one event, without any network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import cycle, islice
from time import process_time_ns
from typing import Any

import anyio
import msgspec

from aura import log
from aura.adapters.models._openai_chunks import ChunkParser
from aura.events import AnyEvent, ServerStatus, Stopped, TextDelta
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.lanes import Lanes
from aura.pipeline.ports import Offer, Prompt, Tool, User
from aura.pipeline.run import Run, Sources, fresh_id, open_run
from aura.runs.deadlines import Limits
from aura.runs.entry import Numbering
from aura.runs.log import Head
from aura.runs.memory import MemoryLog
from aura.server.admission import Admission
from aura.server.drain import Drain
from aura.server.frames import Frames
from aura.server.metrics import Metrics
from aura.server.modes import Mode
from aura.server.runs import Task, open_runs
from aura.server.stream import Answer
from benchmarks.lane import measured
from benchmarks.machine import run
from benchmarks.table import Row, middle
from benchmarks.upstream import frames

EVENTS = 8192
ROUNDS = 9

LANES = 8
LANES_TARGET = 2000.0

READS = (1, 4, 32, 256)
"""Chunks that one read gives; the last is about 64 KiB."""

DELTA = TextDelta(agent_id="main", text=" token")


HEAD = Head(
    run_id=fresh_id("run_"),
    request_id=fresh_id("req_"),
    completion_id=fresh_id("chatcmpl-"),
    session_id="cs",
    agent="bench",
    model="bench",
    created=1,
    owner="",
    stream=True,
    view=msgspec.Raw(b"{}"),
)


class Ready:
    """A model that never waits."""

    name = "bench/ready"

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        """As many deltas as a round has."""
        del prompt
        for _ in range(EVENTS):
            yield DELTA
        yield Stopped(agent_id="main", reason="stop")


class NoTools:
    """An empty toolbox."""

    def open(self, headers: Mapping[str, str]) -> AbstractContextManager[NoTools]:
        """The same for everybody."""
        del headers
        return nullcontext(self)

    async def ready(self) -> None:
        """Nothing to wait for."""

    def tools(self) -> tuple[Tool, ...]:
        """None."""
        return ()

    def limits(self) -> Mapping[str, int]:
        """None either."""
        return {}

    def offers(self) -> tuple[Offer, ...]:
        """None."""
        return ()

    def statuses(self) -> tuple[ServerStatus, ...]:
        """None."""
        return ()


AGENT = Agent(model=Ready(), system="", toolset=NoTools())
MESSAGES = (User(text="?"),)


def measure() -> list[Row]:
    """Every layer, from the provider's bytes to the client's."""
    log.configure()
    parsed = [_parsed(count, pad=pad) for pad in (False, True) for count in READS]
    return [*parsed, *run(_streams()), _rendered(), run(_answered())]


def _parsed(count: int, *, pad: bool) -> Row:
    chunks = list(islice(cycle(frames(pad=pad)), EVENTS))
    reads = [b"".join(chunks[start : start + count]) for start in range(0, EVENTS, count)]

    def once() -> None:
        parser = ChunkParser("main", model="bench", ids=fresh_id)
        for read in reads:
            parser.feed(read)

    kind = f"chunk{'s' * (count > 1)}{' with padding' * pad}"
    return Row(what=f"parse, {count} {kind} a read", value=_nanoseconds(once), unit="ns/chunk")


def _rendered() -> Row:
    numbering = Numbering(shows_calls=True)
    entries = [numbering.entry(DELTA, 0.0) for _ in range(EVENTS)]
    output = Frames(HEAD, Mode())

    def once() -> None:
        for entry in entries:
            output.render(entry)

    return Row(what="render a text", value=_nanoseconds(once), unit="ns/event")


async def _streams() -> list[Row]:
    """The pipeline and the lanes, each against reading the same events bare."""
    prompt = Prompt(agent_id="main", system="", messages=MESSAGES)
    async with open_run() as lent:
        bare, whole, alone, merged = await _in_turns(
            lambda: _read(Ready().stream(prompt)),
            lambda: _read(answer(AGENT, MESSAGES, lent)),
            _one_by_one,
            lambda: _read(_merged(lent).events()),
        )
    return [
        _against("pipeline, ready events", bare, whole),
        _against(f"{LANES} lanes", alone, merged, LANES_TARGET),
    ]


def _against(what: str, bare: float, whole: float, target: float | None = None) -> Row:
    return Row(
        what=what,
        value=whole - bare,
        unit="ns/event",
        target=target,
        direct=bare,
        through=whole,
    )


async def _lane() -> AsyncIterator[AnyEvent]:
    """A worker's stream, which lets the others have their turn between two events."""
    for _ in range(EVENTS // LANES):
        await anyio.lowlevel.checkpoint()
        yield DELTA


async def _one_by_one() -> None:
    for _ in range(LANES):
        await _read(_lane())


def _merged(lent: Run) -> Lanes[AnyEvent]:
    lanes: Lanes[AnyEvent] = lent.lanes()
    for _ in range(LANES):
        lanes.add(_lane())
    return lanes


async def _answered() -> Row:
    """The whole response: pipeline, run log, frames, writer; a client that takes everything."""
    task = Task(
        events=partial(answer, AGENT, MESSAGES),
        agent="bench",
        model="bench",
        session_id=None,
        owner="",
        request_headers={},
        stream=True,
        mode=Mode(),
        limits=Limits(total=900.0),
        linger=0.0,
        buffer=400,
    )
    sources = Sources()
    memory = MemoryLog(most_bytes=1_000_000, lifetime=0.0, clock=sources.clock)

    async def send(message: Any) -> None:
        del message

    async with open_runs(
        log=memory,
        sources=sources,
        drain=Drain(),
        admission=Admission(),
        metrics=Metrics(),
    ) as runs:

        async def once() -> None:
            live = await runs.start(task)
            response = Answer(live, task, runs, headers={}, longest_write=60.0)
            await response({}, anyio.sleep_forever, send)  # type: ignore[arg-type]

        costs = await _in_turns(once)
    return Row(what="whole response", value=costs[0], unit="ns/event")


async def _read(stream: AsyncIterator[AnyEvent]) -> None:
    async for _ in stream:
        pass


async def _in_turns(*kinds: Callable[[], Awaitable[None]]) -> list[float]:
    """CPU time for each event, the median of some rounds; the kinds take turns."""
    costs: list[list[float]] = [[] for _ in kinds]
    for _ in range(ROUNDS + 1):
        for once, spent in zip(kinds, costs, strict=True):
            begun = process_time_ns()
            await once()
            spent.append((process_time_ns() - begun) / EVENTS)
    return [middle(spent[1:]) for spent in costs]


def _nanoseconds(once: Callable[[], None]) -> float:
    """CPU time for each event, the median of some rounds after one to warm up."""
    once()
    costs: list[float] = []
    for _ in range(ROUNDS):
        begun = process_time_ns()
        once()
        costs.append((process_time_ns() - begun) / EVENTS)
    return middle(costs)


if __name__ == "__main__":
    measured(__doc__, measure)
