"""Pieces of a kind that came in one read, as one event. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec

from aura.events import AnyEvent, ReasoningDelta, TextDelta, ToolCallDelta


def joined(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """The events, in which neighbouring pieces of a kind are one."""
    events = events if isinstance(events, list) else list(events)
    if len(events) < 2:
        return events
    found: list[AnyEvent] = []
    for _, group in groupby(events, key=_kind):
        same = list(group)
        first = same[0]
        if len(same) == 1:
            found.append(first)
        elif isinstance(first, TextDelta):
            text = "".join(each.text for each in same if isinstance(each, TextDelta))
            found.append(msgspec.structs.replace(first, text=text))
        elif isinstance(first, ReasoningDelta):
            text = "".join(each.content for each in same if isinstance(each, ReasoningDelta))
            found.append(msgspec.structs.replace(first, content=text))
        elif isinstance(first, ToolCallDelta):
            text = "".join(each.arguments for each in same if isinstance(each, ToolCallDelta))
            found.append(msgspec.structs.replace(first, arguments=text))
        else:
            found += same
    return found


def _kind(event: AnyEvent) -> tuple[type, int]:
    return type(event), event.index if isinstance(event, ToolCallDelta) else 0
