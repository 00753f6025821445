"""A blank line between what an agent says before and after it used tools."""

from __future__ import annotations

from collections.abc import AsyncIterable

import msgspec

from aura.events import AnyEvent, TextDelta, ToolCompleted
from aura.pipeline.compose import Events, opened, operator

BLANK_LINE = "\n\n"


@operator
async def spaced(stream: AsyncIterable[AnyEvent]) -> Events:
    """Begin the first text after a tool with a blank line, if there was text before it.

    in   --"Looking."--done---"One file"--|
    out  --"Looking."--done--¶"One file"--|
    """
    spoken = due = False
    async with opened(stream) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                if due:
                    event = msgspec.structs.replace(event, text=BLANK_LINE + event.text)  # noqa: PLW2901
                spoken, due = True, False
            elif isinstance(event, ToolCompleted) and not event.hidden:
                due = spoken
            yield event
