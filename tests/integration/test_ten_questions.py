"""Ten questions about results that no context window holds, answered with the tools alone."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from aura.events import (
    AnyEvent,
    ScratchpadStored,
    ScratchpadUsage,
    Stopped,
    TextDelta,
    ToolCalled,
    TurnUsage,
)
from aura.pipeline.answered import answer
from aura.pipeline.ports import Prompt, ToolReply, User
from aura.pipeline.run import open_run
from benchmarks.corpora import log, pods, runbook
from tests.support.agents import agent
from tests.support.scratchpads import scratchpads
from tests.support.tools import ScriptedToolbox, gives

PODS, LOG, RUNBOOK = 30_000_000, 100_000_000, 2000
WINDOW = 128_000

Ask = tuple[str, dict[str, object]]
Explorer = Iterator[Ask]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Detective:
    """A model that asks what a generator asks, and answers with what that found."""

    explore: Callable[[Detective], Explorer]
    name: str = "scripted/detective"
    most_tools: int | None = None
    result: str = ""
    answers: list[str] = field(default_factory=list)
    steps: Explorer | None = None

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        last = prompt.messages[-1]
        pointers = [each.text for each in prompt.messages if isinstance(each, ToolReply)]
        self.result = last.text if isinstance(last, ToolReply) else ""
        if self.steps is None:
            names = ("list_pods", "get_log", "get_runbook")
            asked: list[Ask] = [(name, {}) for name in names]
            self.steps = self.explore(self)
        else:
            self.files = [re.search(r"saved to '([^']+)'", each)[1] for each in pointers[:3]]
            self.pointers = pointers[:3]
            asked = [step] if (step := next(self.steps, None)) else []
        for name, arguments in asked:
            identity = f"call_{len(prompt.messages)}_{name}"
            text = json.dumps(arguments)
            yield ToolCalled(agent_id="main", tool_id=identity, tool_name=name, arguments=text)
        if not asked:
            yield TextDelta(agent_id="main", text="\n".join(self.answers))
        yield TurnUsage(agent_id="main", prompt_tokens=1000, completion_tokens=50)
        yield Stopped(agent_id="main", reason="tool_calls" if asked else "stop")

    def found(self, pattern: str) -> str:
        """What the last result says."""
        match = re.search(pattern, self.result, re.MULTILINE)
        assert match is not None, self.result[:500]
        return match[1]

    def rows(self) -> list[dict[str, object]]:
        """What iterate_over gave."""
        return json.loads(self.result.rpartition("\n--- scratchpad")[0])


def investigation(it: Detective) -> Explorer:
    """The questions, one after the other."""
    yield "head", {"file": it.files[2], "lines": 1}
    listing, lines, book = it.files
    # How many pods are there? The message about the file says so.
    it.answers.append(re.search(r"\$\.items \(array\((\d+) items\)\)", it.pointers[0])[1])
    # Which pods of team-3 ran out of memory?
    where = "status.reason=OOMKilled and metadata.namespace=team-3"
    of_items = {"file": listing, "path": "items", "fields": "metadata.name"}
    yield "iterate_over", {**of_items, "where": where}
    it.answers.append(" ".join(str(row["metadata.name"]) for row in it.rows()))
    # Where does the 11th pod run?
    yield "get_in", {"file": listing, "path": "items.10.spec.nodeName"}
    it.answers.append(it.found(r"^ +1\t(\S+)$"))
    # Which is the last pod?
    yield "get_in", {"file": listing, "path": "$.items[-1].metadata.name"}
    it.answers.append(it.found(r"^ +1\t(\S+)$"))
    # In how many pods does the status give a reason?
    yield "item_schema", {"file": listing, "path": "items"}
    it.answers.append(it.found(r"^status\.reason +string +(\d+)/"))
    # What is the root cause?
    yield "grep", {"file": lines, "pattern": "FATAL", "context": 0}
    it.answers.append(it.found(r"root cause: (.+)$"))
    fatal = int(it.found(r"^> *(\d+)\t"))
    # Which worker logged last before that?
    yield "slice", {"file": lines, "start": fatal - 1, "end": fatal}
    it.answers.append(it.found(r"(worker-\d+) handled"))
    # How many errors has worker-03 logged?
    yield "grep", {"file": lines, "pattern": "ERROR worker-03 ", "context": 0}
    it.answers.append(it.found(r"--- scratchpad grep: (\d+) matching lines"))
    # Whom to call for procedure 123?
    yield "grep", {"file": book, "pattern": "^## Procedure 123:", "context": 0}
    section = int(it.found(r"^> *(\d+)\t"))
    yield "slice", {"file": book, "start": section, "end": section + 30}
    it.answers.append(it.found(r"Call extension (\d+)"))
    # What restarts the service of procedure 77?
    yield "grep", {"file": book, "pattern": "kubectl restart .*-77$", "context": 0}
    it.answers.append(it.found(r"\t(kubectl .+)$"))


def truth(listing: bytes, lines: bytes, book: str) -> list[str]:
    """The same, from the whole results."""
    items = json.loads(listing)["items"]
    log_lines = lines.decode().splitlines()
    fatal = next(number for number, line in enumerate(log_lines) if " FATAL " in line)
    section = book.partition("\n## Procedure 123:")[2]
    return [
        str(len(items)),
        " ".join(
            pod["metadata"]["name"]
            for pod in items
            if pod["status"].get("reason") == "OOMKilled"
            and pod["metadata"]["namespace"] == "team-3"
        ),
        items[10]["spec"]["nodeName"],
        items[-1]["metadata"]["name"],
        str(sum("reason" in pod["status"] for pod in items)),
        log_lines[fatal].partition("root cause: ")[2],
        log_lines[fatal - 1].split()[2],
        str(sum(" ERROR worker-03 " in line for line in log_lines)),
        section.partition("Call extension ")[2].partition(".")[0],
        next(line for line in book.splitlines() if line.endswith("-77") and "restart" in line),
    ]


@pytest.mark.anyio
async def test_ten_questions_over_130_megabytes(tmp_path: Path) -> None:
    listing, lines, book = pods(PODS), log(LOG), runbook(RUNBOOK).decode()
    tools = (
        gives("list_pods", listing.decode()),
        gives("get_log", lines.decode()),
        gives("get_runbook", book),
    )
    toolbox = ScriptedToolbox(tools, large={tool.name: 5120 for tool in tools})
    detective = Detective(investigation)
    asked = replace(
        agent(toolset=toolbox, scratchpads=scratchpads(tmp_path, window=WINDOW), turn_depth=20),
        model=detective,
        parallel_calls=1,
    )
    stored: list[ScratchpadStored] = []
    used: list[ScratchpadUsage] = []
    async with open_run() as run:
        async for event in answer(asked, (User("Ten questions."),), run):
            if isinstance(event, ScratchpadStored):
                stored.append(event)
            elif isinstance(event, ScratchpadUsage):
                used.append(event)
    assert detective.answers == truth(listing, lines, book)
    assert [event.format for event in stored] == ["json", "text", "markdown"]
    [usage] = used
    assert usage.tokens_extracted < 0.001 * usage.tokens_intercepted
    assert usage.tokens_extracted < WINDOW / 4
