"""What clients are shown of tool calls and of the events of a team. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from aura.events import (
    ClarificationNeeded,
    DirectAnswer,
    IterationCompleted,
    PlanCreated,
    ReplanStarted,
    Synthesizing,
    TaskBlocked,
    TaskCompleted,
    TaskStarted,
    ToolCompleted,
    ToolRequested,
    WorkerReasoning,
    WorkerToolCompleted,
    WorkerToolStarted,
)

Team: TypeAlias = (
    ClarificationNeeded
    | DirectAnswer
    | IterationCompleted
    | PlanCreated
    | ReplanStarted
    | Synthesizing
    | TaskBlocked
    | TaskCompleted
    | TaskStarted
    | WorkerReasoning
    | WorkerToolCompleted
    | WorkerToolStarted
)

_KEPT_BACK: Final[Mapping[type, tuple[str, ...]]] = {
    DirectAnswer: ("summary",),
    TaskCompleted: ("summary", "partial", "artifact", "attempts", "turns"),
    WorkerToolStarted: ("reasoning",),
    WorkerToolCompleted: ("tool_name", "worker_id", "artifact", "size"),
}
"""Fields that are for the run and its record only."""


Cut: TypeAlias = Callable[[str | None], str | None]
"""Shortens the result of a tool or a task."""


class Requested(msgspec.Struct, frozen=True):
    """A call that was taken on."""

    tool_id: str
    tool_name: str
    arguments: msgspec.Raw
    agent_id: str


def requested(event: ToolRequested) -> Requested:
    """The fields of a call that was taken on."""
    return Requested(
        tool_id=event.tool_id,
        tool_name=event.tool_name,
        arguments=msgspec.Raw(event.arguments.encode()),
        agent_id=event.agent_id,
    )


def completed(event: ToolCompleted, cut: Cut, *, bare: bool) -> dict[str, object]:
    """The fields of a call that is over; some clients take a top-level `error` for the end."""
    shown: dict[str, object] = {
        "tool_id": event.tool_id,
        "tool_name": event.tool_name,
        "duration_ms": event.duration_ms,
        "success": event.success,
    }
    if event.success:
        shown["result"] = cut(event.result)
    else:
        shown["error" if bare else "error_message"] = event.error
    return {**shown, "agent_id": event.agent_id}


def payload(event: Team, cut: Cut) -> dict[str, object]:
    """The fields of an event, results shortened by `cut`; the agent comes last."""
    fields: dict[str, object] = msgspec.to_builtins(event)
    for name in _KEPT_BACK.get(type(event), ()):
        fields.pop(name, None)
    match event:
        case TaskCompleted() | WorkerToolCompleted():
            fields["result"] = cut(event.result)
            if not event.result:
                del fields["result"]
        case WorkerToolStarted():
            fields["arguments"] = msgspec.Raw(event.arguments.encode())
    return {**fields, "agent_id": fields.pop("agent_id")}
