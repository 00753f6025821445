"""Events of one tool call, tied together by the model's call id."""

from __future__ import annotations

from typing import ClassVar

from aura.events.base import AgentEvent, Event


class ToolRequested(AgentEvent, frozen=True, kw_only=True):
    """A call was taken on; exactly one `ToolCompleted`, or `ToolDelegated` for a tool of the
    client, with the same `tool_id` follows.

    `arguments` is JSON text; `{}` when the model's text was not a JSON object. A call that is
    `hidden` is a matter between the agent and its scratchpad: no client is shown it.
    """

    wire: ClassVar[str | None] = "aura.tool_requested"
    tool_id: str
    tool_name: str
    arguments: str
    hidden: bool = False


class ToolStarted(AgentEvent, frozen=True, kw_only=True):
    """The call went out to the tool; progress may follow under the same token."""

    wire: ClassVar[str | None] = "aura.tool_start"
    tool_id: str
    tool_name: str
    progress_token: int | str | None = None


class ToolProgressed(AgentEvent, frozen=True, kw_only=True):
    """A running tool reported how far it is; `percent` is known only when the total is.

    `phase` says who reports: `mcp_progress` for an MCP server.
    """

    wire: ClassVar[str | None] = "aura.progress"
    tool_id: str
    message: str
    phase: str
    percent: int | None = None
    progress_token: int | str | None = None
    parent_agent_id: str | None = None


class ToolDelegated(AgentEvent, frozen=True, kw_only=True):
    """The call is the client's to make; its result comes with a later request."""

    tool_id: str
    tool_name: str


class ToolCompleted(AgentEvent, frozen=True, kw_only=True):
    """The call is over. `result` is the text that the model is given, whole, on success;
    `error` is the same on failure. `images` are `data:` URLs for models that take images.
    `hidden` is as it was requested."""

    wire: ClassVar[str | None] = "aura.tool_complete"
    tool_id: str
    tool_name: str
    duration_ms: int
    success: bool
    result: str | None = None
    error: str | None = None
    images: tuple[str, ...] = ()
    hidden: bool = False


class ToolUsage(Event, frozen=True, kw_only=True):
    """What the model call that asked for these tools was billed, in tokens."""

    wire: ClassVar[str | None] = "aura.tool_usage"
    tool_ids: tuple[str, ...]
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
