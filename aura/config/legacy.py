"""Keys of [orchestration] under the names and in the places that they had before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aura.config.source import KeyPath, Source
from aura.errors import Problem

FLAT: Final = (
    "memory_dir",
    "memory_path",
    "result_artifact_threshold",
    "result_summary_length",
    "session_history_turns",
    "persistence_drain_timeout_ms",
    "tool_output_artifact_threshold",
    "tool_output_duration_threshold_ms",
)
"""Keys that belong in [orchestration.artifacts] and win over it when they stand above it."""

HERE: Final[KeyPath] = ("orchestration",)
BELOW: Final[KeyPath] = ("orchestration", "artifacts")


class Moved(NamedTuple):
    """A document with every key in its place, the lines of the keys there, and what to say."""

    tree: Mapping[str, Any]
    source: Source
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def moved(tree: Mapping[str, Any], source: Source) -> Moved:
    """Put old keys where they belong. Two names for one key in one table are a problem."""
    table = tree.get("orchestration")
    if not isinstance(table, dict):
        return Moved(tree, source)
    artifacts = table.get("artifacts", {})
    if not isinstance(artifacts, dict):
        return Moved(tree, source)
    flat = {key: table[key] for key in FLAT if key in table}
    problems = [
        source.problem((*path, "memory_path"), _TWICE, kind="parse")
        for path, keys in ((HERE, flat), (BELOW, artifacts))
        if {"memory_dir", "memory_path"} <= keys.keys()
    ]
    warnings = [source.problem((*HERE, key), _moves(key)) for key in flat]
    lines = dict(source.lines)
    for path, keys in ((BELOW, artifacts), (HERE, flat)):
        for key in keys:
            if (*path, key) in lines:
                lines[(*BELOW, _named(key))] = lines[(*path, key)]
    joined = {_named(key): value for key, value in {**artifacts, **flat}.items()}
    rest = {key: value for key, value in table.items() if key not in flat}
    if joined or "artifacts" in table:
        rest["artifacts"] = joined
    new = {**tree, "orchestration": rest}
    return Moved(new, Source(source.file, lines), tuple(problems), tuple(warnings))


_TWICE: Final = "duplicate field `memory_dir`: `memory_path` is another name for it; keep one"


def _named(key: str) -> str:
    return "memory_dir" if key == "memory_path" else key


def _moves(key: str) -> str:
    if key.startswith("memory_"):
        return "belongs at the top of the file: `memory_dir`"
    return f"belongs in [orchestration.artifacts]: `{_named(key)}`"
