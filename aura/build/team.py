"""What a configuration says about a team, as the pipeline takes it."""

from __future__ import annotations

from aura.adapters.patterns import search
from aura.build.shared import Shared, nudges, parallel_calls, prints_calls
from aura.catalog import WorkerInfo
from aura.config.orchestration import Worker as Configured
from aura.config.schema import Config
from aura.events import COORDINATOR
from aura.pipeline.agent import Agent
from aura.pipeline.prompts import worker as prompts
from aura.pipeline.reading import READ_ARTIFACT
from aura.pipeline.submitted import SUBMIT
from aura.pipeline.team import Guarding, Policy, Team, Thresholds, Worker
from aura.pipeline.toolbox import NO_TOOLS
from aura.pipeline.waiting import WAIT_FOR

COORDINATOR_DEPTH = 6
"""Rounds in which the coordinator may look things up before it decides."""

WORKER_DEPTH = 16
"""Rounds of tools of a worker, where neither it nor the agent says."""

NATIVE = (READ_ARTIFACT, SUBMIT, WAIT_FOR)


async def team(config: Config, shared: Shared, first_chunk_timeout: float) -> Team:
    """The team of a configuration."""
    settings, timeouts = config.agent, config.orchestration.timeouts
    model = await shared.model(settings.llm)
    everything = await shared.choice(
        config, model, settings.llm, settings.scratchpad, mcp_filter=settings.mcp_filter
    )
    coordinator = Agent(
        model=model,
        system="\n\n".join((settings.system_prompt, *settings.context)),
        toolset=NO_TOOLS,
        turn_depth=COORDINATOR_DEPTH,
        context_window=settings.llm.context_window,
        first_chunk_timeout=first_chunk_timeout,
        per_call_timeout=timeouts.per_call_timeout_secs or settings.per_call_timeout_secs,
        silence_timeout=timeouts.stream_inactivity_timeout_secs,
        account=shared.account(settings.llm),
        agent_id=COORDINATOR,
        fallback_tool_parsing=prints_calls(settings.llm),
    )
    team_workers = [
        await worker(name, each, config, shared, first_chunk_timeout)
        for name, each in config.orchestration.worker.items()
    ]
    anyone = Configured(description="any task", preamble="")
    return Team(
        agent_id=config.id,
        coordinator=coordinator,
        workers=tuple(team_workers),
        anyone=await worker("", anyone, config, shared, first_chunk_timeout),
        toolset=shared.toolset(config, everything),
        policy=policy(config, shared),
        records=shared.records(config),
        compiled=search,
    )


async def worker(
    name: str, configured: Configured, config: Config, shared: Shared, first_chunk_timeout: float
) -> Worker:
    """A worker, with what it has itself and what it inherits."""
    settings, team_settings = config.agent, config.orchestration
    llm, pad = configured.llm or settings.llm, config.scratchpad_of(configured)
    model = await shared.model(llm)
    choice = await shared.choice(
        config,
        model,
        llm,
        pad,
        mcp_filter=(
            settings.mcp_filter if configured.mcp_filter is None else configured.mcp_filter
        ),
        native=NATIVE,
        most_offered=team_settings.max_tools_per_worker or None,
    )
    depth = configured.turn_depth
    if depth is None:
        depth = settings.turn_depth if config.sets("agent", "turn_depth") else WORKER_DEPTH
    timeouts = team_settings.timeouts
    agent = Agent(
        model=model,
        system=prompts.system(configured.preamble, shared=team_settings.worker_system_prompt or ""),
        toolset=shared.toolset(config, choice),
        turn_depth=depth,
        parallel_calls=parallel_calls(config),
        context_window=llm.context_window,
        first_chunk_timeout=first_chunk_timeout,
        per_call_timeout=timeouts.per_call_timeout_secs or settings.per_call_timeout_secs,
        silence_timeout=timeouts.stream_inactivity_timeout_secs,
        scratchpads=shared.scratchpads(config, pad, llm),
        account=shared.account(llm),
        nudges=nudges(config, submits=True),
        agent_id=name,
        fallback_tool_parsing=prints_calls(llm),
    )
    return Worker(
        name=name,
        description=configured.description,
        agent=agent,
        seconds=timeouts.worker_timeout_secs,
    )


def policy(config: Config, shared: Shared) -> Policy:
    """What the team may do."""
    given, kept = config.orchestration, config.orchestration.artifacts
    return Policy(
        max_cycles=given.max_planning_cycles,
        attempts=max(1, given.max_plan_parse_retries),
        direct_answers=given.allow_direct_answers,
        clarification=given.allow_clarification,
        tools_in_planning=given.tools_in_planning,
        most_tasks=given.max_tasks_per_plan,
        parallel=given.max_parallel_workers,
        streams_answer=given.stream_final_answer,
        answers_on_exhaustion=given.answer_on_exhaustion,
        escape_hatch=shared.escape_hatch,
        history_turns=kept.session_history_turns,
        journal=shared.prompt_journal,
        shows_tool_reasoning=kept.show_tool_reasoning_in_continuation,
        drain=kept.persistence_drain_timeout_ms / 1000,
        thresholds=Thresholds(
            result=kept.result_artifact_threshold,
            summary=kept.result_summary_length,
            output=kept.tool_output_artifact_threshold,
            output_seconds=kept.tool_output_duration_threshold_ms / 1000,
        ),
        guarding=Guarding(
            nudge=given.duplicate_call_nudge_threshold,
            block=given.duplicate_call_block_threshold,
        ),
    )


def workers(built: Team) -> tuple[WorkerInfo, ...]:
    """What clients may know of the workers."""
    return tuple(
        WorkerInfo(
            name=each.name,
            description=each.description,
            model=(None if each.agent.model.name == built.model.name else each.agent.model.name),
        )
        for each in built.workers
    )
