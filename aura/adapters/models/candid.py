"""Showing clients what a provider said of its failure, for those who debug."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from aura.errors import ProviderError
from aura.events import AnyEvent
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Model, Prompt

MOST_SAID = 500
"""Characters of the provider's words that are shown."""


@dataclass(frozen=True, slots=True)
class Candid:
    """A model whose errors hold the words of its provider. They may name hosts and accounts of the
    operator; keys and logins have been taken out of them."""

    model: Model

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self.model.name

    @property
    def most_tools(self) -> int | None:
        """How many tools it takes."""
        return self.model.most_tools

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """The events of the answer."""
        async with opened(settled(self.model.stream(prompt))) as events:
            async for event in events:
                if isinstance(event, Failure):
                    raise _told(event.error)
                yield event


def _told(error: Exception) -> Exception:
    if not isinstance(error, ProviderError) or not error.detail:
        return error
    said = error.detail
    if len(said) > MOST_SAID:
        said = said[: MOST_SAID - 1] + "…"
    return type(error)(
        f"{error} The provider said: {said}",
        detail=error.detail,
        upstream_status=error.upstream_status,
        retry_after=error.retry_after,
    )
