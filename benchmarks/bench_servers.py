"""Servers: what Aura adds to the wait for the first event, with three warm MCP servers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks.client import Connection, Heard, connect
from benchmarks.lane import measured
from benchmarks.machine import (
    CONFIG,
    SERVER_CORE,
    Program,
    Stage,
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

SCRIPT = "tokens=4 pace=0.003"


def measure() -> list[Row]:
    """With the servers and without, each against the upstream itself."""
    with _stage() as running:
        return run(_measure(running))


@contextmanager
def _stage() -> Iterator[Stage]:
    """An Aura with two agents, one with the servers and one without; its events are on."""
    with ExitStack() as stack:
        where = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider = stack.enter_context(upstream())
        agent = CONFIG.format(port=provider.address[1])
        tables = [table(name, stack.enter_context(mcp_server(name))) for name in NAMES]
        _write(where / "bare.toml", agent.replace('"bench"', '"bare"'))
        _write(where / "served.toml", "".join((agent.replace('"bench"', '"served"'), *tables)))
        yield Stage(provider, stack.enter_context(_aura(where)))


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


@contextmanager
def _aura(where: Path) -> Iterator[Program]:
    port = free_port()
    options = ("--port", str(port), "--shutdown-timeout-secs", "0", "--aura-custom-events", "true")
    command = ("aura", "serve", "--config", str(where), *options)
    with started(command, port, core=SERVER_CORE, where=where) as program:
        yield program


def _body(model: str) -> bytes:
    messages = [{"role": "user", "content": SCRIPT}]
    return msgspec.json.encode({"model": model, "stream": True, "messages": messages})


BARE, SERVED = _body("bare"), _body("served")


async def _measure(running: Stage) -> list[Row]:
    """Requests take turns, so that whatever else the machine does hits all alike."""
    direct = await connect(running.upstream.address, keep=True)
    through = await connect(running.aura.address, keep=True)
    for _ in range(WARM_UP):
        await _took(direct, BARE)
        await _took(through, BARE)
        _insist(await through.ask(SERVED))
    alone: list[float] = []
    bare: list[float] = []
    served: list[float] = []
    for _ in range(REQUESTS):
        alone.append(await _took(direct, BARE))
        bare.append(await _took(through, BARE))
        served.append(await _took(through, SERVED))
    return [
        *_added("first event, 3 servers", alone, served, TARGET),
        *_added("first event, no server", alone, bare),
        *_added("3 servers against none", bare, served),
    ]


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
