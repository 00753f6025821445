"""What is counted, for Prometheus: a fold over the events of runs, and what the server adds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from aura.events import (
    AnyEvent,
    CompletionDelayed,
    McpStatus,
    PlanCreated,
    ReasoningDelta,
    RunFailed,
    ScratchpadUsage,
    ServerStatus,
    TaskCompleted,
    TextDelta,
    ToolCalled,
    ToolCompleted,
    ToolStarted,
    Usage,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.server.metrics.gaps import Gaps

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds for what takes as long as a model or a tool does."""

KINDS = ("prompt", "completion", "cached", "reasoning")
"""The kinds of tokens that are billed."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Methods with a label of their own."""

MOST_TOOLS = 1000
OTHER = "other"
"""Names of tools come from MCP servers: beyond so many they share one label, as do calls that never
reached a tool, whose names a model made up."""


class Metrics:
    """The metrics of one application, in a registry of their own.

    Labels are bounded by the configuration: agents, tools, codes. Nothing that a request brings
    becomes one.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry, buckets=SECONDS)
        self.runs_started = counter("aura_runs_started", "Runs that began.", ["agent"])
        self.runs_ended = counter(
            "aura_runs_ended", "Runs that ended, by how.", ["agent", "status"]
        )
        self.runs = gauge("aura_runs_in_progress", "Runs under way.", ["agent"])
        self.run_seconds = histogram("aura_run_seconds", "How long runs took.", ["agent"])
        self.first_token = histogram(
            "aura_first_token_seconds",
            "From the beginning of a run to its first text, reasoning or tool call.",
            ["agent"],
        )
        self.gaps = Gaps()
        registry.register(self.gaps)
        self.tool_calls = counter(
            "aura_tool_calls", "Tool calls that ended here, by how.", ["agent", "tool", "outcome"]
        )
        self.tasks = counter(
            "aura_tasks", "Tasks of teams that ended, by how.", ["agent", "outcome"]
        )
        self.tool_seconds = histogram("aura_tool_seconds", "How long tools ran.", ["tool"])
        self.tokens = counter(
            "aura_tokens",
            "Tokens billed; cached ones are among the prompt's, reasoning among the completion's.",
            ["agent", "kind"],
        )
        self.errors = counter("aura_run_errors", "Runs that failed, by code.", ["agent", "code"])
        self.delays = counter(
            "aura_completions_delayed",
            "Model calls that had to wait, by reason.",
            ["agent", "reason"],
        )
        self.scratchpads = counter(
            "aura_scratchpad_tokens",
            "Tokens kept out of conversations by scratchpads, and read of them.",
            ["agent", "what"],
        )
        self.servers = gauge(
            "aura_mcp_server_up",
            "Whether an MCP server was connected when a run of the agent last began.",
            ["agent", "server"],
        )
        self.streams = gauge("aura_streams_open", "Answers on their way to a client.")
        self.cut = counter("aura_streams_cut", "Answers not shown to their end, by code.", ["code"])
        self.writes = counter(
            "aura_write_blocked_seconds", "Time that writes took until clients had taken them."
        )
        self._requests = counter(
            "aura_http_requests", "Answers by route and status.", ["method", "route", "status"]
        )
        self._answers: dict[tuple[str, str, str], Counter] = {}
        self._watched: dict[str, Gauge] = {}
        self._tools: set[str] = set()
        self._agents: dict[str, AgentCounts] = {}
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)

    def run(self, agent: str, clock: Callable[[], float]) -> RunMeter:
        """What counts one run, which begins now."""
        counts = self._agents.get(agent)
        if counts is None:
            counts = self._agents[agent] = AgentCounts(self, agent)
        return RunMeter(self, counts, clock)

    def answered(self, method: str, route: str, status: int) -> None:
        """The answer to a request begins, with this status. `route` is that of the application,
        with the names of its parameters, and empty where there is none."""
        key = (method if method in METHODS else OTHER, route or OTHER, str(status))
        counter = self._answers.get(key)
        if counter is None:
            counter = self._answers[key] = self._requests.labels(*key)
        counter.inc()

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show what this function gives at the moment of a scrape, instead of what showed under
        this name before: an application can be started again."""
        if name not in self._watched:
            self._watched[name] = Gauge(name, text, registry=self.registry)
        self._watched[name].set_function(value)

    def tool(self, name: str) -> str:
        """The label of a tool that was really called."""
        if name not in self._tools and len(self._tools) >= MOST_TOOLS:
            return OTHER
        self._tools.add(name)
        return name

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Everything as text, and its media type, which `accept` may choose."""
        try:
            encode, media_type = choose_encoder(accept)
        except TypeError:  # for versions that are no numbers
            encode, media_type = choose_encoder("")
        text: bytes = encode(self.registry)
        return text, media_type


class AgentCounts:
    """The metrics of one agent that every run of it touches, looked up once."""

    def __init__(self, metrics: Metrics, agent: str) -> None:
        self.agent = agent
        self.started = metrics.runs_started.labels(agent)
        self.in_progress = metrics.runs.labels(agent)
        self.seconds = metrics.run_seconds.labels(agent)
        self.first_token = metrics.first_token.labels(agent)
        self.gaps = metrics.gaps.of(agent)
        self.tokens = [metrics.tokens.labels(agent, kind) for kind in KINDS]
        self.servers: tuple[ServerStatus, ...] = ()


class RunMeter:
    """Counts one run."""

    def __init__(self, metrics: Metrics, counts: AgentCounts, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._counts = counts
        self._gaps = counts.gaps
        self._clock = clock
        self._begun = clock()
        self._spoken: float | None = None
        self._answering = False
        self._started: dict[str, str] = {}
        counts.started.inc()
        counts.in_progress.inc()

    def count(self, event: AnyEvent) -> None:
        """Count one event."""
        if not isinstance(event, TextDelta):
            self._rare(event)
            return
        now = self._clock()
        if self._spoken is None:
            self._answer(now)
        else:
            self._gaps.add(now - self._spoken)
        self._spoken = now

    def ended(self, status: str) -> None:
        """The run is over."""
        self._counts.in_progress.dec()
        self._counts.seconds.observe(self._clock() - self._begun)
        self._metrics.runs_ended.labels(self._counts.agent, status).inc()

    def _answer(self, now: float) -> None:
        if not self._answering:
            self._answering = True
            self._counts.first_token.observe(now - self._begun)

    def _rare(self, event: AnyEvent) -> None:
        metrics, agent = self._metrics, self._counts.agent
        match event:
            case ReasoningDelta() | ToolCalled() | PlanCreated():
                self._answer(self._clock())
            case ToolStarted():
                self._started[event.tool_id] = metrics.tool(event.tool_name)
            case ToolCompleted():
                self._called(event.tool_id, event)
                self._spoken = None  # the silence was the tool's
            case Usage():
                self._bill(event)
            case RunFailed():
                metrics.errors.labels(agent, event.code).inc()
            case CompletionDelayed():
                metrics.delays.labels(agent, event.reason).inc()
            case ScratchpadUsage():
                metrics.scratchpads.labels(agent, "intercepted").inc(event.tokens_intercepted)
                metrics.scratchpads.labels(agent, "extracted").inc(event.tokens_extracted)
            case McpStatus():
                self._reached(event)
            case _:
                self._of_team(event)

    def _of_team(self, event: AnyEvent) -> None:
        match event:
            case WorkerToolStarted():
                self._started[event.tool_call_id] = self._metrics.tool(event.tool_name)
            case WorkerToolCompleted():
                self._called(event.tool_call_id, event)
            case TaskCompleted():
                outcome = event.failure_category or "success"
                self._metrics.tasks.labels(self._counts.agent, outcome).inc()
            case _:
                pass

    def _called(self, tool_id: str, event: ToolCompleted | WorkerToolCompleted) -> None:
        metrics, tool = self._metrics, self._started.pop(tool_id, None)
        outcome = "success" if event.success else "failure"
        metrics.tool_calls.labels(self._counts.agent, tool or OTHER, outcome).inc()
        if tool is not None:
            metrics.tool_seconds.labels(tool).observe(event.duration_ms / 1000)

    def _reached(self, status: McpStatus) -> None:
        """How the servers were; nearly always they are as they were before."""
        if status.servers == self._counts.servers:
            return
        self._counts.servers = status.servers
        for server in status.servers:
            up = server.status == "connected"
            self._metrics.servers.labels(self._counts.agent, server.server_name).set(up)

    def _bill(self, usage: Usage) -> None:
        billed = (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.reasoning_tokens,
        )
        for counter, count in zip(self._counts.tokens, billed, strict=True):
            counter.inc(max(count, 0))  # what a provider bills may be nonsense
