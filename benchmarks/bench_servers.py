"""Servers: what Aura adds to the wait for the first event, with three warm MCP servers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Connection, Heard, body, connect
from benchmarks.lane import measured
from benchmarks.machine import (
    CONFIG,
    SERVER_CORE,
    Program,
    aura,
    free_port,
    run,
    started,
    upstream,
)
from benchmarks.mcp_server import mcp_server, table
from benchmarks.table import Row, percentile

REQUESTS = 600
WARM_UP = 60
TARGET = 2.0

NAMES = ("stock", "orders", "staff")

PAUSED, AT_ONCE = "tokens=4 pace=0.003", "tokens=4 pace=0"
"""What the provider does: with pauses, in which others use the caches of the processor, a request
comes to a server that has been idle; without them to one that has just answered another."""

TOGETHER = 20
"""Requests without pauses that one way gets before it is the turn of the next."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The upstream, what is between it and the client at the least, and an Aura."""

    upstream: Program
    bare: Program
    aura: Program


def measure() -> list[Row]:
    """With the servers and without, each against the upstream itself."""
    with _stage() as running:
        return run(_measure(running))


@contextmanager
def _stage() -> Iterator[Programs]:
    """An Aura with two agents, one with the servers and one without; its events are on."""
    with ExitStack() as stack:
        where = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider = stack.enter_context(upstream())
        bare = stack.enter_context(_bare(provider.address[1], where))
        agent = CONFIG.format(port=provider.address[1])
        tables = [table(name, stack.enter_context(mcp_server(name))) for name in NAMES]
        _write(where / "alone.toml", agent.replace('"bench"', '"alone"'))
        _write(where / "served.toml", "".join((agent.replace('"bench"', '"served"'), *tables)))
        options = ("--aura-custom-events", "true")
        server = stack.enter_context(aura(where, *options, where=where))
        yield Programs(provider, bare, server)


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


@contextmanager
def _bare(provider: int, where: Path) -> Iterator[Program]:
    port = free_port()
    command = ("benchmarks.bare", str(port), str(provider))
    with started(command, port, core=SERVER_CORE, where=where) as program:
        yield program


async def _measure(running: Programs) -> list[Row]:
    direct = await connect(running.upstream.address, keep=True)
    bare = await connect(running.bare.address, keep=True)
    through = await connect(running.aura.address, keep=True)
    for _ in range(WARM_UP):
        _insist(await through.ask(body(PAUSED, "served")))
    ways = {"direct": direct, "bare": bare, "alone": through, "served": through}
    await _waits(ways, PAUSED, rounds=WARM_UP)
    idle = await _waits(ways, PAUSED)
    busy = await _waits(ways, AT_ONCE, together=TOGETHER)
    return [
        *_added("first event, 3 servers", idle["direct"], idle["served"], TARGET),
        *_added("first event, no server", idle["direct"], idle["alone"]),
        *_added("first event, the thinnest program", idle["direct"], idle["bare"]),
        *_added("3 servers against none", idle["alone"], idle["served"]),
        *_added("without pauses, 3 servers", busy["direct"], busy["served"], TARGET),
        *_added("without pauses, no server", busy["direct"], busy["alone"]),
        *_added("without pauses, the thinnest program", busy["direct"], busy["bare"]),
    ]


async def _waits(
    ways: Mapping[str, Connection], script: str, *, rounds: int = REQUESTS, together: int = 1
) -> dict[str, list[float]]:
    """How long each way takes to its first event, in milliseconds. They take turns of so many
    requests together, so that whatever else the machine does hits all alike."""
    waits: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds // together):
        for way, connection in ways.items():
            content = body(script, "served" if way == "served" else "alone")
            waits[way] += [await _took(connection, content) for _ in range(together)]
    return waits


async def _took(connection: Connection, content: bytes) -> float:
    """Milliseconds to the read with the first frame; the status line may come in one before it."""
    heard = await connection.ask(content)
    for when, data in zip(heard.times, heard.kept, strict=True):
        if b"data: {" in data:
            return (when - heard.begun) / 1e6
    message = "an answer had no frame"
    raise RuntimeError(message)


def _insist(heard: Heard) -> None:
    """Raises unless the answer says that every server is connected."""
    answer = b"".join(heard.kept)
    if answer.count(b'"status":"connected"') != len(NAMES):
        message = f"a server is not connected: {answer!r}"
        raise RuntimeError(message)


def _added(
    what: str, before: list[float], after: list[float], target: float | None = None
) -> list[Row]:
    """How much later it comes, at both percentiles."""
    shares = {"p50": 0.5, "p99": 0.99}
    pairs = [(percentile(before, share), percentile(after, share)) for share in shares.values()]
    return [
        Row(
            what=f"{what} {name}",
            value=late - early,
            unit="ms",
            target=target,
            direct=early,
            through=late,
        )
        for name, (early, late) in zip(shares, pairs, strict=True)
    ]


if __name__ == "__main__":
    measured(__doc__, measure)
