"""Runs made by hand, logs to keep them in, and a process that keeps one.

    python -m tests.support.runs DIRECTORY [BYTES]

keeps the run `run_child` in the directory, in a file of at most so many bytes, and obeys the lines
on standard input: `append COUNT`, of which each is told on standard output with its number as soon
as it is appended, `end` and `close`; it leaves at the end of the input.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

import anyio
import anyio.to_thread
import msgspec
import structlog
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from aura.events import AnyEvent, RunCompleted, SessionInfo, TextDelta
from aura.log import configure
from aura.runs.directory import DirectoryLog, open_directory
from aura.runs.entry import Entry, Numbering
from aura.runs.files import Sync, Write
from aura.runs.log import Head, RunLog
from aura.runs.memory import MemoryLog
from tests.support.processes import environment
from tests.support.sources import NEW_YEAR

CHILD = "run_child"
ROOMY = 10_000_000
FIRST = SessionInfo(model="scripted/test")


def head(run_id: str, *, owner: str = "owner", session_id: str = "cs_1") -> Head:
    """The head of a run that began at New Year."""
    return Head(
        run_id=run_id,
        request_id=f"req_{run_id}",
        completion_id=f"chatcmpl-{run_id}",
        session_id=session_id,
        agent="one",
        model="scripted/test",
        created=int(NEW_YEAR),
        owner=owner,
        stream=True,
        view=msgspec.Raw(b'{"events":true}'),
    )


def says(text: str) -> TextDelta:
    """A piece of an answer."""
    return TextDelta(agent_id="main", text=text)


def numbered(
    events: Iterable[AnyEvent], *, shows_calls: bool = True, every: float = 0.5
) -> list[Entry]:
    """The events as entries, each so many seconds after the one before it."""
    numbering = Numbering(shows_calls=shows_calls)
    return [numbering.entry(event, number * every) for number, event in enumerate(events)]


@dataclass
class Story:
    """A run that is told to a log, piece by piece."""

    log: RunLog
    run_id: str
    entries: list[Entry] = field(default_factory=list)
    numbering: Numbering = field(default_factory=lambda: Numbering(shows_calls=True))

    async def tell(self, *events: AnyEvent) -> None:
        """Append these at once."""
        at = len(self.entries) * 0.5
        new = [self.numbering.entry(event, at) for event in events]
        self.entries += new
        await self.log.append(self.run_id, new)

    async def end(self) -> None:
        """Append the end, and close the run."""
        await self.tell(RunCompleted(reason="stop"))
        await self.log.close(self.run_id)


async def begun(log: RunLog, run_id: str, *, owner: str = "owner", session: str = "cs_1") -> Story:
    """A run that has begun."""
    await log.begin(head(run_id, owner=owner, session_id=session))
    story = Story(log, run_id)
    await story.tell(FIRST)
    return story


async def finished(log: RunLog, run_id: str, *texts: str, owner: str = "owner") -> Story:
    """A run that is over."""
    story = await begun(log, run_id, owner=owner)
    await story.tell(*map(says, texts))
    await story.end()
    return story


async def read(
    log: RunLog, run_id: str, after: int = -1, *, most: int = sys.maxsize
) -> list[Entry]:
    """What follows in a run, until it is over or there are so many entries."""
    found: list[Entry] = []
    async with log.tail(run_id, after) as tail:
        while len(found) < most and not (found and isinstance(found[-1].event, RunCompleted)):
            found += await tail.batch()
    return found


def behind(entries: Sequence[Entry], after: int) -> list[Entry]:
    """Those with a frame behind this one, and those without any whose place is behind it."""
    return [entry for entry in entries if max(entry.seq, entry.last) > after]


def memory(most_bytes: int = ROOMY, *, lifetime: float = 0.0) -> MemoryLog:
    """A log in memory whose clock stands still."""
    return MemoryLog(most_bytes=most_bytes, lifetime=lifetime, clock=lambda: 0.0)


@asynccontextmanager
async def directory(
    path: Path,
    *,
    most_memory: int = ROOMY,
    most_bytes: int = 0,
    lifetime: float = 0.0,
    now: float = NEW_YEAR,
    write: Write = os.write,
    sync: Sync = os.fsync,
) -> AsyncIterator[DirectoryLog]:
    """A log in a directory, as after a start of the server at that moment."""
    async with open_directory(
        path,
        memory=memory(most_memory),
        most_bytes=most_bytes,
        lifetime=lifetime,
        now=lambda: now,
        log=structlog.get_logger(),
        write=write,
        sync=sync,
    ) as log:
        yield log


SCALARS: dict[object, SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
}


def values(of: Any) -> SearchStrategy[Any]:
    """Anything that a field of this type can hold."""
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        fields = {each.name: values(each.type) for each in msgspec.structs.fields(of)}
        return st.builds(of, **fields)
    origin, arguments = get_origin(of), get_args(of)
    if origin in {Union, UnionType}:
        return st.one_of(*map(values, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    return SCALARS[of]


any_event: SearchStrategy[AnyEvent] = values(AnyEvent)


class Child:
    """The process that this module is, told what to do."""

    def __init__(self, path: Path, most_bytes: int | None = None) -> None:
        options = [] if most_bytes is None else [str(most_bytes)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.runs", str(path), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._words = self.process.stdin
        self._answers = self.process.stdout

    def told(self, words: str) -> None:
        """Say what to do."""
        self._words.write(f"{words}\n")
        self._words.flush()

    def heard(self) -> Iterator[str]:
        """The lines of its output as they come, until it is gone."""
        return map(str.strip, self._answers)

    def done(self, words: str) -> list[str]:
        """Say what to do, and wait until it is done; gives what was said meanwhile."""
        self.told(words)
        return list(takewhile(lambda line: line != "done", self.heard()))

    def kill(self) -> None:
        """Give the process no chance to do anything more."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        assert next(self.heard()) == "begun"
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self._words.close()
        self._answers.close()


async def keep(path: Path) -> None:
    """Keep a run as the lines on standard input say."""
    async with directory(path) as log:
        story = await begun(log, CHILD)
        _say("begun")
        while words := (await anyio.to_thread.run_sync(sys.stdin.readline)).split():
            match words:
                case ["append", count]:
                    for _ in range(int(count)):
                        await story.tell(says("word "))
                        _say(story.entries[-1].seq)
                case ["end"]:
                    await story.tell(RunCompleted(reason="stop"))
                case ["close"]:
                    await log.close(CHILD)
            _say("done")


def _say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure(stream=sys.stdout)
    if len(sys.argv) > 2:
        setrlimit(RLIMIT_FSIZE, (int(sys.argv[2]), getrlimit(RLIMIT_FSIZE)[1]))
    anyio.run(keep, Path(sys.argv[1]))
