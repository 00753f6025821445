"""An event of a run at its place: what the run log keeps and what every watcher is shown."""

from __future__ import annotations

import msgspec

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    ReasoningDelta,
    RunCompleted,
    RunFailed,
    Stopped,
    TextDelta,
    Thought,
    ToolCallDelta,
    ToolCalled,
    ToolCompleted,
    ToolDelegated,
    ToolRequested,
    TurnUsage,
    Usage,
)


class Ended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the end of a run has to say about the whole of it.

    `spoken` is whether there was any text.
    """

    spoken: bool = False
    usage: Usage | None = None
    failed: RunFailed | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of a run, with everything that a frame of it needs, so that each can be shown
    without those before it.

    `seq` is the number of the event's first frame and `at` its moment in seconds since the run
    began. `first` marks what opens the assistant's message. `index` is the position of a tool call
    among those of its kind, ours or the client's; it is -1 where there is none. `ended` is there
    on the last entry.
    """

    seq: int
    at: float
    event: AnyEvent
    first: bool = False
    index: int = -1
    ended: Ended | None = None

    @property
    def frames(self) -> int:
        """How many numbers the event takes."""
        return frames(self.event)

    @property
    def last(self) -> int:
        """The number of its last frame; one less than `seq` when it has none."""
        return self.seq + frames(self.event) - 1


def frames(event: AnyEvent) -> int:
    """How many frames an event can become, over all modes: each has a number in every mode, so a
    frame has the same number whatever a client asked to see."""
    match event:
        case TextDelta():
            return 1
        case ToolCalled(hidden=True) | ToolRequested(hidden=True) | ToolCompleted(hidden=True):
            return 0
        case ToolCalled():
            return 2 if event.delegated else 1
        case ToolCompleted():
            return 2
        case RunCompleted():
            return 4
        case (
            CompletionStarted()
            | CompletionEnded()
            | Stopped()
            | Thought()
            | ToolCallDelta()
            | ToolDelegated()
            | TurnUsage()
        ):
            return 0
        case _:
            return 1


def weight(event: AnyEvent) -> int:
    """For how many entries an event counts: one, and one more for each KiB of text in it."""
    match event:
        case TextDelta():
            return 1 + (len(event.text) >> 10)
        case ReasoningDelta():
            return 1 + (len(event.content) >> 10)
        case ToolCompleted(result=str(text)) | ToolCompleted(error=str(text)):
            return 1 + (len(text) >> 10)
        case _:
            return 1


class Numbering:
    """Turns the events of one run into entries.

    `shows_calls` says that calls of tools that run here are part of the assistant's message, as
    they are unless the client brought tools of its own.
    """

    def __init__(self, *, shows_calls: bool) -> None:
        self._shows_calls = shows_calls
        self._seq = 0
        self._begun = False
        self._spoken = False
        self._ours: dict[str, int] = {}
        self._theirs = 0
        self._usage: Usage | None = None
        self._failed: RunFailed | None = None

    def entry(self, event: AnyEvent, at: float) -> Entry:
        """The event at the next place."""
        seq = self._seq
        if isinstance(event, TextDelta):  # most events are, so they take the short way
            self._seq += 1
            self._spoken = True
            return Entry(seq=seq, at=at, event=event, first=self._first())
        self._seq += frames(event)
        match event:
            case ToolCalled(delegated=True):
                self._theirs += 1
                first = self._first()
                return Entry(seq=seq, at=at, event=event, first=first, index=self._theirs - 1)
            case ToolCalled(hidden=False):
                first = self._shows_calls and self._first()
                index = self._ours[event.tool_id] = len(self._ours)
                return Entry(seq=seq, at=at, event=event, first=first, index=index)
            case ToolCompleted():
                return Entry(seq=seq, at=at, event=event, index=self._ours.get(event.tool_id, -1))
            case RunCompleted():
                ended = Ended(spoken=self._spoken, usage=self._usage, failed=self._failed)
                return Entry(seq=seq, at=at, event=event, first=self._first(), ended=ended)
            case Usage():
                self._usage = event
            case RunFailed():
                self._failed = event
            case _:
                pass
        return Entry(seq=seq, at=at, event=event)

    def _first(self) -> bool:
        first, self._begun = not self._begun, True
        return first
