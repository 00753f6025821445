"""The TOML as immutable structs: every key with its type, its default and its limits."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from aura.config.kinds import Count, Filled, OnDisconnect, Positive, SecondsOrNever, Share
from aura.config.llm import Llm
from aura.config.orchestration import Orchestration, Worker
from aura.config.servers import Server
from aura.config.source import Source

Override: TypeAlias = Literal[
    "max_tokens", "temperature", "top_p", "seed", "stop", "response_format", "tool_choice"
]

SCRATCHPAD_MAX_BYTES: Final = 1024**3
SCRATCHPAD_RETENTION_SECS: Final = 86_400.0


class Scratchpad(msgspec.Struct, frozen=True, kw_only=True):
    """Files for results of tools that are too large for a conversation.

    The share `context_safety_margin` of the context window stays free; `turn_depth_bonus` rounds of
    tools are for exploring.
    """

    enabled: bool = False
    context_safety_margin: Share = 0.20
    max_extraction_tokens: Positive = 10_000
    turn_depth_bonus: Count = 6


class Agent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers, and how.

    `mcp_filter` keeps two states apart: `None` lets every tool through, `()` none; for
    `client_tool_filter` both let everything through. `created_at` is in milliseconds since the
    epoch; `None` means the time of start.
    """

    name: Filled
    alias: Filled | None = None
    description: str | None = None
    system_prompt: str
    context: tuple[str, ...] = ()
    turn_depth: Count = 5
    created_at: Count | None = None
    model_owner: str | None = None
    mcp_filter: tuple[str, ...] | None = None
    hidden: bool = False
    allow_request_overrides: tuple[Override, ...] = ("max_tokens", "stop", "response_format")
    parallel_tool_calls: bool = True
    max_parallel_tool_calls: Positive = 8
    per_call_timeout_secs: SecondsOrNever = 0.0
    on_disconnect: OnDisconnect = "cancel"
    enable_client_tools: bool = False
    client_tool_filter: tuple[str, ...] | None = None
    nudge_last_turn: bool = False
    nudge_turns_remaining: Count | None = None
    scratchpad: Scratchpad = msgspec.field(default_factory=Scratchpad)
    llm: Llm

    @property
    def id(self) -> str:
        """The name that requests use: the alias, or the name when there is none."""
        return self.alias or self.name


class Mcp(msgspec.Struct, frozen=True, kw_only=True):
    """Where tools come from; the servers keep the order of the file.

    `sanitize_schemas` fits the schemas of tools to providers that take only a part of JSON Schema.
    """

    servers: dict[str, Server] = {}
    sanitize_schemas: bool = True


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """Tools that are built in: reading files below `root`, by default the working directory."""

    filesystem: bool = False
    root: Filled = "."
    custom_tools: tuple[str, ...] = ()


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What one TOML file says.

    `memory_dir` is for what outlives a request, relative to the working directory. All scratchpads
    below it take `scratchpad_max_bytes` at most, and are kept for `scratchpad_retention_secs` after
    their run; 0 means no limit.
    """

    agent: Agent
    mcp: Mcp = msgspec.field(default_factory=Mcp)
    tools: Tools = msgspec.field(default_factory=Tools)
    orchestration: Orchestration = msgspec.field(default_factory=Orchestration)
    memory_dir: Filled | None = None
    scratchpad_max_bytes: Count = SCRATCHPAD_MAX_BYTES
    scratchpad_retention_secs: SecondsOrNever = SCRATCHPAD_RETENTION_SECS


class Config(Document, frozen=True, kw_only=True):
    """What one TOML file says, and the file."""

    source: Source = Source()

    @property
    def id(self) -> str:
        """The name that requests use for the agent."""
        return self.agent.id

    @property
    def kept_in(self) -> str | None:
        """The directory for what outlives a request, wherever the file says it."""
        return self.memory_dir or self.orchestration.artifacts.memory_dir

    def sets(self, *path: str) -> bool:
        """Whether the file has this key."""
        return path in self.source.lines

    def scratchpad_of(self, worker: Worker) -> Scratchpad:
        """The scratchpad of a worker: that of the agent, but for what the worker has itself."""
        if worker.scratchpad is None:
            return self.agent.scratchpad
        own = msgspec.structs.asdict(worker.scratchpad)
        given = {key: value for key, value in own.items() if value is not None}
        return msgspec.structs.replace(self.agent.scratchpad, **given)

    @property
    def llms(self) -> dict[tuple[str, ...], Llm]:
        """Every model, by the path of its table."""
        workers = self.orchestration.worker.items() if self.orchestration.enabled else ()
        own = {("orchestration", "worker", name, "llm"): each.llm for name, each in workers}
        return {
            ("agent", "llm"): self.agent.llm,
            **{path: llm for path, llm in own.items() if llm is not None},
        }
