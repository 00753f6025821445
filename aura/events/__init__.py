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
    Thought,
    ToolCallDelta,
    ToolCalled,
    TurnUsage,
)
from aura.events.orchestration import (
    COORDINATOR,
    ClarificationNeeded,
    Confidence,
    DirectAnswer,
    FailureCategory,
    IterationCompleted,
    Phase,
    PlanCreated,
    PlannedTask,
    ReplanStarted,
    RoutingMode,
    Synthesizing,
    TaskBlocked,
    TaskCompleted,
    TaskStarted,
    TurnShare,
    WorkerPhase,
    WorkerReasoning,
    WorkerToolCompleted,
    WorkerToolStarted,
)
from aura.events.scratchpad import ScratchpadStored, ScratchpadUsage
from aura.events.session import (
    AgentUsage,
    McpStatus,
    RunCompleted,
    RunFailed,
    ServerStatus,
    SessionInfo,
    Usage,
)
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
    | Thought
    | ToolCallDelta
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
    | PlanCreated
    | DirectAnswer
    | ClarificationNeeded
    | TaskStarted
    | TaskCompleted
    | TaskBlocked
    | WorkerPhase
    | WorkerReasoning
    | WorkerToolStarted
    | WorkerToolCompleted
    | Synthesizing
    | IterationCompleted
    | ReplanStarted
    | Usage
    | RunFailed
    | RunCompleted
)

__all__ = [
    "COORDINATOR",
    "MAIN",
    "AgentEvent",
    "AgentUsage",
    "AnyEvent",
    "ClarificationNeeded",
    "CompletionDelayed",
    "CompletionEnded",
    "CompletionStarted",
    "Confidence",
    "DelayReason",
    "DirectAnswer",
    "Event",
    "FailureCategory",
    "FinishReason",
    "IterationCompleted",
    "Json",
    "McpStatus",
    "Phase",
    "PlanCreated",
    "PlannedTask",
    "ReasoningDelta",
    "ReplanStarted",
    "RoutingMode",
    "RunCompleted",
    "RunFailed",
    "ScratchpadStored",
    "ScratchpadUsage",
    "ServerStatus",
    "SessionInfo",
    "Stopped",
    "Synthesizing",
    "TaskBlocked",
    "TaskCompleted",
    "TaskStarted",
    "TextDelta",
    "Thought",
    "ToolCallDelta",
    "ToolCalled",
    "ToolCompleted",
    "ToolDelegated",
    "ToolProgressed",
    "ToolRequested",
    "ToolStarted",
    "ToolUsage",
    "TurnShare",
    "TurnUsage",
    "Usage",
    "WorkerPhase",
    "WorkerReasoning",
    "WorkerToolCompleted",
    "WorkerToolStarted",
]
