"""What a worker's calls gave, beside what it was told of them, and the files about its task."""

from __future__ import annotations

import msgspec

from aura.events import PlannedTask, TaskCompleted, ToolCalled, ToolCompleted, WorkerToolStarted
from aura.pipeline.ports import Outcome
from aura.pipeline.shelf import Shelf, part

LONGEST_PARTIAL = 8
"""Calls whose outputs are told when a task failed."""

_encode = msgspec.json.Encoder().encode


class Notes:
    """The calls of one task, by their ids. `base` begins the names of its artifacts, `place` those
    of the files about its attempts."""

    def __init__(self, shelf: Shelf, base: str, place: str) -> None:
        self.attempt = 1
        self._shelf = shelf
        self._base = base
        self._place = place
        self._reasons: dict[str, str] = {}
        self._outputs: dict[str, str] = {}
        self._kept: dict[str, tuple[str, int]] = {}
        self._gathered: list[str] = []

    def begin(self, attempt: int, prompt: str) -> None:
        """Another attempt begins, with this message."""
        self.attempt = attempt
        self.file("prompt.txt", prompt)

    def reason(self, tool_id: str, reason: str) -> None:
        """The worker said why it makes a call."""
        if reason:
            self._reasons[tool_id] = reason

    def why(self, tool_id: str) -> str:
        """What it said."""
        return self._reasons.get(tool_id, "")

    def outcome(self, call: ToolCalled, outcome: Outcome) -> None:
        """A tool of the worker's own gave this."""
        self._outputs[call.tool_id] = outcome.text

    def footer(self, call: ToolCompleted) -> str | None:
        """Keep an output that is long or took long; what the worker is told, if it was long and
        is in the conversation all the same."""
        text = self._outputs.pop(call.tool_id, None)
        if text is None:
            return None
        name = f"{self._base}-{part(call.tool_name)}-{call.tool_id.rpartition('_')[2]}"
        name, long = self._shelf.output(name, text, call.duration_ms / 1000)
        if name:
            self._kept[call.tool_id] = name, len(text.encode("utf-8", "replace"))
        limit = self._shelf.thresholds.summary
        shown = text if len(text) <= limit else f"{text[:limit]}…"
        self._gathered.append(f"{call.tool_name}: {shown}" + (f" [{name}]" if name else ""))
        told = long and text == call.result
        return f"[Tool output saved to artifact: {name}]" if told else None

    def kept(self, tool_id: str) -> tuple[str, int]:
        """The artifact of a call and its bytes; empty when there is none."""
        return self._kept.get(tool_id, ("", 0))

    def partial(self, text: str) -> str:
        """What there is of a task that failed: what the worker said last, and its last outputs."""
        return "\n\n".join(part for part in (text, *self._gathered[-LONGEST_PARTIAL:]) if part)

    def record(self, started: WorkerToolStarted, ended: ToolCompleted, artifact: str) -> None:
        """Add a call to the file about the attempt."""
        if (record := self._shelf.record) is None:
            return
        line = {
            "tool": ended.tool_name,
            "arguments": msgspec.Raw(started.arguments.encode()),
            "reasoning": started.reasoning or None,
            "output": ended.result,
            "error": ended.error,
            "duration_ms": ended.duration_ms,
            **({"artifact_filename": artifact} if artifact else {}),
        }
        record.append(self.name("tool-calls.jsonl"), _encode(line) + b"\n")

    def finish(self, task: PlannedTask, done: TaskCompleted) -> None:
        """Write down what came of the task."""
        result = {
            "task_id": done.task_id,
            "description": task.description,
            "attempt": done.attempts,
            "result": done.result if done.success else None,
            "summary": done.summary or None,
            "error": None if done.success else done.result,
            "partial_result": done.partial or None,
            "duration_ms": done.duration_ms,
            "confidence": done.confidence,
        }
        self.file("result.json", msgspec.json.format(_encode(result)).decode())

    def file(self, what: str, text: str) -> None:
        """Keep a file about the attempt, if anything is kept."""
        if (record := self._shelf.record) is not None:
            record.keep(self.name(what), text.encode("utf-8", "replace"))

    def name(self, what: str) -> str:
        """What a file about the attempt is called."""
        return f"{self._place}.attempt-{self.attempt}.{what}"
