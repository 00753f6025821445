"""What a run log is: where the entries of runs are kept before anybody is shown them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from aura.events import FinishReason, RunCompleted, RunFailed, Usage
from aura.runs.entry import Entry

Status = Literal["running", "completed", "failed", "cancelled", "interrupted"]

LEFT = "client_disconnected"
STALLED = "client_stalled"
"""Codes of runs whose last client left, or was cut because it did not read for too long."""

CANCELLED = frozenset({"run_cancelled", LEFT, STALLED})
"""Codes of runs that somebody ended on purpose, or that nobody was left to read."""

INTERRUPTED = "run_interrupted"
"""The code of a run whose server was gone before the run was over."""


def outcome(failed: RunFailed | None) -> Status:
    """How a run ended that failed in this way, or not at all."""
    if failed is None:
        return "completed"
    if failed.code == INTERRUPTED:
        return "interrupted"
    return "cancelled" if failed.code in CANCELLED else "failed"


class Head(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a run when it begins.

    `created` is in seconds since the epoch. `owner` stands for the token of the caller, which it
    does not reveal. `view` is how the caller asked to see the run, in words of the server's, as
    JSON.
    """

    run_id: str
    request_id: str
    completion_id: str
    session_id: str
    agent: str
    model: str
    created: int
    owner: str
    stream: bool
    view: msgspec.Raw


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A run as the log knows it.

    `begins` is the number of the first frame that can still be read, `next` that of the next one;
    `seconds` is how long the run took or has taken up to its last entry.
    """

    head: Head
    begins: int = 0
    next: int = 0
    seconds: float = 0.0
    over: bool = False
    reason: FinishReason | None = None
    usage: Usage | None = None
    failed: RunFailed | None = None

    @property
    def status(self) -> Status:
        """Where the run stands."""
        return outcome(self.failed) if self.over else "running"

    def after(self, entry: Entry) -> Record:
        """The same with one more entry."""
        if not isinstance(entry.event, RunCompleted):
            following = entry.last + 1
            return msgspec.structs.replace(self, next=following, seconds=entry.at)
        ended = entry.ended
        return msgspec.structs.replace(
            self,
            next=entry.last + 1,
            seconds=entry.at,
            over=True,
            reason=entry.event.reason,
            usage=None if ended is None else ended.usage,
            failed=None if ended is None else ended.failed,
        )


class Missing(LookupError):
    """Raised for a run that the log does not have, or not any more when it `expired`."""

    def __init__(self, run_id: str, *, expired: bool = False) -> None:
        super().__init__(run_id)
        self.expired = expired


class Trimmed(LookupError):
    """Raised for a position in a run whose entries are not kept any more; `begins` is the number
    of the first frame that is."""

    def __init__(self, run_id: str, begins: int) -> None:
        super().__init__(run_id)
        self.begins = begins


class Tail(Protocol):
    """One reader's place in a run."""

    async def batch(self) -> Sequence[Entry]:
        """The entries that follow, as soon as there are any; nothing only after `wake`. The one
        with `RunCompleted` is the last. Raises `Trimmed` for a reader who is too far behind."""
        ...

    def wake(self) -> None:
        """End the current wait, if there is one, with nothing."""
        ...


class RunLog(Protocol):
    """Keeps runs, within bounds of its own. Entries are appended before anybody is shown them.

    Only the process that began a run appends to it; every process may read it.
    """

    async def begin(self, head: Head) -> None:
        """Begin to keep a run."""
        ...

    async def append(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Keep what happened next. A failure to do so is the log's to report and to make good:
        the run goes on."""
        ...

    async def close(self, run_id: str) -> None:
        """Nothing more comes of this run; from now on it can be forgotten for its age."""
        ...

    def tail(
        self, run_id: str, after: int, *, awaited: bool = False
    ) -> AbstractAsyncContextManager[Tail]:
        """Read a run from behind the frame with this number, -1 for all of it, until it is over.
        What a reader has not got that the run waits for, one that is `awaited`, is not trimmed.

        Raises `Missing` and `Trimmed`.
        """
        ...

    async def find(self, run_id: str) -> Record:
        """How a run stands. Raises `Missing`."""
        ...

    async def list(
        self, owner: str, *, limit: int, before: str | None = None, session: str | None = None
    ) -> list[Record]:
        """The runs of an owner, the newest first, at most `limit`; only those older than the run
        `before` and only those of a session, where one is given."""
        ...
