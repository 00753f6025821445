"""What an answer of Anthropic's API took. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from aura.adapters.models._anthropic_wire import Usage
from aura.events import TurnUsage


def billed(agent_id: str, requests: Iterable[Iterable[Usage]]) -> TurnUsage:
    """What the requests of one answer took together. Each said it several times, always for all
    of the answer so far; a count below zero is nonsense of the server's and counts nothing."""
    prompt = completion = cached = reasoning = 0
    for usages in requests:
        written = _most(usage.cache_creation_input_tokens for usage in usages)
        read = _most(usage.cache_read_input_tokens for usage in usages)
        prompt += _most(usage.input_tokens for usage in usages) + written + read
        cached += read
        completion += _most(usage.output_tokens for usage in usages)
        details = [usage.output_tokens_details for usage in usages]
        reasoning += _most(each.thinking_tokens for each in details if each is not None)
    return TurnUsage(
        agent_id=agent_id,
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        reasoning_tokens=min(reasoning, completion),
    )


def _most(counts: Iterable[int | None]) -> int:
    return max((count for count in counts if count is not None and count > 0), default=0)
