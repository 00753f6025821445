"""Paths into JSON as models write them: `results.0.title`, `$.results[0]["a.b"]`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from aura.adapters.scratchpad.refusals import ToolFailed

LONGEST_PATH = 4096
MOST_STEPS = 256

_STEP = re.compile(
    r"""
    \[ \s* (?: (?P<index>-?\d{1,18})
             | (?P<double>"(?:[^"\\]|\\.)*+")
             | '(?P<single>(?:[^'\\]|\\.)*+)'
             | \* ) \s* \]
    | \.? (?P<name>[^.\[]+)
    | (?P<nothing>\.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_INDEX = re.compile(r"-?\d{1,18}", re.ASCII)


class Step(NamedTuple):
    """One step down. A bare number can be a key or an index: what is there decides."""

    key: str | None
    number: int | None

    def __str__(self) -> str:
        return str(self.number) if self.key is None else self.key


def steps_of(path: str) -> tuple[Step, ...]:
    """The steps of a path; none for the root, which is written as nothing, `$` or `.`. Raises
    `ToolFailed`."""
    if len(path) > LONGEST_PATH:
        raise ToolFailed(f"The path is longer than {LONGEST_PATH} characters.")
    rest = path.strip()
    rest = rest[1:] if rest == "$" or rest.startswith(("$.", "$[")) else rest
    steps: list[Step] = []
    place = 0
    while place < len(rest):
        match = _STEP.match(rest, place)
        if match is None or match[0].endswith("*]"):
            raise ToolFailed(
                f"The path {path!r} cannot be read from {rest[place:][:40]!r} on. Write it as in"
                ' `items.0.name`, or as in `items[0]["a key"]`; for every item of a list use'
                " item_schema or iterate_over."
            )
        place = match.end()
        if match["nothing"] is None:
            steps.append(_step(match))
    if len(steps) > MOST_STEPS:
        raise ToolFailed(f"The path has more than {MOST_STEPS} steps.")
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if (index := match["index"]) is not None:
        return Step(None, int(index))
    if (double := match["double"]) is not None:
        try:
            return Step(msgspec.json.decode(double, type=str), None)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return Step(double[1:-1], None)
    if (single := match["single"]) is not None:
        return Step(re.sub(r"\\(.)", r"\1", single, flags=re.DOTALL), None)
    name = match["name"].strip()
    return Step(name, int(name) if _INDEX.fullmatch(name) else None)


def written(steps: Iterable[Step]) -> str:
    """The steps as a path in dots, with brackets where dots would not do; empty for the root."""
    return "".join(map(_written, steps)).removeprefix(".")


def below(path: str, key: str | int) -> str:
    """The path, beginning with `$`, of something in what `path` leads to."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return path + (f".{key}" if _PLAIN.fullmatch(key) else f"[{_quoted(key)}]")


def _written(step: Step) -> str:
    if step.key is None:
        return f".{step.number}"
    plain = _PLAIN.fullmatch(step.key) or step.number is not None
    return f".{step.key}" if plain else f"[{_quoted(step.key)}]"


def _quoted(key: str) -> str:
    return msgspec.json.encode(key).decode()
