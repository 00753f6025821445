"""Calls that a model wrote into its answer, as the calls that they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator

import msgspec

from aura.events import (
    AnyEvent,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCalled,
    TurnUsage,
)
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Prompt
from aura.pipeline.printed import Parser, PrintedCall


async def spelled_out(
    answer: AsyncIterable[AnyEvent], prompt: Prompt, ids: Callable[[str], str]
) -> AsyncGenerator[AnyEvent, None]:
    """The answer to a prompt, in which text that is a call of a tool that it may call is one.

    Such text is withheld, all other passes at once. A model that makes a call of its own knows how
    to: nothing that it writes from then on is looked at.
    """
    reading = _Reading(prompt, ids)
    async with opened(settled(answer)) as events:
        async for event in events:
            if isinstance(event, Failure):
                for rest in reading.rest():
                    yield rest
                raise event.error
            for heard in reading.heard(event):
                yield heard


class _Reading:
    """What has been read of one answer."""

    def __init__(self, prompt: Prompt, ids: Callable[[str], str]) -> None:
        names = [tool.name for tool in prompt.callable_tools]
        self._prompt = prompt
        self._ids = ids
        self._parser = Parser(names) if names else None
        self._calls = 0

    def heard(self, event: AnyEvent) -> Iterator[AnyEvent]:
        """What becomes of an event."""
        match event:
            case TextDelta() if self._parser is not None:
                yield from self._events(self._parser.feed(event.text))
            case Stopped(reason="stop"):
                yield from self.rest()
                called = msgspec.structs.replace(event, reason="tool_calls")
                yield called if self._calls else event
            case ToolCallDelta() | ToolCalled() | TurnUsage() | Stopped():
                yield from self.rest()
                yield event
            case _:
                yield event

    def rest(self) -> Iterator[AnyEvent]:
        """What was withheld; nothing is from now on."""
        parser, self._parser = self._parser, None
        if parser is not None:
            yield from self._events(parser.flush())

    def _events(self, found: Iterable[str | PrintedCall]) -> Iterator[AnyEvent]:
        agent_id = self._prompt.agent_id
        for each in found:
            if isinstance(each, str):
                yield TextDelta(agent_id=agent_id, text=each)
                continue
            if each.name in self._prompt.live:
                yield ToolCallDelta(
                    agent_id=agent_id,
                    tool_name=each.name,
                    index=self._calls,
                    arguments=each.arguments,
                )
            self._calls += 1
            yield ToolCalled(
                agent_id=agent_id,
                tool_id=self._ids("call_"),
                tool_name=each.name,
                arguments=each.arguments,
            )
