"""The one ledger of what a run was billed."""

from __future__ import annotations

import msgspec

from aura.events import AnyEvent, TurnUsage, Usage


class Totals(msgspec.Struct, frozen=True):
    """Tokens billed so far, folded from the `TurnUsage` events of a run."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    context: int = 0

    def after(self, event: AnyEvent) -> Totals:
        """The totals once this event is counted."""
        if not isinstance(event, TurnUsage):
            return self
        return Totals(
            prompt=self.prompt + event.prompt_tokens,
            completion=self.completion + event.completion_tokens,
            cached=self.cached + event.cached_tokens,
            reasoning=self.reasoning + event.reasoning_tokens,
            context=event.prompt_tokens + event.completion_tokens,
        )

    def usage(self) -> Usage:
        """The totals as the event that clients see."""
        return Usage(
            prompt_tokens=self.prompt,
            completion_tokens=self.completion,
            total_tokens=self.prompt + self.completion,
            cached_tokens=self.cached,
            reasoning_tokens=self.reasoning,
            context_tokens=self.context,
        )
