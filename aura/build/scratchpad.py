"""What a configuration says about scratchpads, as the adapters take it.

What reads files and counts tokens is imported when a configuration asks for a scratchpad: the
vocabularies alone take as much memory as everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from anyio.abc import TaskGroup

from aura.config.schema import Config
from aura.errors import Problem
from aura.pipeline.ports import Scratchpads

FOLDER = "scratchpad"
"""Where in `memory_dir` the files are."""


def opened(
    config: Config, tasks: TaskGroup, *, shown: bool, now: Callable[[], float]
) -> Scratchpads | None:
    """The scratchpads of an agent, if it has any; `shown` says that clients are told what happens
    there."""
    wanted, window = config.agent.scratchpad, config.agent.llm.context_window
    if not wanted.enabled or window is None or config.memory_dir is None:
        return None
    from aura.adapters.scratchpad.pad import Settings
    from aura.adapters.scratchpad.pads import Loading, Pads
    from aura.adapters.scratchpad.place import Place
    from aura.adapters.tokens import counter

    tokens = Loading(partial(counter, config.agent.llm.provider, config.agent.llm.model))
    tasks.start_soon(tokens.load)
    return Pads(
        Settings(
            place=Place(
                Path(config.memory_dir, FOLDER),
                max_bytes=config.scratchpad_max_bytes,
                retention=config.scratchpad_retention_secs,
                now=now,
            ),
            tokens=tokens,
            window=window,
            margin=wanted.context_safety_margin,
            per_call=wanted.max_extraction_tokens,
            rounds=wanted.turn_depth_bonus,
            hidden=not shown,
        )
    )


def limits(config: Config) -> Mapping[str, Sequence[tuple[str, int]]]:
    """For each server the globs over its tools, with the tokens that are too many."""
    if not config.agent.scratchpad.enabled:
        return {}
    return {
        name: tuple((glob, each.min_tokens) for glob, each in server.scratchpad.items())
        for name, server in config.mcp.servers.items()
    }


def reserved(config: Config) -> tuple[str, ...]:
    """The names of the tools that explore a scratchpad."""
    if not config.agent.scratchpad.enabled:
        return ()
    from aura.adapters.scratchpad.tools import NAMES

    return NAMES


def problem(config: Config) -> Problem | None:
    """Why no files could be written, if that is so, without writing any."""
    if not config.agent.scratchpad.enabled or config.memory_dir is None:
        return None
    from aura.adapters.scratchpad.place import obstacle

    reason = obstacle(Path(config.memory_dir, FOLDER))
    return config.source.problem(("memory_dir",), reason, kind="io") if reason else None
