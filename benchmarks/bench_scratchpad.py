"""Scratchpad: how long until a large result is out of the way, and what exploring a file costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter, time

import anyio
import structlog

from aura.adapters.scratchpad.pad import Pad, Settings
from aura.adapters.scratchpad.pads import Loading, Pads
from aura.adapters.scratchpad.place import Place
from aura.adapters.tokens import counter
from aura.events import ToolCalled, ToolCompleted
from aura.pipeline.ports import Outcome
from aura.server.listen import SWITCH_AFTER
from benchmarks.corpora import log, pods
from benchmarks.lane import measured
from benchmarks.machine import run
from benchmarks.table import Row, middle

LARGE = 10_000_000
HUGE = 100_000_000
"""Bytes of the file that is explored, which for JSON is twice as long as the result."""

ROUNDS = 7
COUNTING = 10.0
"""Seconds for the exact count that follows."""

POINTER_TARGET = 250.0
BLOCK_TARGET = 10.0
CALL_TARGET = 50.0

CALLS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("head", {}),
    ("slice", {"start": 2_000_000, "end": 2_000_050}),
    ("schema", {}),
    ("get_in", {"path": "items.60000.status"}),
    ("item_schema", {"path": "items", "offset": 50_000, "limit": 100}),
    ("item_schema", {"path": "items"}),
    ("iterate_over", {"path": "items", "fields": "metadata.name", "offset": 70_000, "limit": 20}),
    (
        "iterate_over",
        {"path": "items", "fields": "metadata.name", "where": "metadata.name=web-000000"},
    ),
    ("grep", {"pattern": "OOMKilled", "context": 0}),
    ("grep", {"pattern": "nothing like this"}),
)


def cpu() -> float:
    """Seconds of CPU time that we and processes that are over have taken."""
    ours, theirs = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


class Watch:
    """How long the event loop did not get its turn, in seconds."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def run(self) -> None:
        """Look at the clock as often as the loop lets us."""
        last = perf_counter()
        while True:
            await anyio.sleep(0.0005)
            now = perf_counter()
            self.worst = max(self.worst, now - last - 0.0005)
            last = now


def measure() -> list[Row]:
    """Results of 10 MB, one after the other; then a file of 100 MB of each kind."""
    sys.setswitchinterval(SWITCH_AFTER)  # as the server does
    return run(_measured())


