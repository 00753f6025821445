"""What the tests of the chunk parser write down again and again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import msgspec

from aura.adapters.models._openai_chunks import ChunkParser
from aura.events import (
    AnyEvent,
    FinishReason,
    ReasoningDelta,
    Stopped,
    TextDelta,
    ToolCalled,
    TurnUsage,
)
from aura.masking import Mask


def counted() -> Callable[[str], str]:
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def parser() -> ChunkParser:
    return ChunkParser("main", model="openai/gpt", ids=counted(), mask=Mask(["sk-secret"]))


def parse(*reads: bytes) -> list[AnyEvent]:
    chunks = parser()
    events = [event for read in reads for event in chunks.feed(read)]
    return events + chunks.finish()


def merged(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """The events with neighbouring deltas of a kind joined."""
    out: list[AnyEvent] = []
    for event in events:
        match out[-1:], event:
            case [TextDelta(text=before)], TextDelta(text=text):
                out[-1] = said(before + text)
            case [ReasoningDelta(content=before)], ReasoningDelta(content=text):
                out[-1] = thought(before + text)
            case _:
                out.append(event)
    return out


def said(text: str) -> TextDelta:
    return TextDelta(agent_id="main", text=text)


def thought(text: str) -> ReasoningDelta:
    return ReasoningDelta(agent_id="main", content=text)


def called(tool_id: str, name: str, arguments: str) -> ToolCalled:
    return ToolCalled(agent_id="main", tool_id=tool_id, tool_name=name, arguments=arguments)


def stopped(reason: FinishReason = "stop") -> Stopped:
    return Stopped(agent_id="main", reason=reason)


def usage(prompt: int, completion: int, cached: int = 0, reasoning: int = 0) -> TurnUsage:
    return TurnUsage(
        agent_id="main",
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
    )


def frames(*chunks: object) -> bytes:
    return b"".join(
        b"data: %b\n\n" % (each if isinstance(each, bytes) else msgspec.json.encode(each))
        for each in chunks
    )


def delta(finish_reason: str | None = None, **fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def fragment(index: int | None, arguments: object, name: str | None = None, id: str = "") -> object:  # noqa: A002
    function = {"name": name, "arguments": arguments}
    return delta(tool_calls=[{"index": index, "id": id or None, "function": function}])
