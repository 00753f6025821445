"""Events of the whole request: how it began, what it cost and how it ended."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from aura.events.base import Event
from aura.events.model import FinishReason


class SessionInfo(Event, frozen=True, kw_only=True):
    """The run began: which model answers and how many tokens its context window holds. In a team
    there is another one for each worker, when it gets its first task."""

    wire: ClassVar[str | None] = "aura.session_info"
    model: str
    model_context_limit: int | None = None
    agent_id: str | None = None
    parent_agent_id: str | None = None


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One MCP server as the run found it; `reason` says why when it failed."""

    server_name: str
    transport: Literal["http_streamable", "sse", "stdio"]
    status: Literal["connected", "failed", "not_attempted"]
    tools_count: int
    reason: str | None = None


class McpStatus(Event, frozen=True, kw_only=True):
    """The MCP servers of the agent, sorted by name."""

    wire: ClassVar[str | None] = "aura.mcp_status"
    servers: tuple[ServerStatus, ...]


class AgentUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What the model calls of one agent of a team were billed, in tokens."""

    agent_id: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Usage(Event, frozen=True, kw_only=True):
    """What the run was billed over all model calls, in tokens.

    `context_tokens` is how much of the context window the last call filled, answer included; in a
    team that of the coordinator. `by_agent` are the shares of a team, in the order of their first
    calls.
    """

    wire: ClassVar[str | None] = "aura.usage"
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    context_tokens: int = 0
    by_agent: tuple[AgentUsage, ...] = ()


class RunFailed(Event, frozen=True, kw_only=True):
    """The run could not be finished; `RunCompleted` follows.

    `message` is safe to show. `status` is the HTTP status for a client that has none yet,
    `retry_after` is in seconds.
    """

    wire: ClassVar[str | None] = "aura.error"
    code: str
    message: str
    status: int
    retryable: bool
    retry_after: float | None = None


class RunCompleted(Event, frozen=True, kw_only=True):
    """The run is over; nothing follows. `reason` is missing when it failed."""

    reason: FinishReason | None = None