async def _measured() -> list[Row]:
    async with _pads() as open_pad:
        listing, lines = pods(LARGE).decode(), log(LARGE).decode()
        rows = [
            *await _stored("10 MB of JSON", listing, open_pad),
            *await _stored("10 MB of log", lines, open_pad),
        ]
    async with _pads() as open_pad:
        rows += await _explored("100 MB of JSON", pods(HUGE // 2).decode(), CALLS, open_pad)
        of_lines = [call for call in CALLS if call[0] in ("head", "slice")]
        greps = [("grep", {"pattern": "FATAL"}), ("grep", {"pattern": "worker-1[01] .* 899 ms$"})]
        text = log(HUGE).decode()
        rows += await _explored("100 MB of log", text, [*of_lines, *greps], open_pad)
    return rows


@asynccontextmanager
async def _pads() -> AsyncIterator[Callable[[str], Pad]]:
    tokens = Loading(lambda: counter("openai", "gpt-5"))
    with TemporaryDirectory() as folder:
        settings = Settings(
            place=Place(Path(folder), max_bytes=0, retention=0, now=time),
            tokens=tokens,
            window=400_000,
            margin=0.2,
            per_call=10_000,
            rounds=6,
            hidden=True,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tokens.load)
            pads = Pads(settings)

            def open_pad(name: str) -> Pad:
                return pads.open(
                    {"big": 5120},
                    session_id="bench",
                    run_id=name,
                    tasks=tasks,
                    log=structlog.get_logger(),
                ).__enter__()

            await tokens.get()
            yield open_pad
            tasks.cancel_scope.cancel()


async def _stored(what: str, text: str, open_pad: Callable[[str], Pad]) -> list[Row]:
    """From the result to its pointer, beside writing the bytes to a file; and the loop meanwhile,
    with the exact count that follows, beside a loop that does nothing for as long while a process
    that has nothing to do with it is busy."""
    took: list[float] = []
    direct: list[float] = []
    worst: list[float] = []
    machine: list[float] = []
    worked: list[float] = []
    for number in range(ROUNDS):
        begun = perf_counter()
        with TemporaryDirectory() as folder:
            Path(folder, "direct").write_text(text)  # noqa: ASYNC240 - the loop has nothing else to do
        direct.append(perf_counter() - begun)
        pad, watch = open_pad(f"{what}-{number}"), Watch()
        async with anyio.create_task_group() as watching:
            watching.start_soon(watch.run)
            begun, before = perf_counter(), cpu()
            diverted = await pad.diverted(_completed(text))
            took.append(perf_counter() - begun)
            worked.append(cpu() - before)
            assert diverted.stored is not None
            estimated = pad.usage().tokens_intercepted
            with anyio.move_on_after(COUNTING):
                while pad.usage().tokens_intercepted == estimated:  # noqa: ASYNC110 - who would tell
                    await anyio.sleep(0.01)
            watching.cancel_scope.cancel()
        worst.append(watch.worst)
        machine.append(await _idle(perf_counter() - begun))
        pad.close()
    pointer, plain = middle(took) * 1000, middle(direct) * 1000
    return [
        Row(
            what=f"{what}, pointer ready",
            value=pointer,
            unit="ms",
            target=POINTER_TARGET,
            direct=plain,
            through=pointer,
            note=f"direct: writing the bytes to a file; CPU time {middle(worked) * 1000:.0f} ms",
        ),
        Row(
            what=f"{what}, longest block of the loop",
            value=middle(worst) * 1000,
            unit="ms",
            target=BLOCK_TARGET,
            direct=middle(machine) * 1000,
            through=middle(worst) * 1000,
            note=f"worst of {ROUNDS} rounds {max(worst) * 1000:.1f} ms; direct: a loop that does"
            f" nothing, beside a busy process, worst {max(machine) * 1000:.1f} ms",
        ),
    ]


async def _idle(seconds: float) -> float:
    """The longest time for which the machine alone, as it is now, keeps an event loop from its
    turn."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])  # noqa: ASYNC220 - at once
    try:
        watch = Watch()
        with anyio.move_on_after(seconds):
            await watch.run()
    finally:
        busy.kill()
        busy.wait()
    return watch.worst


async def _explored(
    what: str,
    text: str,
    calls: Sequence[tuple[str, Mapping[str, object]]],
    open_pad: Callable[[str], Pad],
) -> list[Row]:
    """Every call some times; the first one apart, as it may have to index the file."""
    pad = open_pad(what)
    diverted = await pad.diverted(_completed(text))
    assert diverted.stored is not None
    file = diverted.stored.file
    size = diverted.stored.size
    tools = {tool.spec.name: tool for tool in pad.tools}
    rows: list[Row] = []
    for name, arguments in calls:
        took: list[float] = []
        worked: list[float] = []
        for _ in range(ROUNDS):
            begun, before = perf_counter(), cpu()
            call = ToolCalled(agent_id="main", tool_id="1", tool_name=name, arguments="")
            async for item in tools[name].call(call, {"file": file, **arguments}):
                assert isinstance(item, Outcome)
                assert item.failure is None, item.text
            took.append((perf_counter() - begun) * 1000)
            worked.append((cpu() - before) * 1000)
        asked = json.dumps(arguments)[1:-1].replace('"', "")
        rows.append(
            Row(
                what=f"{what}, {name} {asked}".strip(),
                value=middle(took[1:]),
                unit="ms",
                target=CALL_TARGET,
                note=f"first call {took[0]:.0f} ms, CPU time {middle(worked[1:]):.1f} ms;"
                f" the file has {size / 1e6:.0f} MB",
            )
        )
    pad.close()
    return rows


def _completed(text: str) -> ToolCompleted:
    return ToolCompleted(
        agent_id="main", tool_id="1", tool_name="big", duration_ms=0, success=True, result=text
    )


if __name__ == "__main__":
    measured(__doc__, measure)
