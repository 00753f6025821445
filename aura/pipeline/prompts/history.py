"""What the coordinator is told of earlier runs of the session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aura.pipeline.manifest import Manifest, TaskSummary

HEADING = """\
## Earlier in this session

The last {count} requests, the oldest first. Workers know nothing of them: write values that they
need into their tasks. Do not have done again what succeeded, and do not try again in the same way
what failed. Results may be out of date by now."""


def history(runs: Sequence[Manifest]) -> str:
    """Earlier runs, the oldest first; empty when there are none."""
    if not runs:
        return ""
    turns = ("\n".join(_run(number, run)) for number, run in enumerate(runs, start=1))
    return "\n\n".join([HEADING.format(count=len(runs)), *turns])


def _run(number: int, run: Manifest) -> Iterator[str]:
    yield f"### Request {number}, {run.timestamp}: {run.status}"
    yield f"Goal: {run.goal}"
    if run.outcome:
        yield f"Outcome: {run.outcome}"
    if run.response_summary:
        yield f"Answer: {run.response_summary}"
    for task in run.task_summaries:
        yield from _task(task)
    if run.artifact_paths:
        names = ", ".join(run.artifact_paths)
        yield f"Artifacts: {names}. Read them with `read_artifact` and run_id {run.run_id!r}."


def _task(task: TaskSummary) -> Iterator[str]:
    state = task.failure_category or task.confidence
    status = f"{task.status} ({state})" if state else task.status
    yield f"- {task.worker or 'unassigned'}, {status}: {task.description}"
    if task.result_preview:
        yield f"  {' '.join(task.result_preview.split())}"
    if task.error:
        yield f"  Error: {' '.join(task.error.split())}"
    if (context := task.error_context) is not None:
        if context.last_tool_call:
            yield f"  Last call: {context.last_tool_call}"
        if context.partial_result:
            yield f"  Until then: {' '.join(context.partial_result.split())[:200]}"
    if task.tool_trace:
        calls = (f"{each.tool} ({each.duration_ms / 1000:.1f} s)" for each in task.tool_trace)
        yield f"  Calls: {' -> '.join(calls)}"
