"""What came of the tasks of a team, for its coordinator and, if need be, for the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from aura.events import FailureCategory, PlannedTask
from aura.pipeline.prompts import fenced

CHOOSE = """\
Read an artifact if what is shown of it is not enough. Then call exactly one tool:

- `respond_directly` if the request can be answered now. The user has seen none of these results:
  the answer must stand on its own, without numbers of tasks.
- `create_plan` for steps that the results have only now made possible, or to try what failed in
  another way. Write values, or the names of artifacts, into the tasks.
- `request_clarification` only for an ambiguity that nothing here resolves."""


class ToolNote(msgspec.Struct, frozen=True):
    """A call that a worker made: how long it took in seconds, and why, if it said so. `size` is
    that of the output in bytes."""

    tool_name: str
    seconds: float
    success: bool
    reasoning: str = ""
    artifact: str = ""
    size: int = 0
    error: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a plan and how far it came. `text` is its result as it can be shown, with a note
    about the artifact if that is not all of it; `status` counts what was never begun as blocked."""

    task: PlannedTask
    status: str
    text: str = ""
    summary: str = ""
    confidence: str = ""
    artifact: str = ""
    category: FailureCategory | None = None
    error: str = ""
    partial: str = ""
    tools: tuple[ToolNote, ...] = ()


class Failed(msgspec.Struct, frozen=True):
    """A failure of any iteration so far."""

    iteration: int
    description: str
    category: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of an iteration that the coordinator is told of."""

    iteration: int
    cycles: int
    goal: str
    done: tuple[Done, ...]
    failures: tuple[Failed, ...] = ()
    shows_reasoning: bool = False
    longest_error: int = 2000


def continuation(report: Report, now: str) -> str:
    """The message after the tasks of a plan; `now` is RFC 3339."""
    head = f"The time is {now}. Iteration {report.iteration} of {report.cycles} is over."
    if report.iteration >= report.cycles:
        head += " FINAL ATTEMPT: a further plan will not be carried out."
    elif report.iteration + 1 == report.cycles:
        head += " FINAL ATTEMPT: a further plan would be the last one."
    succeeded = [each for each in report.done if each.status == "complete"]
    parts = [
        head,
        f"Goal: {report.goal}",
        f"{len(succeeded)} of {len(report.done)} tasks succeeded.",
        *_sections(report),
        CHOOSE,
    ]
    return "\n\n".join(part for part in parts if part)


def _sections(report: Report) -> Iterator[str]:
    groups: dict[str, list[Done]] = {"complete": [], "failed": [], "blocked": []}
    for each in report.done:
        groups[each.status].append(each)
    if groups["complete"]:
        yield "## Completed"
        yield from (_completed(each, report) for each in groups["complete"])
    if groups["blocked"]:
        lines = [
            f"- task {each.task.task_id}: {each.task.description}" for each in groups["blocked"]
        ]
        yield "\n".join(["## Blocked", "", *lines])
    if groups["failed"]:
        yield "## Failed"
        yield from (_failed(each, report) for each in groups["failed"])
        yield from _history(report)
    if groups["failed"] and groups["complete"]:
        yield (
            "Do not have completed tasks done again: write their values, or the names of their"
            " artifacts, into new tasks."
        )


def _completed(each: Done, report: Report) -> str:
    confidence = f" (confidence: {each.confidence})" if each.confidence else ""
    lines = [f"### Task {each.task.task_id}: {each.task.description}{confidence}"]
    if each.artifact and each.summary:
        lines.append(f"Summary: {each.summary}")
    lines += [fenced("result", each.text), *_artifacts(each)]
    if report.shows_reasoning and each.tools:
        lines.append(_chain(each.tools))
    return "\n".join(lines)


def _failed(each: Done, report: Report) -> str:
    error = each.error
    if len(error) > report.longest_error:
        error = error[: report.longest_error] + "…"
    lines = [
        f"### Task {each.task.task_id}: {each.task.description} [{each.category}]",
        fenced("error", error),
    ]
    if each.partial:
        lines.append(f"What there was until then:\n{fenced('result', each.partial)}")
    lines += _artifacts(each)
    if each.tools:
        lines.append(_chain(each.tools))
    return "\n".join(lines)


def _artifacts(each: Done) -> list[str]:
    return [
        f"Output of {note.tool_name}: artifact {note.artifact} ({note.size} bytes)"
        for note in each.tools
        if note.artifact
    ]


def _chain(tools: Sequence[ToolNote]) -> str:
    return "Calls: " + " -> ".join(
        f"{note.tool_name} ({note.seconds:.1f} s"
        + ("" if note.success else ", failed")
        + (f": {note.reasoning[:100]}" if note.reasoning else "")
        + ")"
        for note in tools
    )


def _history(report: Report) -> Iterator[str]:
    statuses = Counter(each.status for each in report.done)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    tasks = [f"- task {each.task.task_id}: {each.status}" for each in report.done]
    yield "\n".join([f"Summary: {counts}.", *tasks])
    lines = [
        f"- iteration {each.iteration}: {each.description} [{each.category}]"
        for each in report.failures
    ]
    again = Counter((each.description, each.category) for each in report.failures)
    patterns = [
        f"- {description} failed {count} times in the same way [{category}]"
        for (description, category), count in again.items()
        if count > 1
    ]
    yield "\n".join(["Failures so far:", *lines])
    if patterns:
        yield "\n".join(["Observed patterns:", *patterns])
    yield "What failed once in a way will fail in it again: change the approach, or do without."


def raw(reason: str, iterations: Sequence[tuple[int, Sequence[Done]]]) -> str:
    """All that there is, as Markdown for the user, when nobody can make an answer of it."""
    parts = [f"*{reason}*", "# Results of the tasks"]
    several = len(iterations) > 1
    for iteration, tasks in iterations:
        if several:
            parts.append(f"Iteration {iteration}")
        parts += [
            f"## Task {each.task.task_id}: {each.task.description}\n\n{_body(each)}"
            for each in tasks
        ]
    return "\n\n".join(parts)


def _body(each: Done) -> str:
    match each.status:
        case "complete":
            return each.text
        case "failed":
            partial = f"\n\n{each.partial}" if each.partial else ""
            return f"Failed: {each.error}{partial}"
        case _:
            return "Not executed."
