"""Why a task failed, as a word that the coordinator and clients can act on. Pure."""

from __future__ import annotations

from typing import Final

from aura.errors import ContextOverflow, CutOff, ProviderError, RateLimited, TimedOut, Unavailable
from aura.events import FailureCategory
from aura.pipeline.allowance import Spent

PROVIDER: Final[frozenset[FailureCategory]] = frozenset(
    {"provider_overloaded", "provider_auth_error", "provider_not_found"}
)
"""Failures that no other plan would change."""


def category(error: Exception) -> FailureCategory:
    """The kind of failure that an error of a model, or of ours, is."""
    match error:
        case ContextOverflow():
            return "context_overflow"
        case TimedOut() | Spent():
            return "agent_timeout"
        case RateLimited() | Unavailable() | CutOff():
            return "provider_overloaded"
        case ProviderError(upstream_status=401 | 403):
            return "provider_auth_error"
        case ProviderError(upstream_status=404):
            return "provider_not_found"
        case _:
            return "agent_error"


def transient(error: Exception) -> bool:
    """Whether the same may succeed a little later."""
    return isinstance(error, RateLimited | Unavailable | CutOff | TimedOut)
