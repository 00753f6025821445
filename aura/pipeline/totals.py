"""The one ledger of what a run was billed."""

from __future__ import annotations

import msgspec

from aura.events import COORDINATOR, MAIN, AgentUsage, AnyEvent, TurnUsage, Usage


class Totals(msgspec.Struct, frozen=True):
    """Tokens billed so far, folded from the `TurnUsage` events of a run."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    context: int = 0
    by_agent: tuple[AgentUsage, ...] = ()

    def after(self, event: AnyEvent) -> Totals:
        """The totals once this event is counted."""
        if not isinstance(event, TurnUsage):
            return self
        return Totals(
            prompt=self.prompt + event.prompt_tokens,
            completion=self.completion + event.completion_tokens,
            cached=self.cached + event.cached_tokens,
            reasoning=self.reasoning + event.reasoning_tokens,
            context=(
                event.prompt_tokens + event.completion_tokens
                if event.agent_id in (MAIN, COORDINATOR)
                else self.context
            ),
            by_agent=_shares(self.by_agent, event),
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
            by_agent=() if [each.agent_id for each in self.by_agent] == [MAIN] else self.by_agent,
        )


def _shares(shares: tuple[AgentUsage, ...], event: TurnUsage) -> tuple[AgentUsage, ...]:
    """The shares once this event is counted."""
    found = {each.agent_id: each for each in shares}
    before = found.get(event.agent_id) or AgentUsage(
        agent_id=event.agent_id, prompt_tokens=0, completion_tokens=0, total_tokens=0
    )
    prompt = before.prompt_tokens + event.prompt_tokens
    completion = before.completion_tokens + event.completion_tokens
    found[event.agent_id] = AgentUsage(
        agent_id=event.agent_id,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
    )
    return tuple(found.values())
