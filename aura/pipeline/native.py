"""Tools that are part of the pipeline: a function of arguments, which needs no server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from aura.events import ToolCalled, ToolProgressed, ToolStarted
from aura.pipeline.ports import Outcome, ToolSpec

Given = TypeVar("Given", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class NativeTool(Generic[Given]):
    """A tool whose arguments are a struct; `run` says what came of it."""

    spec: ToolSpec
    arguments: type[Given]
    run: Callable[[Given], Awaitable[Outcome]]

    async def call(
        self, call: ToolCalled, arguments: dict[str, object]
    ) -> AsyncGenerator[ToolStarted | ToolProgressed | Outcome, None]:
        """Run it, if the arguments fit."""
        try:
            given = msgspec.convert(arguments, self.arguments)
        except msgspec.ValidationError as error:
            yield unfit(call.tool_name, str(error))
            return
        yield ToolStarted(agent_id=call.agent_id, tool_id=call.tool_id, tool_name=call.tool_name)
        yield await self.run(given)


def unfit(name: str, reason: str) -> Outcome:
    """What a model is told whose arguments do not fit."""
    text = f"ToolCallError: the arguments of {name!r} do not fit: {reason}. Call it again."
    return Outcome(text, failure="arguments")


def spec(name: str, description: str, schema: object) -> ToolSpec:
    """A tool as models see it, with the JSON Schema of its arguments."""
    return ToolSpec(name, description, msgspec.Raw(msgspec.json.encode(schema)))


def answer(value: object) -> Outcome:
    """An outcome that is JSON."""
    return Outcome(msgspec.json.encode(value).decode())
