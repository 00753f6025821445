"""Rules that one key cannot state alone: between the keys of a file and between files.

What a single value has to fulfil is written next to its key in the schema.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence

from aura.config import team_checks
from aura.config.llm import Ollama, OpenAI, Provided
from aura.config.schema import Config
from aura.config.servers import HttpStreamable, Server, Stdio
from aura.errors import Problem


def warnings(config: Config) -> list[Problem]:
    """What is allowed in one configuration and probably not meant."""
    return [
        *_idle_servers(config),
        *_idle_client_filter(config),
        *_idle_tools(config),
        *_idle_fallback(config),
        *_narrow_window(config),
        *_idle_timeouts(config),
        *_idle_thresholds(config),
        *_idle_scratchpad(config),
        *team_checks.warnings(config),
    ]


def problems(config: Config) -> list[Problem]:
    """What one configuration asks for and cannot have."""
    return [
        *_untestable_servers(config),
        *_unkept_scratchpad(config),
        *team_checks.problems(config),
    ]


def clashes(configs: Sequence[Config]) -> list[Problem]:
    """Every agent that cannot be told from one loaded before it."""
    first: dict[str, Config] = {}
    return [
        _clash(config, earlier)
        for config in configs
        if (earlier := first.setdefault(config.id, config)) is not config
    ]


def between_files(configs: Sequence[Config]) -> list[Problem]:
    """Agents that differ from one loaded before only in the case of their ids, or that share an
    account with it but not its bound."""
    return [*_alike_ids(configs), *_unlike_bounds(configs)]


def default_agent(configs: Iterable[Config], name: str | None) -> list[Problem]:
    """The complaint when DEFAULT_AGENT names no agent that was loaded; blank means not set."""
    ids = [config.id for config in configs]
    if name is None or not name.strip() or name in ids:
        return []
    message = f"there is no agent {name!r}; the loaded ones are {', '.join(map(repr, ids))}"
    return [Problem("DEFAULT_AGENT", 0, "", message)]


def _idle_servers(config: Config) -> Iterator[Problem]:
    if config.mcp.servers and config.agent.mcp_filter == ():
        message = "lets no MCP tool through; leave the key out to use the tools of every server"
        yield config.source.problem(("agent", "mcp_filter"), message)


def _idle_client_filter(config: Config) -> Iterator[Problem]:
    agent = config.agent
    if agent.client_tool_filter is not None and not agent.enable_client_tools:
        message = "has no effect without `enable_client_tools = true`"
        yield config.source.problem(("agent", "client_tool_filter"), message)


def _idle_tools(config: Config) -> Iterator[Problem]:
    if config.tools.custom_tools:
        message = "has no effect: there are no custom tools to name; serve them over MCP"
        yield config.source.problem(("tools", "custom_tools"), message)


def _idle_fallback(config: Config) -> Iterator[Problem]:
    """Looking for calls where there is nothing to call."""
    tools = config.mcp.servers or config.tools.filesystem or config.agent.enable_client_tools
    if tools or config.orchestration.enabled:
        return
    match config.agent.llm:
        case OpenAI(fallback_tool_parsing=True) | Ollama(fallback_tool_parsing=True):
            message = "has no effect: there are no tools; add servers to [mcp.servers]"
            yield config.source.problem(("agent", "llm", "fallback_tool_parsing"), message)


def _idle_timeouts(config: Config) -> Iterator[Problem]:
    limit = config.agent.per_call_timeout_secs
    for name, server in config.mcp.servers.items():
        path = ("mcp", "servers", name, "call_timeout_secs")
        if 0 < limit < server.call_timeout_secs and path in config.source.lines:
            message = (
                f"has no effect: `per_call_timeout_secs` of [agent] ends every call after {limit:g}"
                " seconds"
            )
            yield config.source.problem(path, message)


def _untestable_servers(config: Config) -> Iterator[Problem]:
    """Servers that must answer at the start, but are only known or started with a request."""
    for name, server in config.mcp.servers.items():
        if server.required and (reason := _only_with_a_request(server)):
            message = f"cannot be required: {reason}, or leave `required` out"
            path = ("mcp", "servers", name, "required")
            yield config.source.problem(path, message)


def _only_with_a_request(server: Server) -> str | None:
    """Why a server cannot be tried at the start, and what would change that."""
    match server:
        case Stdio(per_request=True):
            return "each request starts one of its own; leave `per_request` out"
        case HttpStreamable():
            fixed = {header.lower() for header in server.headers}
            missing = [each for each in server.headers_from_request if each.lower() not in fixed]
            if missing:
                return (
                    f"only a request brings its header {missing[0]!r}; give it a value in"
                    " `headers`, too"
                )
    return None


def _unkept_scratchpad(config: Config) -> Iterator[Problem]:
    """What a scratchpad cannot do without; those of a team are checked for each worker."""
    team = config.orchestration
    if not config.agent.scratchpad.enabled or (team.enabled and team.worker):
        return
    path = ("agent", "scratchpad", "enabled")
    if config.kept_in is None:
        message = "needs a directory for its files: set `memory_dir` at the top of the file"
        yield config.source.problem(path, message)
    if config.agent.llm.context_window is None:
        message = (
            "needs to know how much the model can read: set `context_window` in [agent.llm], in"
            " tokens"
        )
        yield config.source.problem(path, message)


def _idle_thresholds(config: Config) -> Iterator[Problem]:
    for name, server in config.mcp.servers.items():
        if server.scratchpad and not _any_scratchpad(config):
            message = "has no effect without `enabled = true` in [agent.scratchpad]"
            yield config.source.problem(("mcp", "servers", name, "scratchpad"), message)


def _any_scratchpad(config: Config) -> bool:
    workers = config.orchestration.worker.values() if config.orchestration.enabled else ()
    return config.agent.scratchpad.enabled or any(
        config.scratchpad_of(worker).enabled for worker in workers
    )


def _idle_scratchpad(config: Config) -> Iterator[Problem]:
    servers = config.mcp.servers.values()
    if config.agent.scratchpad.enabled and not any(server.scratchpad for server in servers):
        message = (
            "has no effect: no server says which of its results are too large; add"
            ' `scratchpad = { "*" = {} }` to its table'
        )
        yield config.source.problem(("agent", "scratchpad", "enabled"), message)


def _narrow_window(config: Config) -> Iterator[Problem]:
    match config.agent.llm:
        case Provided(max_tokens=int(reply), context_window=int(window)) if reply >= window:
            message = f"{reply} leaves no room for a question in a context_window of {window}"
            yield config.source.problem(("agent", "llm", "max_tokens"), message)


def _alike_ids(configs: Sequence[Config]) -> Iterator[Problem]:
    first: dict[str, Config] = {}
    for config in configs:
        earlier = first.setdefault(config.id.casefold(), config)
        if earlier.id != config.id:
            message = f"agent {config.id!r} differs only in case from {earlier.id!r}"
            yield _at_id(config, f"{message} of {_file(earlier)}")


def _unlike_bounds(configs: Sequence[Config]) -> Iterator[Problem]:
    """One for each account whose agents bound its calls in different ways."""
    sharing: dict[Hashable, list[Config]] = {}
    for config in configs:
        sharing.setdefault(config.agent.llm.account, []).append(config)
    for group in sharing.values():
        tightest = min(group, key=lambda each: _bound(each) or math.inf)
        if other := next((each for each in group if _bound(each) != _bound(tightest)), None):
            message = (
                f"agents {other.id!r} and {tightest.id!r} of {_file(tightest)} share a provider"
                f" account, so the lower bound is that of both: {_bound(tightest)} calls at a"
                " time; give both the same"
            )
            yield other.source.problem(("agent", "llm", "max_concurrent_calls"), message)


def _bound(config: Config) -> int:
    return config.agent.llm.max_concurrent_calls


def _clash(config: Config, earlier: Config) -> Problem:
    if config.agent.alias and config.agent.alias == earlier.agent.alias:
        message = f"each agent needs a unique alias: {_file(earlier)} has {config.id!r} already"
    else:
        message = f"same agent name {config.id!r} as in {_file(earlier)}: give one of them an alias"
    return _at_id(config, message)


def _at_id(config: Config, message: str) -> Problem:
    return config.source.problem(("agent", "alias" if config.agent.alias else "name"), message)


def _file(config: Config) -> str:
    return config.source.file or "another file"
