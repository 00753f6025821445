"""Soak: a server under load for minutes, with clients that leave and a provider that fails.

python -m benchmarks.bench_soak [SECONDS] [RUN_LOG_DIR]

Needs node and the packages of tests/integration/node (`make test` installs them).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression, median

import aiohttp
import uvloop

from benchmarks.machine import CONFIG, LOAD_CORE, ROOT, aura, free_port
from benchmarks.table import Row, show

SECONDS = 600.0
STREAMS = 200
LEAVING = 0.10
RESUMING = 0.05
DROPPED, DISCONNECTED = 0.025, 0.025
PACE_MS = 50
TEXT = "All work and no play makes a dull log. " * 100
EVERY = 5.0
"""Seconds between two looks at the server."""

INJECTED = frozenset({"provider_unavailable", "provider_stream_cut"})
"""What the faults of the provider look like to a client, when trying again did not help."""

AIMOCK = ROOT / "tests/integration/node/node_modules/@copilotkit/aimock/dist/cli.js"
MEBIBYTE = 1024 * 1024


class Load:
    """Streams, one after the other, and how each of them ended."""

    def __init__(self, url: str, until: float) -> None:
        self.outcomes: Counter[str] = Counter()
        self._url = url
        self._until = until
        self._chance = random.Random(20260101)

    async def user(self, http: aiohttp.ClientSession) -> None:
        """Ask, read, ask again; now and then leave, or lose the connection and come back."""
        await asyncio.sleep(self._chance.random() * 5)
        while time.monotonic() < self._until:
            what = self._chance.random()
            leave = what < LEAVING + RESUMING
            stay = self._chance.uniform(0.1, 5.0) if leave else None
            resume = leave and what < RESUMING
            outcome = await self._stream(http, stay, "grace:30" if resume else "cancel")
            if resume and outcome.startswith("left at "):
                outcome = await self._resume(http, outcome.removeprefix("left at "))
            self.outcomes["left" if outcome.startswith("left") else outcome] += 1

    async def _stream(
        self, http: aiohttp.ClientSession, stay: float | None, on_disconnect: str
    ) -> str:
        body = {"stream": True, "messages": [{"role": "user", "content": "soak"}]}
        headers = {"x-aura-on-disconnect": on_disconnect}
        address = f"{self._url}/v1/chat/completions"
        async with http.post(address, json=body, headers=headers) as answer:
            if answer.status != 200:
                return _code(await answer.read())
            return await _read(answer, stay)

    async def _resume(self, http: aiohttp.ClientSession, last: str) -> str:
        run = last.partition(":")[0]
        headers = {"last-event-id": last}
        async with http.get(f"{self._url}/aura/runs/{run}/events", headers=headers) as answer:
            if answer.status != 200:
                return _code(await answer.read())
            outcome = await _read(answer, None)
        return "resumed" if outcome == "answered" else outcome


async def _read(answer: aiohttp.ClientResponse, stay: float | None) -> str:
    """How a stream ended: `answered`, `left at` a frame, or the code of an error."""
    last, until = "", None if stay is None else time.monotonic() + stay
    async for line in answer.content:
        if line.startswith(b"id: "):
            last = line[4:].decode().strip()
        elif line == b"data: [DONE]\n":
            return "answered"
        elif line.startswith(b'data: {"error"'):
            return _code(line[6:])
        elif until is not None and last and time.monotonic() > until:
            return f"left at {last}"
    return "broke off"


def _code(body: bytes) -> str:
    return str(json.loads(body)["error"].get("code"))


def measure(seconds: float, run_log: str) -> list[Row]:
    """Everything, from the start of the provider to the table."""
    with tempfile.TemporaryDirectory() as folder, _provider(Path(folder)) as provider:
        (Path(folder) / "bench.toml").write_text(CONFIG.format(port=provider))
        options = ("--run-log", run_log, "--run-log-memory-bytes", str(16 * MEBIBYTE))
        options = (*options, "--run-log-disk-bytes", str(64 * MEBIBYTE))
        with aura(Path("bench.toml"), *options, where=Path(folder)) as server:
            url = f"http://127.0.0.1:{server.address[1]}"
            return uvloop.run(_soak(server.pid, url, seconds))


async def _soak(pid: int, url: str, seconds: float) -> list[Row]:
    load = Load(url, time.monotonic() + seconds)
    looks: list[tuple[float, float, int, int]] = []
    begun = time.monotonic()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        idle = _look(pid, 0.0)
        users = [asyncio.ensure_future(load.user(http)) for _ in range(STREAMS)]
        while time.monotonic() < begun + seconds:
            await asyncio.sleep(EVERY)
            looks.append(_look(pid, time.monotonic() - begun))
        await asyncio.gather(*users)
    await asyncio.sleep(EVERY)
    return _rows(load.outcomes, idle, looks, _look(pid, time.monotonic() - begun))


def _rows(
    outcomes: Counter[str],
    idle: tuple[float, float, int, int],
    looks: list[tuple[float, float, int, int]],
    after: tuple[float, float, int, int],
) -> list[Row]:
    warm = [look for look in looks if look[0] > looks[-1][0] / 4]
    slope, _ = linear_regression([look[0] / 60 for look in warm], [look[1] for look in warm])
    fine = ("answered", "resumed", "left")
    injected = sum(count for code, count in outcomes.items() if code in INJECTED)
    others = {code: n for code, n in outcomes.items() if code not in INJECTED and code not in fine}
    ends = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
    first, last = (median(look[1] for look in part) for part in (warm[:6], warm[-6:]))
    return [
        Row(what="streams", value=sum(outcomes.values()), unit="", note=ends),
        Row(what="errors that were injected", value=injected, unit=""),
        Row(what="other errors", value=sum(others.values()), unit="", target=0, note=str(others)),
        Row(
            what="memory, growth once warm",
            value=slope,
            unit="MiB/min",
            target=0,
            note=f"MiB: idle {idle[1]:.1f}, warm {first:.1f}, at the end {last:.1f},"
            f" after {after[1]:.1f}",
        ),
        Row(
            what="descriptors after, above before",
            value=after[2] - idle[2],
            unit="",
            target=0,
            note=f"at most {max(look[2] for look in looks)}",
        ),
        Row(
            what="threads after, above before",
            value=after[3] - idle[3],
            unit="",
            note=f"at most {max(look[3] for look in looks)}",
        ),
    ]


def _look(pid: int, at: float) -> tuple[float, float, int, int]:
    """The moment, resident MiB, descriptors and threads of a process."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    )
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return at, int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"])


@contextmanager
def _provider(folder: Path) -> Iterator[int]:
    """A provider that others wrote, told to fail now and then; gives its port."""
    node, port = shutil.which("node"), free_port()
    if node is None or not AIMOCK.exists():
        sys.exit("the soak needs node and its packages: run `make test` once")
    replies = folder / "replies.json"
    fixture = {"match": {"userMessage": "soak"}, "response": {"content": TEXT}}
    replies.write_text(json.dumps({"fixtures": [fixture]}))
    os.sched_setaffinity(0, {LOAD_CORE})
    options = {
        "--port": port,
        "--fixtures": replies,
        "--latency": PACE_MS,
        "--log-level": "silent",
        "--journal-max": 10,
        "--chaos-drop": DROPPED,
        "--chaos-disconnect": DISCONNECTED,
    }
    given = [str(word) for option in options.items() for word in option]
    process = subprocess.Popen(
        [node, str(AIMOCK), *given], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(2)
        yield port
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    given = sys.argv[1:]
    show(__doc__, measure(float(given[0]) if given else SECONDS, (given[1:] or ["memory"])[0]))
