"""What a configuration says about scratchpads, as the adapters take it.

What reads files and counts tokens is imported when a configuration asks for a scratchpad: the
vocabularies alone take as much memory as everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from anyio.abc import TaskGroup

from aura.config.llm import Llm
from aura.config.schema import Config, Scratchpad
from aura.errors import Problem
from aura.pipeline.ports import Scratchpads

FOLDER = "scratchpad"
"""Where in `memory_dir` the files are."""


def opened(
    config: Config,
    wanted: Scratchpad,
    llm: Llm,
    tasks: TaskGroup,
    *,
    shown: bool,
    now: Callable[[], float],
) -> Scratchpads | None:
    """The scratchpads of an agent with this model, if it has any; `shown` says that clients are
    told what happens there."""
    if not wanted.enabled or llm.context_window is None or config.kept_in is None:
        return None
    from aura.adapters.scratchpad.pad import Settings
    from aura.adapters.scratchpad.pads import Loading, Pads
    from aura.adapters.scratchpad.place import Place
    from aura.adapters.tokens import counter

    tokens = Loading(partial(counter, llm.provider, llm.model))
    tasks.start_soon(tokens.load)
    return Pads(
        Settings(
            place=Place(
                Path(config.kept_in, FOLDER),
                max_bytes=config.scratchpad_max_bytes,
                retention=config.scratchpad_retention_secs,
                now=now,
            ),
            tokens=tokens,
            window=llm.context_window,
            margin=wanted.context_safety_margin,
            per_call=wanted.max_extraction_tokens,
            rounds=wanted.turn_depth_bonus,
            hidden=not shown,
        )
    )


def limits(config: Config, wanted: Scratchpad) -> Mapping[str, Sequence[tuple[str, int]]]:
    """For each server the globs over its tools, with the tokens that are too many."""
    if not wanted.enabled:
        return {}
    return {
        name: tuple((glob, each.min_tokens) for glob, each in server.scratchpad.items())
        for name, server in config.mcp.servers.items()
    }


def reserved(wanted: Scratchpad) -> tuple[str, ...]:
    """The names of the tools that explore a scratchpad."""
    if not wanted.enabled:
        return ()
    from aura.adapters.scratchpad.tools import NAMES

    return NAMES


def problem(config: Config) -> Problem | None:
    """Why no files could be written, if that is so, without writing any."""
    pads = [
        config.agent.scratchpad,
        *map(config.scratchpad_of, config.orchestration.worker.values()),
    ]
    if not any(pad.enabled for pad in pads) or config.kept_in is None:
        return None
    from aura.adapters.scratchpad.place import obstacle

    reason = obstacle(Path(config.kept_in, FOLDER))
    return config.source.problem(("memory_dir",), reason, kind="io") if reason else None
