"""Events of one model call: what it streams, what it cost and why it stopped."""

from __future__ import annotations

from typing import ClassVar, Literal

from aura.events.base import AgentEvent

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
DelayReason = Literal["busy", "rate_limited", "retry"]


class CompletionStarted(AgentEvent, frozen=True, kw_only=True):
    """The model is about to be asked; `index` counts the completions of one agent from 0."""

    index: int


class CompletionDelayed(AgentEvent, frozen=True, kw_only=True):
    """The model call begins to wait before its provider is asked, or asked again.

    `busy`: as many calls as the account allows are being made, and nobody knows for how many
    `seconds`; `rate_limited`: the provider told this run, or another of the same account, to
    wait; `retry`: the last attempt failed. `attempt` is the one that is waited for, from 1.
    """

    wire: ClassVar[str | None] = "aura.completion_delayed"
    index: int
    reason: DelayReason
    attempt: int
    seconds: float | None = None


class TextDelta(AgentEvent, frozen=True, kw_only=True):
    """A piece of the answer."""

    text: str


class ReasoningDelta(AgentEvent, frozen=True, kw_only=True):
    """A piece of what the model thinks before it answers; a fragment, not a whole thought."""

    wire: ClassVar[str | None] = "aura.reasoning"
    content: str
    parent_agent_id: str | None = None


class Thought(AgentEvent, frozen=True, kw_only=True):
    """A part of the answer that its provider wants back, unchanged, with the rest of the answer:
    signed reasoning, for example. `block` is JSON, of which only that provider knows the meaning.
    """

    provider: str
    block: str


class ToolCallDelta(AgentEvent, frozen=True, kw_only=True):
    """A piece of a call that the model is still writing; the whole `ToolCalled` follows.

    Only for the tools that a prompt names as `live`. `index` tells apart the calls of one answer.
    """

    tool_name: str
    index: int
    arguments: str


class ToolCalled(AgentEvent, frozen=True, kw_only=True):
    """The model finished asking for a tool.

    `arguments` is the JSON text as the model wrote it, which need not parse. `delegated` says that
    the client runs the tool, not we, and `hidden` that no client is shown the call. `signature` is
    what the provider wants back with the call, if anything.
    """

    tool_id: str
    tool_name: str
    arguments: str
    delegated: bool = False
    hidden: bool = False
    signature: str = ""


class TurnUsage(AgentEvent, frozen=True, kw_only=True):
    """What the provider billed for this call, in tokens.

    `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` part of `completion_tokens`.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Stopped(AgentEvent, frozen=True, kw_only=True):
    """The provider said that the call is complete, and why."""

    reason: FinishReason


class CompletionEnded(AgentEvent, frozen=True, kw_only=True):
    """The model call is over; `reason` is missing when it failed."""

    index: int
    reason: FinishReason | None = None
