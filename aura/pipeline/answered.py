"""The whole answer to a request: begun, worked on, accounted for, ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from aura.events import (
    AnyEvent,
    CompletionEnded,
    FinishReason,
    McpStatus,
    RunCompleted,
    RunFailed,
    SessionInfo,
    ToolDelegated,
)
from aura.pipeline.agent import Agent
from aura.pipeline.checked import checked
from aura.pipeline.compose import Events, Failure, opened, settled, source
from aura.pipeline.delegation import NO_CLIENT_TOOLS, ClientTools
from aura.pipeline.endings import failure, final
from aura.pipeline.plan import Plan
from aura.pipeline.ports import Message, Options, Scratchpad, Toolbox
from aura.pipeline.run import Run
from aura.pipeline.spaced import spaced
from aura.pipeline.team import Team
from aura.pipeline.teamed import teamed
from aura.pipeline.totals import Totals
from aura.pipeline.turn import turn


async def answer(
    agent: Agent | Team,
    messages: Sequence[Message],
    run: Run,
    options: Options | None = None,
    client: ClientTools = NO_CLIENT_TOOLS,
    *,
    plan: Plan | None = None,
) -> AsyncGenerator[AnyEvent, None]:
    """Everything that happens while an agent, or a team, answers `messages`.

    `client` has the tools that the caller runs itself: a call of one ends the run with the reason
    `tool_calls`, and `delegation.resumed` makes the conversation that goes on. Teams take neither
    those nor `options`, but a `plan` to begin with instead of one of their coordinator.

    The first event is `SessionInfo`, the last `RunCompleted`; a failure of the model is the event
    `RunFailed`, never an exception. Close the stream to abandon the run.
    """
    if isinstance(agent, Team):
        composed = teamed(agent, messages, run, plan) | checked.pipe(log=run.log)
    else:
        composed = (
            answered(agent, messages, run, options or Options(), client)
            | spaced.pipe()
            | checked.pipe(log=run.log)
        )
    async with opened(composed) as events:
        async for event in events:
            yield event


@source
async def answered(
    agent: Agent, messages: Sequence[Message], run: Run, options: Options, client: ClientTools
) -> Events:
    """One run: session, MCP servers, the turn, what it cost, the end."""
    yield SessionInfo(model=agent.model.name, model_context_limit=agent.context_window)
    toolbox = run.borrow(agent.toolset.open(run.headers))
    await toolbox.ready()
    if servers := toolbox.statuses():
        yield McpStatus(servers=servers)
    pad = scratchpad(agent, toolbox, run)
    if taken := shared_names(toolbox, client, pad):
        yield collision(taken)
        yield RunCompleted()
        return
    totals = Totals()
    reason: FinishReason | None = None
    failed: RunFailed | None = None
    history = list(messages)
    happens = turn(agent, toolbox, history, run, options=options, client=client, pad=pad)
    async with opened(settled(happens)) as events:
        async for event in events:
            if isinstance(event, Failure):
                failed = failure(event.error, run)
                break
            if isinstance(event, CompletionEnded):
                reason = final(event.reason)
            elif isinstance(event, ToolDelegated):
                reason = "tool_calls"
            totals = totals.after(event)
            yield event
    if failed is not None:
        yield failed
    if pad is not None and (explored := pad.usage()):
        yield explored
    if totals.prompt or totals.completion:
        yield totals.usage()
    yield RunCompleted(reason=None if failed else reason)


def scratchpad(agent: Agent, toolbox: Toolbox, run: Run) -> Scratchpad | None:
    """The scratchpad for a run, if the agent has one and one of its tools may need it."""
    if agent.scratchpads is None:
        return None
    limits = toolbox.limits()
    if not limits:
        run.log.info("no scratchpad, because no tool that can be called has a threshold for it")
        return None
    return run.borrow(
        agent.scratchpads.open(
            limits, session_id=run.session_id, run_id=run.id, tasks=run.tasks, log=run.log
        )
    )


def shared_names(toolbox: Toolbox, client: ClientTools, pad: Scratchpad | None) -> list[str]:
    """The names that tools of ours and of the client have in common."""
    tools = (*toolbox.tools(), *(pad.tools if pad else ()))
    return [tool.spec.name for tool in tools if client.runs(tool.spec.name)]


def collision(names: Sequence[str]) -> RunFailed:
    """What to tell a client whose tools could not be told from ours."""
    quoted = ", ".join(map(repr, names))
    return RunFailed(
        code="tool_name_collision",
        message=f"This agent has tools of its own that are named {quoted}. Give the tools of the"
        " request other names.",
        status=400,
        retryable=False,
    )
