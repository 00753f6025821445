"""A team whose coordinator and workers are models of four providers, doubles that others wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aura.build import open_agents
from aura.config import load
from aura.events import (
    AnyEvent,
    ClarificationNeeded,
    DirectAnswer,
    PlanCreated,
    RunCompleted,
    TaskBlocked,
    TaskCompleted,
    TextDelta,
    TurnUsage,
    Usage,
    WorkerToolCompleted,
)
from aura.pipeline.answered import answer
from aura.pipeline.ports import User
from aura.pipeline.run import open_run
from aura.pipeline.team import Team
from tests.support.processes import Processes
from tests.support.sources import fixed_sources
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

TEAM = """
[agent]
name = "team"
system_prompt = "You lead a team."
[agent.llm]
provider = "anthropic"
model = "claude-sonnet-4-0"
api_key = "k"
base_url = "{url}"
[tools]
filesystem = true
root = "{root}"
[orchestration]
enabled = true
max_planning_cycles = {cycles}
timeouts.per_call_timeout_secs = 60
[orchestration.worker.reads]
description = "Reads"
preamble = "You read."
[orchestration.worker.reads.llm]
provider = "gemini"
model = "gemini-2.5-flash"
api_key = "k"
base_url = "{url}"
[orchestration.worker.lists]
description = "Lists"
preamble = "You list."
[orchestration.worker.lists.llm]
provider = "ollama"
model = "qwen3:8b"
base_url = "{url}"
[orchestration.worker.writes]
description = "Writes"
preamble = "You write."
[orchestration.worker.writes.llm]
provider = "openai"
model = "gpt-test"
api_key = "k"
base_url = "{url}/v1"
"""

USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


def asks(tool: str, **arguments: object) -> dict[str, object]:
    call = {"id": f"call_{tool}", "name": tool, "arguments": arguments}
    return {"toolCalls": [call], "usage": USAGE}


def said(words: str, response: dict[str, object], **match: object) -> dict[str, object]:
    return {"match": {"userMessage": words, **match}, "response": response}


def plan(words: str, *steps: object) -> dict[str, object]:
    asked = asks(
        "create_plan",
        goal="Know",
        steps=list(steps),
        routing_rationale="tools are needed",
        planning_summary="Look.",
    )
    return said(words, asked)


def task(text: str, worker: str) -> dict[str, object]:
    return {"type": "task", "task": text, "worker": worker}


def side_by_side(*items: object) -> dict[str, object]:
    return {"type": "parallel", "items": list(items)}


def responds(words: str, text: str) -> dict[str, object]:
    given = {"response": text, "routing_rationale": "done", "summary": text}
    return said(words, asks("respond_directly", **given))


def hands_in(words: str, text: str, **match: object) -> dict[str, object]:
    given = {"summary": text, "result": text, "confidence": "high"}
    return said(words, asks("submit_result", **given), **match)


READS = [
    said("Read the note", asks("read_file", path="note.txt"), hasToolResult=False),
    hands_in("Read the note", "The note says hello.", toolResultContains="hello"),
]
LISTS = [
    said("List the folder", asks("list_directory", path="."), hasToolResult=False),
    hands_in("List the folder", "There is a note.", toolResultContains="note.txt"),
]
WRITES = [hands_in("Write both", "Hello from the note.")]
REFUSED = {"response": {"error": {"message": "no", "type": "invalid_request_error"}, "status": 400}}

UNKNOWN: dict[str, object] = {
    "goal": "Know",
    "steps": [{"type": "task", "task": "Read the note", "worker": "nobody"}],
    "routing_rationale": "tools are needed",
    "planning_summary": "Look.",
}

SCENES: dict[str, list[dict[str, Any]]] = {
    "direct": [responds("<request>", "It is four.")],
    "clarification": [
        said("<request>", asks("request_clarification", question="Where?", routing_rationale="r"))
    ],
    "one task": [
        plan("<request>", task("Read the note", "reads")),
        responds("Iteration 1 of", "It says hello."),
        *READS,
    ],
    "three tasks": [
        plan(
            "<request>",
            side_by_side(task("Read the note", "reads"), task("List the folder", "lists")),
            task("Write both", "writes"),
        ),
        responds("Iteration 1 of", "Hello from the note."),
        *WRITES,
        *READS,
        *LISTS,
    ],
    "a failure": [
        plan(
            "<request>",
            side_by_side(task("Read the note", "reads"), task("List the folder", "lists")),
            task("Write both", "writes"),
        ),
        responds("Iteration 1 of", "Only the note is known."),
        *READS,
        {"match": {"userMessage": "List the folder"}, **REFUSED},
    ],
    "a second plan": [
        plan("<request>", task("Read the note", "reads")),
        plan("Iteration 1 of", task("List the folder", "lists")),
        responds("Iteration 2 of", "One note, hello."),
        *READS,
        *LISTS,
    ],
    "a second plan after a failure": [
        plan("<request>", task("List the folder", "lists")),
        plan("Iteration 1 of", task("Read the note", "reads")),
        responds("Iteration 2 of", "It says hello."),
        *READS,
        {"match": {"userMessage": "List the folder"}, **REFUSED},
    ],
    "no cycle left": [
        plan("<request>", task("Read the note", "reads")),
        plan("Iteration 1 of", task("List the folder", "lists")),
        *READS,
    ],
    "only words at first": [
        said("<request>", {"content": "Let me think.", "usage": USAGE}),
        plan("Text is not accepted", task("Read the note", "reads")),
        responds("Iteration 1 of", "It says hello."),
        *READS,
    ],
    "nothing handed in": [
        plan("<request>", task("List the folder", "lists")),
        responds("Iteration 1 of", "Nobody knows."),
        said("List the folder", {"content": "There is a note.", "usage": USAGE}),
        said("nobody has got your result", {"content": "Really.", "usage": USAGE}),
    ],
    "the same call for ever": [
        plan("<request>", task("Read the note", "reads")),
        responds("Iteration 1 of", "It went round in circles."),
        READS[0],
        said("Read the note", asks("read_file", path="note.txt")),
    ],
    "an unknown worker": [
        said("<request>", asks("create_plan", **UNKNOWN), hasToolResult=False),
        plan("<request>", task("Read the note", "reads")),
        responds("Iteration 1 of", "It says hello."),
        *READS,
    ],
}
CYCLES = {"no cycle left": 1}


def of(kind: type[Any], events: Sequence[AnyEvent]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def played(scene: str, processes: Processes, node: str, folder: Path) -> list[AnyEvent]:
    root = folder / "root"
    root.mkdir()
    (root / "note.txt").write_text("hello")
    replies = folder / "replies.json"
    replies.write_bytes(msgspec.json.encode({"fixtures": SCENES[scene]}))
    file = folder / "team.toml"
    file.write_text(
        TEAM.format(url=processes.aimock(node, replies).url, root=root, cycles=CYCLES.get(scene, 3))
    )
    async with open_agents(load(file, {}).configs) as [served]:
        assert isinstance(served.agent, Team)
        async with open_run(sources=fixed_sources()) as run:
            return await transcript(answer(served.agent, [User("What is there?")], run))


@pytest.mark.parametrize(
    ("scene", "plans", "ended", "text"),
    [
        ("direct", 0, [], "It is four."),
        ("clarification", 0, [], ""),
        ("one task", 1, [True], "It says hello."),
        ("three tasks", 1, [True, True, True], "Hello from the note."),
        ("a failure", 1, [True, False], "Only the note is known."),
        ("a second plan", 2, [True, True], "One note, hello."),
        ("a second plan after a failure", 2, [True, False], "It says hello."),
        ("no cycle left", 1, [True], ""),
        ("only words at first", 1, [True], "It says hello."),
        ("nothing handed in", 1, [False], "Nobody knows."),
        ("the same call for ever", 1, [False], "It went round in circles."),
        ("an unknown worker", 1, [True], "It says hello."),
    ],
)
async def test_a_team_of_four_providers(
    *,
    scene: str,
    plans: int,
    ended: list[bool],
    text: str,
    processes: Processes,
    node: str,
    tmp_path: Path,
) -> None:
    events = await played(scene, processes, node, tmp_path)
    assert len(of(PlanCreated, events)) == plans
    assert sorted((each.success for each in of(TaskCompleted, events)), reverse=True) == ended
    assert len(of(TaskBlocked, events)) == (scene == "a failure")
    assert len(of(ClarificationNeeded, events)) == (scene == "clarification")
    answered = [each.response for each in of(DirectAnswer, events)]
    assert answered == ([text] if text else [])
    if text:
        assert "".join(each.text for each in of(TextDelta, events)).endswith(text)
    elif scene == "no cycle left":
        assert "The note says hello." in "".join(each.text for each in of(TextDelta, events))
    assert isinstance(events[-1], RunCompleted)
    if scene != "the same call for ever":
        assert all(each.success for each in of(WorkerToolCompleted, events))
    [whole] = of(Usage, events)
    assert whole.total_tokens == sum(
        each.prompt_tokens + each.completion_tokens for each in of(TurnUsage, events)
    )
