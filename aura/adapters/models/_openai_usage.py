"""What a chat completion took. Pure."""

from __future__ import annotations

from aura.adapters.models._openai_wire import CompletionDetails, PromptDetails, Usage
from aura.events import TurnUsage


def newer(before: Usage | None, usage: Usage | None) -> Usage | None:
    """The usage of an answer so far: some servers say it with every chunk, always for all of the
    answer, and some end with one that counts nothing."""
    if usage is None:
        return before
    counted = usage.prompt_tokens or usage.completion_tokens or usage.total_tokens
    return usage if counted or before is None else before


def billed(agent_id: str, usage: Usage) -> TurnUsage:
    """The usage as an event; servers that count reasoning apart add it to the total only. A count
    below zero is nonsense of the server's and counts nothing."""
    prompt, completion = _count(usage.prompt_tokens), _count(usage.completion_tokens)
    cached = (usage.prompt_tokens_details or PromptDetails()).cached_tokens
    reasoned = (usage.completion_tokens_details or CompletionDetails()).reasoning_tokens
    return TurnUsage(
        agent_id=agent_id,
        prompt_tokens=prompt,
        completion_tokens=max(completion, (usage.total_tokens or 0) - prompt),
        cached_tokens=_count(cached or usage.cached_tokens or usage.prompt_cache_hit_tokens),
        reasoning_tokens=_count(reasoned),
    )


def _count(tokens: int | None) -> int:
    return max(0, tokens or 0)
