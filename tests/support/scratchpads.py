"""Scratchpads as agents have them, on a directory of a test."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio
import structlog

from aura.adapters.scratchpad.pad import Pad, Settings
from aura.adapters.scratchpad.pads import Pads
from aura.adapters.scratchpad.place import Place
from aura.adapters.scratchpad.weighing import Tokens
from aura.adapters.tokens import counter
from aura.events import ToolCompleted
from aura.pipeline.ports import Diverted


class Ready:
    """A counter that is there at once."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def want(self) -> None:
        """Nothing has to be loaded."""

    async def get(self) -> Tokens:
        return self._tokens


def scratchpads(
    root: Path,
    *,
    window: int = 32_000,
    margin: float = 0.2,
    per_call: int = 10_000,
    rounds: int = 6,
    hidden: bool = True,
    max_bytes: int = 0,
    retention: float = 0.0,
    now: Callable[[], float] = time.time,
) -> Pads:
    """Scratchpads below a directory, counted as OpenAI's newest models count."""
    return Pads(
        Settings(
            place=Place(root, max_bytes=max_bytes, retention=retention, now=now),
            tokens=Ready(counter("openai", "gpt-4o")),
            window=window,
            margin=margin,
            per_call=per_call,
            rounds=rounds,
            hidden=hidden,
        )
    )


def kept(root: Path, text: str, **options: int) -> tuple[Diverted, Pad]:
    """What becomes of a large result of `list` on a scratchpad below a directory."""
    call = ToolCompleted(
        agent_id="main", tool_id="1", tool_name="list", duration_ms=0, success=True, result=text
    )

    async def keep() -> tuple[Diverted, Pad]:
        pads = scratchpads(root, **options)  # type: ignore[arg-type]
        log = structlog.get_logger()
        async with anyio.create_task_group() as tasks:
            with pads.open({"list": 1}, session_id="s", run_id="r", tasks=tasks, log=log) as pad:
                diverted = await pad.diverted(call)
        return diverted, pad

    return anyio.run(keep)
