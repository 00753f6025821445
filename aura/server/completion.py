"""The chat completion as one JSON object, and how billed tokens are reported.

The format is OpenAI's Chat Completions API; `metadata` is an addition.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from aura.events import Usage


class CalledFunction(msgspec.Struct, frozen=True):
    """The function of a tool call; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the client has to make."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(msgspec.Struct, frozen=True):
    """A whole assistant message of a JSON answer; there is no content when there are only
    calls."""

    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    annotations: tuple[()] = ()
    tool_calls: tuple[ToolCall, ...] | msgspec.UnsetType = msgspec.UNSET


class Choice(msgspec.Struct, frozen=True):
    """The one choice of a JSON answer."""

    index: int
    message: AssistantMessage
    finish_reason: str
    logprobs: None = None


class UsageDetails(msgspec.Struct, frozen=True):
    """Cached prompt tokens, as OpenAI reports them."""

    cached_tokens: int


class CompletionDetails(msgspec.Struct, frozen=True):
    """Reasoning tokens, as OpenAI reports them."""

    reasoning_tokens: int


class UsageBody(msgspec.Struct, frozen=True):
    """Billed tokens, as OpenAI reports them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: UsageDetails
    completion_tokens_details: CompletionDetails


class ChatCompletion(msgspec.Struct, frozen=True):
    """A JSON answer."""

    id: str
    object: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: UsageBody
    metadata: dict[str, str]


def usage_body(usage: Usage | None) -> UsageBody:
    """Billed tokens as OpenAI reports them; zeros when the provider reported none."""
    usage = usage or Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    return UsageBody(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=UsageDetails(usage.cached_tokens),
        completion_tokens_details=CompletionDetails(usage.reasoning_tokens),
    )
