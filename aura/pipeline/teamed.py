"""The whole answer of a team to a request: begun, worked on, accounted for, ended."""

from __future__ import annotations

from collections.abc import Sequence

from aura.events import (
    COORDINATOR,
    CompletionEnded,
    McpStatus,
    RunCompleted,
    SessionInfo,
)
from aura.pipeline.asking import parted
from aura.pipeline.compose import Events, Failure, iterated, opened, settled, source
from aura.pipeline.endings import failure, final
from aura.pipeline.orchestrate import orchestrated
from aura.pipeline.plan import Plan
from aura.pipeline.ports import Message, Record, Tool, Toolbox, ToolSpec
from aura.pipeline.prompts import coordinator as prompts
from aura.pipeline.prompts.history import history
from aura.pipeline.reading import list_prior_runs, read_artifact, recon
from aura.pipeline.recorded import recorded
from aura.pipeline.run import Run
from aura.pipeline.sessions import earlier, listed
from aura.pipeline.shelf import Shelf
from aura.pipeline.team import Team
from aura.pipeline.teamwork import Teamwork
from aura.pipeline.totals import Totals


@source
async def teamed(
    team: Team, messages: Sequence[Message], run: Run, plan: Plan | None = None
) -> Events:
    """One run of a team: session, MCP servers, the work, what it cost, the end. It begins with the
    `plan`, if there is one."""
    record: Record | None = None
    if team.records is not None:
        opening = team.records.open(
            session_id=run.session_id, run_id=run.id, tasks=run.tasks, log=run.log
        )
        record = run.borrow(opening)
    work = Teamwork(team, run, Shelf(team.policy.thresholds, record))
    happens = _answered(work, messages, plan)
    if record is not None:
        query, _ = parted(messages)
        happens = iterated(recorded(happens, record=record, work=work, goal=query.text))
    async with opened(happens) as events:
        async for event in events:
            yield event


async def _answered(work: Teamwork, messages: Sequence[Message], plan: Plan | None) -> Events:
    team, run = work.team, work.run
    yield SessionInfo(model=team.model.name, model_context_limit=team.coordinator.context_window)
    toolbox = run.borrow(team.toolset.open(run.headers))
    await toolbox.ready()
    if servers := toolbox.statuses():
        yield McpStatus(servers=servers)
    totals, reason, failed = Totals(), None, None
    async with opened(settled(_worked(work, messages, toolbox, plan))) as events:
        async for event in events:
            if isinstance(event, Failure):
                failed = failure(event.error, run)
                break
            if isinstance(event, CompletionEnded) and event.agent_id == COORDINATOR:
                reason = final(event.reason)
            totals = totals.after(event)
            yield event
    if failed is not None:
        yield failed
    if totals.prompt or totals.completion:
        yield totals.usage()
    yield RunCompleted(reason=None if failed else reason)


async def _worked(
    work: Teamwork, messages: Sequence[Message], toolbox: Toolbox, plan: Plan | None
) -> Events:
    """The coordinator is told where it is, then everything that it has done."""
    policy, before = work.team.policy, await earlier(work)
    work.brief(
        prompts.system(
            work.team.coordinator.system,
            recon=policy.tools_in_planning == "none",
            prior_runs=work.shelf.record is not None,
            hatch=policy.escape_hatch,
            history=history(before[: policy.history_turns][::-1]),
        )
    )
    async with opened(orchestrated(messages, _tools(work, toolbox), work, plan)) as events:
        async for event in events:
            yield event


def _tools(work: Teamwork, toolbox: Toolbox) -> tuple[Tool, ...]:
    """What the coordinator can look up."""
    tools: list[Tool] = [read_artifact(work.shelf)]
    if work.shelf.record is not None:
        tools.append(list_prior_runs(lambda: listed(work)))
    if work.team.policy.tools_in_planning == "none":
        tools += recon(lambda: _known(toolbox))
    return tuple(tools)


def _known(toolbox: Toolbox) -> dict[str, ToolSpec]:
    return {tool.spec.name: tool.spec for tool in toolbox.tools()}
