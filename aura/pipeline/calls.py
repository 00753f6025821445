"""Tool calls: from what the model wrote to what it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from aura.events import AnyEvent, ToolCalled, ToolCompleted, ToolDelegated, ToolRequested
from aura.pipeline.allowance import Spent, within
from aura.pipeline.compose import Events, Failure, iterated, opened, settled
from aura.pipeline.diverted import diverted
from aura.pipeline.lanes import Lanes
from aura.pipeline.ports import Outcome, Scratchpad, Tool
from aura.pipeline.run import Run

Arguments: TypeAlias = dict[str, object]

_decode_arguments = msgspec.json.Decoder(dict[str, object]).decode


def parsed(call: ToolCalled) -> Arguments | Outcome:
    """The arguments of a call, or what to tell the model when they are no JSON object."""
    try:
        return _decode_arguments(call.arguments.strip() or "{}")
    except (msgspec.DecodeError, RecursionError) as error:
        return Outcome(
            text=f"JsonError: the arguments of {call.tool_name!r} are not a JSON object: {error}."
            " Call the tool again with one JSON object.",
            failure="arguments",
        )


def unknown(call: ToolCalled, tools: Mapping[str, Tool]) -> Outcome:
    """What to tell a model that called a tool it was not offered."""
    offered = ", ".join(sorted(tools)) or "none"
    return Outcome(
        text=f"ToolCallError: there is no tool named {call.tool_name!r}. Available: {offered}.",
        failure="arguments",
    )


def overdue(call: ToolCalled, seconds: float) -> Outcome:
    """What to tell the model when a tool took too long and was abandoned."""
    return Outcome(
        text=f"ToolCallError: the tool {call.tool_name!r} was abandoned, because a call may take"
        f" {seconds:g} seconds at most. It is not known whether the call took effect.",
        failure="timeout",
    )


async def called(
    call: ToolCalled, tools: Mapping[str, Tool], run: Run, *, timeout: float = 0.0
) -> AsyncGenerator[AnyEvent, None]:
    """One call: requested, whatever the tool reports, completed; or left to the client.

    A tool that has to be waited for longer than `timeout` in all is abandoned.
    """
    begun = run.sources.clock()
    arguments = parsed(call)
    yield ToolRequested(
        agent_id=call.agent_id,
        tool_id=call.tool_id,
        tool_name=call.tool_name,
        arguments="{}" if isinstance(arguments, Outcome) else call.arguments.strip() or "{}",
        hidden=call.hidden,
    )
    if call.delegated:
        yield ToolDelegated(agent_id=call.agent_id, tool_id=call.tool_id, tool_name=call.tool_name)
        return
    tool = tools.get(call.tool_name)
    outcome: Outcome | None = None
    if tool is None:
        outcome = unknown(call, tools)
    elif isinstance(arguments, Outcome):
        outcome = arguments
    else:
        reported = within(tool.call(call, arguments), timeout)
        async with opened(settled(reported)) as items:
            async for item in items:
                match item:
                    case Outcome():
                        outcome = item
                    case Failure(error=Spent()):
                        outcome = outcome or overdue(call, timeout)
                    case Failure(error=error):
                        run.log.error("tool adapter failed", tool=call.tool_name, exc_info=error)
                    case _:
                        yield item
    yield completed(call, outcome, run.sources.clock() - begun)


def completed(call: ToolCalled, outcome: Outcome | None, seconds: float) -> ToolCompleted:
    """The end of a call; without an outcome the tool failed in a way it should not have."""
    if outcome is None:
        outcome = Outcome(
            text=f"ToolCallError: the tool {call.tool_name!r} failed inside the server.",
            failure="transport",
        )
    failed = outcome.failure is not None
    return ToolCompleted(
        agent_id=call.agent_id,
        tool_id=call.tool_id,
        tool_name=call.tool_name,
        duration_ms=round(seconds * 1000),
        success=not failed,
        result=None if failed else outcome.text,
        error=outcome.text if failed else None,
        images=outcome.images,
        hidden=call.hidden,
    )


async def calls(
    requested: Sequence[ToolCalled],
    *,
    tools: Mapping[str, Tool],
    run: Run,
    parallel: int,
    timeout: float = 0.0,
    pad: Scratchpad | None = None,
    finished: Callable[[ToolCompleted], ToolCompleted] | None = None,
) -> AsyncGenerator[AnyEvent, None]:
    """Every call of one completion, at most `parallel` at a time, each with its own end and no
    longer than `timeout`, 0 for no limit. Results that are too large go to the scratchpad; what
    the model then reads has passed through `finished`.

    The events of one call keep their order; those of different calls interleave.
    """

    def call(each: ToolCalled) -> Events:
        events: Events = called(each, tools, run, timeout=timeout)
        if pad is not None:
            events = iterated(diverted(events, pad=pad))
        return events if finished is None else _finished(events, finished)

    if len(requested) == 1:  # alone it needs no task of its own
        async with opened(call(requested[0])) as events:
            async for event in events:
                yield event
        return
    waiting = deque(requested)
    lanes: Lanes[AnyEvent] = run.lanes()
    for _ in range(min(parallel, len(waiting))):
        lanes.add(call(waiting.popleft()))
    with run.backlog.queue(waiting):
        async with opened(lanes.events()) as events:
            async for event in events:
                yield event
                if isinstance(event, ToolCompleted | ToolDelegated) and waiting:
                    lanes.add(call(waiting.popleft()))


async def _finished(
    stream: Events, finished: Callable[[ToolCompleted], ToolCompleted]
) -> AsyncGenerator[AnyEvent, None]:
    async with opened(stream) as events:
        async for event in events:
            yield finished(event) if isinstance(event, ToolCompleted) else event
