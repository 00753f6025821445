"""When a run has taken too long. Decisions only, no waiting."""

from __future__ import annotations

from dataclasses import dataclass

from aura.events import (
    AnyEvent,
    CompletionDelayed,
    CompletionStarted,
    McpStatus,
    RunFailed,
    SessionInfo,
)

PREPARING = (SessionInfo, McpStatus, CompletionStarted, CompletionDelayed)
"""What happens before a provider's first word; silence is measured from there on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a run may take in all and how long it may be silent, in seconds; 0 for no limit."""

    total: float = 0.0
    silence: float = 0.0


class Deadlines:
    """The moments at which one run times out, in seconds since it began."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._heard: float | None = None

    def heard(self, event: AnyEvent, at: float) -> None:
        """Something happened."""
        if self._heard is not None or not isinstance(event, PREPARING):
            self._heard = at

    def failure(self, at: float, *, exempt: bool) -> RunFailed | None:
        """How the run fails now, if it does. Silence is `exempt` while a tool runs and while the
        client does not read."""
        limits = self._limits
        if limits.total and at >= limits.total:
            return RunFailed(
                code="request_timeout",
                message=f"The answer was not done after {limits.total:g} seconds, as long as this"
                " server allows (--streaming-timeout-secs).",
                status=504,
                retryable=True,
            )
        if exempt:
            self._heard = None if self._heard is None else at
        elif limits.silence and self._heard is not None and at >= self._heard + limits.silence:
            return RunFailed(
                code="inactivity_timeout",
                message=f"Nothing happened for {limits.silence:g} seconds, as long as this server"
                " allows (--stream-inactivity-timeout-secs).",
                status=504,
                retryable=True,
            )
        return None

    def look(self, at: float) -> float | None:
        """When to ask again, in seconds since the run began; nothing when there are no limits."""
        moments: list[float] = []
        if self._limits.total:
            moments.append(self._limits.total)
        if self._limits.silence:
            moments.append((at if self._heard is None else self._heard) + self._limits.silence)
        return min(moments, default=None)
