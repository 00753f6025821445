"""Large results as tools give them: a cluster's pods, a log, a runbook. The same on every run."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

NODES = 40
IMAGES = ("web", "cart", "search", "billing", "mail")
PHASES = ("Running",) * 46 + ("Pending",) * 3 + ("Failed",)


def pods(size: int, seed: int = 1) -> bytes:
    """About so many bytes of JSON, compact: `items` with `metadata`, `spec` and `status` each."""
    return b'{"kind":"PodList","apiVersion":"v1","items":[' + b",".join(_until(size, seed)) + b"]}"


def _until(size: int, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    number = written = 0
    while written < size:
        pod = msgspec.json.encode(pod_of(number, chance))
        written += len(pod) + 1
        number += 1
        yield pod


def pod_of(number: int, chance: random.Random) -> dict[str, object]:
    """One pod; some have run out of memory, and say so in a log of several lines."""
    phase = chance.choice(PHASES)
    image = chance.choice(IMAGES)
    status: dict[str, object] = {
        "phase": phase,
        "podIP": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "restarts": chance.randrange(4) if phase == "Running" else chance.randrange(4, 30),
        "conditions": [
            {"type": kind, "status": "True" if phase == "Running" else "False"}
            for kind in ("Ready", "ContainersReady", "PodScheduled")
        ],
    }
    if phase == "Failed":
        status["reason"] = chance.choice(("OOMKilled", "Evicted", "Error"))
    return {
        "metadata": {
            "name": f"{image}-{number:06}",
            "namespace": f"team-{number % 25}",
            "uid": f"{chance.getrandbits(128):032x}",
            "labels": {"app.kubernetes.io/name": image, "tier": "a" if number % 3 else "b"},
        },
        "spec": {
            "nodeName": f"node-{chance.randrange(NODES):02}",
            "containers": [
                {
                    "name": image,
                    "image": f"registry.local/{image}:1.{number % 90}",
                    "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
                }
            ],
        },
        "status": status,
    }


def log(size: int, seed: int = 2) -> bytes:
    """About so many bytes of log lines; few are errors, and one names a root cause."""
    chance = random.Random(seed)
    lines = [
        b"2026-11-23T%02d:%02d:%02d.%03dZ %s worker-%02d handled request %08x in %d ms\n"
        % (
            *(number // 3600 % 24, number // 60 % 60, number % 60, chance.randrange(1000)),
            b"ERROR" if chance.random() < 0.0005 else b"INFO",
            *(number % 16, chance.getrandbits(32), chance.randrange(1, 900)),
        )
        for number in range(40_000)
    ]
    block = b"".join(lines)
    cause = b"2026-11-23T12:00:00.000Z FATAL worker-07 root cause: certificate of vault expired\n"
    half = size // len(block) // 2
    return block * half + cause + block * (size // len(block) - half)


def runbook(sections: int = 400) -> bytes:
    """Markdown with so many procedures, with code that has signs of headers in it."""
    title = "# Runbook\n\nWhat to do when something breaks.\n"
    return "".join((title, *map(_section, range(sections)))).encode()


def _section(number: int) -> str:
    image = IMAGES[number % len(IMAGES)]
    steps = "".join(f"Step {step}: look at dashboard {number}-{step}.\n" for step in range(12))
    severity = "high" if number % 9 == 0 else "low"
    return (
        f"\n## Procedure {number}: {image} alert {number * 7 % 1000}\n\n"
        f"- owner: team-{number % 25}\n- severity: {severity}\n\n{steps}\n"
        f"```sh\n# not a header\nkubectl restart {image}-{number}\n```\n\n"
        f"### Escalation\n\nCall extension {4000 + number}.\n"
    )
