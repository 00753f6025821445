"""What one round of a turn said and what its tools gave, as the next round needs it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aura.events import (
    AnyEvent,
    ScratchpadStored,
    TextDelta,
    Thought,
    ToolCalled,
    ToolCompleted,
    ToolUsage,
    TurnUsage,
)
from aura.pipeline.nudges import with_notice
from aura.pipeline.ports import Assistant, Home, Prompt, Scratchpad, ToolReply

NOT_MADE = "ToolCallError: this call was not made, because one before it ended the turn."


class Heard:
    """What one completion said, as far as the next one and the scratchpad need it."""

    def __init__(self, pad: Scratchpad | None = None) -> None:
        self._pad = pad
        self.text: list[str] = []
        self.calls: list[ToolCalled] = []
        self.thoughts: list[Thought] = []
        self.usage: TurnUsage | None = None

    def asked(self, prompt: Prompt) -> None:
        """The completion is about to begin."""
        if self._pad is not None:
            self._pad.asked(prompt)

    def message(self) -> Assistant:
        """All of it, as the conversation has it."""
        return Assistant(
            text="".join(self.text), calls=tuple(self.calls), thoughts=tuple(self.thoughts)
        )

    def add(self, event: AnyEvent) -> None:
        """Count one event of the completion."""
        match event:
            case TextDelta():
                self.text.append(event.text)
            case ToolCalled():
                self.calls.append(event)
            case Thought():
                self.thoughts.append(event)
            case TurnUsage():
                self.usage = event
                if self._pad is not None:
                    self._pad.reported(event)
            case _:
                pass


class Gathered:
    """What the tools of one round gave."""

    def __init__(self, pad: Scratchpad | None) -> None:
        self.replies: dict[str, ToolReply] = {}
        self._pad = pad
        self._kept: set[str] = set()

    def reply(self, call: ToolCalled) -> ToolReply:
        """What the model is told about a call; one that came after a decision was not made."""
        made = self.replies.get(call.tool_id)
        return made or ToolReply(tool_id=call.tool_id, tool_name=call.tool_name, text=NOT_MADE)

    def add(self, event: AnyEvent) -> None:
        """Count one event of the round."""
        match event:
            case ScratchpadStored():
                self._kept.add(event.tool_id)
            case ToolCompleted():
                home = self._pad.home if self._pad and event.tool_id in self._kept else None
                self.replies[event.tool_id] = reply(event, home)
            case _:
                pass


def distinct(call: ToolCalled, seen: set[str]) -> ToolCalled:
    """The call under an id that no other call of the run has; adds it to `seen`.

    Some servers number calls from 0 in every completion; events are correlated by this id.
    """
    tool_id, copy = call.tool_id, 1
    while tool_id in seen:
        copy += 1
        tool_id = f"{call.tool_id}_{copy}"
    seen.add(tool_id)
    return call if tool_id == call.tool_id else msgspec.structs.replace(call, tool_id=tool_id)


def reply(event: ToolCompleted, kept_in: Home | None = None) -> ToolReply:
    """What the model is told about a call that is over."""
    text = event.result if event.success else event.error
    return ToolReply(
        tool_id=event.tool_id,
        tool_name=event.tool_name,
        text=text or "",
        images=event.images,
        kept_in=kept_in,
    )


def noticed(replies: list[ToolReply], notice: str | None) -> list[ToolReply]:
    """The replies, with the notice at the end of the last one."""
    if not replies:
        return replies
    *others, last = replies
    return [*others, msgspec.structs.replace(last, text=with_notice(last.text, notice))]


def tool_usage(asked: Sequence[ToolCalled], usage: TurnUsage | None) -> ToolUsage | None:
    """What the completion that asked for these tools was billed, unless nobody is shown them."""
    shown = tuple(call.tool_id for call in asked if not call.hidden)
    if usage is None or not shown:
        return None
    return ToolUsage(
        tool_ids=shown,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
