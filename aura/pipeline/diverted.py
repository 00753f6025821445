"""Results that are too large for a conversation, replaced by where they can be read."""

from __future__ import annotations

from collections.abc import AsyncIterable

from aura.events import AnyEvent, ToolCompleted
from aura.pipeline.compose import Events, opened, operator
from aura.pipeline.ports import Scratchpad


@operator
async def diverted(stream: AsyncIterable[AnyEvent], *, pad: Scratchpad) -> Events:
    """The same events; a result that is too large goes to the scratchpad before its call is over.

    in   --requested--started-----------done(2 MB)--|
    out  --requested--started--stored--done(where)--|
    """
    async with opened(stream) as events:
        async for event in events:
            if isinstance(event, ToolCompleted):
                result = await pad.diverted(event)
                if result.stored is not None:
                    yield result.stored
                yield result.call
            else:
                yield event
