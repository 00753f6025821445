"""Results that are too long to be shown whole, where they can still be read."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from aura.events import TaskCompleted
from aura.pipeline.ports import Record
from aura.pipeline.team import Thresholds

FOLDER: Final = "artifacts"

_ODD = re.compile(r"[^a-z0-9]+")
_NAME = re.compile(r"[^/\\\0]+")


class Shelf:
    """The artifacts of one run: in its record, or in memory when there is none."""

    def __init__(self, thresholds: Thresholds, record: Record | None) -> None:
        self.thresholds = thresholds
        self.record = record
        self._texts: dict[str, str] = {}

    def put(self, name: str, text: str) -> str:
        """Keep a text under this name, which is given back."""
        if self.record is None:
            self._texts[name] = text
        else:
            self.record.keep(f"{FOLDER}/{name}", text.encode("utf-8", "replace"))
        return name

    async def get(self, name: str, run_id: str | None) -> str | None:
        """A text of this run, or of another run of the session. Raises `OSError`."""
        if self.record is None:
            return self._texts.get(name) if run_id is None else None
        data = await self.record.read(f"{FOLDER}/{name}", run_id)
        return None if data is None else data.decode("utf-8", "replace")

    def result(self, done: TaskCompleted) -> str:
        """What others are shown of a result: all of it, or its beginning and where the rest is."""
        text, limits = done.result, self.thresholds
        if len(text) <= limits.result or not done.artifact:
            return text
        return (
            f"{text[: limits.summary]}\n\n[{len(text)} characters in all; read_artifact shows them:"
            f" {done.artifact}]"
        )

    def output(self, base: str, text: str, seconds: float) -> tuple[str, bool]:
        """Keep an output of a tool if it is long or took long: its name, if so, and whether it was
        long. Without a record there is no need: it stays in the conversation."""
        limits = self.thresholds
        long = len(text) > limits.output
        slow = bool(limits.output_seconds) and seconds > limits.output_seconds
        if self.record is None or not (long or slow):
            return "", False
        return self.put(f"{base}-output.txt", text), long


def shelved(done: TaskCompleted, worker: str | None, shelf: Shelf) -> TaskCompleted:
    """The end of a task, with its result kept as an artifact if it is too long to be shown."""
    if len(done.result) <= shelf.thresholds.result:
        return done
    name = f"{base(done.task_id, worker, done.iteration)}-result.txt"
    return msgspec.structs.replace(done, artifact=shelf.put(name, done.result))


def base(task_id: int, worker: str | None, iteration: int) -> str:
    """How the names of the artifacts of a task begin."""
    return f"task-{task_id}-{part(worker or 'default')}-iter-{iteration}"


def part(name: str) -> str:
    """A name as part of the name of a file."""
    return _ODD.sub("-", name.lower()).strip("-") or "unknown"


def is_name(name: str) -> bool:
    """Whether this can be the name of an artifact, and not a way to somewhere else."""
    return bool(_NAME.fullmatch(name)) and ".." not in name
