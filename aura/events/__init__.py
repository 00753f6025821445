"""Everything that can happen while a request is answered, as frozen msgspec structs."""

from __future__ import annotations

from typing import TypeAlias

from aura.events.base import MAIN, AgentEvent, Event, Json
from aura.events.model import (
    CompletionDelayed,
    CompletionEnded,
    CompletionStarted,
    DelayReason,
    FinishReason,
    ReasoningDelta,
    Stopped,
    TextDelta,
    ToolCalled,
    TurnUsage,
)
from aura.events.scratchpad import ScratchpadStored, ScratchpadUsage
from aura.events.session import McpStatus, RunCompleted, RunFailed, ServerStatus, SessionInfo, Usage
from aura.events.tools import (
    ToolCompleted,
    ToolDelegated,
    ToolProgressed,
    ToolRequested,
    ToolStarted,
    ToolUsage,
)

AnyEvent: TypeAlias = (
    SessionInfo
    | McpStatus
    | CompletionStarted
    | CompletionDelayed
    | TextDelta
    | ReasoningDelta
    | ToolCalled
    | TurnUsage
    | Stopped
    | CompletionEnded
    | ToolRequested
    | ToolStarted
    | ToolProgressed
    | ToolCompleted
    | ToolDelegated
    | ToolUsage
    | ScratchpadStored
    | ScratchpadUsage
    | Usage
    | RunFailed
    | RunCompleted
)

__all__ = [
    "MAIN",
    "AgentEvent",
    "AnyEvent",
    "CompletionDelayed",
    "CompletionEnded",
    "CompletionStarted",
    "DelayReason",
    "Event",
    "FinishReason",
    "Json",
    "McpStatus",
    "ReasoningDelta",
    "RunCompleted",
    "RunFailed",
    "ScratchpadStored",
    "ScratchpadUsage",
    "ServerStatus",
    "SessionInfo",
    "Stopped",
    "TextDelta",
    "ToolCalled",
    "ToolCompleted",
    "ToolDelegated",
    "ToolProgressed",
    "ToolRequested",
    "ToolStarted",
    "ToolUsage",
    "TurnUsage",
    "Usage",
]
