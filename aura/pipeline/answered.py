"""The whole answer to a request: begun, worked on, accounted for, ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from aura.errors import ProviderError, ScriptError
from aura.events import (
    AnyEvent,
    CompletionEnded,
    FinishReason,
    McpStatus,
    RunCompleted,
    RunFailed,
    SessionInfo,
)
from aura.pipeline.agent import Agent
from aura.pipeline.checked import checked
from aura.pipeline.compose import Events, Failure, opened, settled, source
from aura.pipeline.ports import Message, Options
from aura.pipeline.run import Run
from aura.pipeline.spaced import spaced
from aura.pipeline.totals import Totals
from aura.pipeline.turn import turn


async def answer(
    agent: Agent, messages: Sequence[Message], run: Run, options: Options | None = None
) -> AsyncGenerator[AnyEvent, None]:
    """Everything that happens while `agent` answers `messages`.

    The first event is `SessionInfo`, the last `RunCompleted`; a failure of the model is the event
    `RunFailed`, never an exception. Close the stream to abandon the run.
    """
    composed = answered(agent, messages, run, options) | spaced.pipe() | checked.pipe(log=run.log)
    async with opened(composed) as events:
        async for event in events:
            yield event


@source
async def answered(
    agent: Agent, messages: Sequence[Message], run: Run, options: Options | None = None
) -> Events:
    """One run: session, MCP servers, the turn, what it cost, the end."""
    yield SessionInfo(model=agent.model.name, model_context_limit=agent.context_window)
    await agent.toolbox.ready()
    if servers := agent.toolbox.statuses():
        yield McpStatus(servers=servers)
    totals = Totals()
    reason: FinishReason | None = None
    failed: RunFailed | None = None
    async with opened(settled(turn(agent, messages, run, options))) as events:
        async for event in events:
            if isinstance(event, Failure):
                failed = failure(event.error, run)
                break
            if isinstance(event, CompletionEnded):
                reason = event.reason
            totals = totals.after(event)
            yield event
    if failed is not None:
        yield failed
    if totals.prompt or totals.completion:
        yield totals.usage()
    yield RunCompleted(reason=None if failed else final(reason))


def final(reason: FinishReason | None) -> FinishReason:
    """Why the run ended, from why its last completion did.

    A last completion that asked for tools was not offered any: the answer is over all the same.
    """
    return "stop" if reason in (None, "tool_calls") else reason


def failure(error: Exception, run: Run) -> RunFailed:
    """What a client is told about an error; the log is told everything."""
    match error:
        case ProviderError():
            run.log.warning(
                "model call failed",
                error=str(error),
                detail=error.detail,
                upstream_status=error.upstream_status,
            )
            return RunFailed(
                code=error.code,
                message=str(error),
                status=error.status,
                retryable=error.retryable,
                retry_after=error.retry_after,
            )
        case ScriptError():
            run.log.warning("script has no reply", error=str(error))
            return RunFailed(
                code="script_exhausted", message=str(error), status=500, retryable=False
            )
        case _:
            run.log.error("run failed", exc_info=error)
            return RunFailed(
                code="internal_error",
                message=f"The server failed while answering; its log has it as {run.request_id}.",
                status=500,
                retryable=False,
            )
