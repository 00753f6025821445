"""Rules between the keys of [orchestration]."""

from __future__ import annotations

from collections.abc import Iterator

from aura.config.schema import Config
from aura.errors import Problem

TABLE = ("orchestration",)
WORKERS = (*TABLE, "worker")
TIMEOUTS = (*TABLE, "timeouts")


def problems(config: Config) -> Iterator[Problem]:
    """What a team asks for and cannot have. Names of workers are checked even if it is off."""
    yield from _names(config)
    if not config.orchestration.enabled:
        return
    if config.orchestration.max_planning_cycles < 1:
        message = "must be at least 1 when orchestration is enabled"
        yield config.source.problem((*TABLE, "max_planning_cycles"), message)
    yield from _unkept_scratchpads(config)


def warnings(config: Config) -> Iterator[Problem]:
    """What is allowed and probably not meant."""
    team = config.orchestration
    if not team.enabled:
        if team.worker and not config.sets("orchestration", "enabled"):
            message = "the workers are not used without `enabled = true` in [orchestration]"
            yield config.source.problem(WORKERS, message)
        return
    if config.agent.enable_client_tools:
        message = "has no effect with orchestration: tools of a request are dropped"
        yield config.source.problem(("agent", "enable_client_tools"), message)
    if config.sets("agent", "allow_request_overrides"):
        message = "has no effect with orchestration: each model call is the team's own"
        yield config.source.problem(("agent", "allow_request_overrides"), message)
    yield from _thresholds(config)
    yield from _timeouts(config)


def _names(config: Config) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for name in config.orchestration.worker:
        path = (*WORKERS, name)
        if not name.strip():
            message = "Empty worker name: write the tables as [orchestration.worker.<name>]"
            yield config.source.problem(path, message)
            continue
        earlier = first.setdefault(name.casefold(), name)
        if earlier != name:
            message = (
                f"Duplicate worker name: {name!r} and {earlier!r} differ only in case; names under"
                " [orchestration.worker.*] become names of files"
            )
            yield config.source.problem(path, message)


def _unkept_scratchpads(config: Config) -> Iterator[Problem]:
    """What the scratchpads of workers cannot do without."""
    for name, worker in config.orchestration.worker.items():
        if not config.scratchpad_of(worker).enabled:
            continue
        path = (*WORKERS, name, "scratchpad")
        if config.kept_in is None:
            message = "needs a directory for its files: set `memory_dir` at the top of the file"
            yield config.source.problem(path, message)
        if (worker.llm or config.agent.llm).context_window is None:
            message = (
                f"the worker {name!r} needs to know how much its model can read: set"
                " `context_window` in its `llm`, or in [agent.llm], in tokens"
            )
            yield config.source.problem(path, message)


def _thresholds(config: Config) -> Iterator[Problem]:
    team = config.orchestration
    nudge, block = team.duplicate_call_nudge_threshold, team.duplicate_call_block_threshold
    if 0 < block < nudge:
        message = f"is reached before `duplicate_call_nudge_threshold`, which is {nudge}"
        yield config.source.problem((*TABLE, "duplicate_call_block_threshold"), message)


def _timeouts(config: Config) -> Iterator[Problem]:
    times = config.orchestration.timeouts
    call, silence = times.per_call_timeout_secs, times.stream_inactivity_timeout_secs
    if not call and not silence and not config.agent.per_call_timeout_secs:
        message = (
            "a hung provider is only noticed by the timeouts of the server: set"
            " `per_call_timeout_secs` or `stream_inactivity_timeout_secs`"
        )
        yield config.source.problem(TIMEOUTS, message)
    elif call and silence >= call:
        message = f"never takes effect: `per_call_timeout_secs` is {call:g}"
        yield config.source.problem((*TIMEOUTS, "stream_inactivity_timeout_secs"), message)
