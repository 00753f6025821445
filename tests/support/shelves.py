"""Files of a scratchpad without an agent: written as results are, and looked into as models do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec

from aura.adapters.scratchpad.aside import Aside
from aura.adapters.scratchpad.budget import Budget, Window
from aura.adapters.scratchpad.explore import exploring
from aura.adapters.scratchpad.filing import Filed, file_away
from aura.adapters.scratchpad.handle import Handle
from aura.adapters.scratchpad.survey import Survey
from aura.adapters.scratchpad.text import Text, Texts
from aura.adapters.tokens import Counter, counter
from aura.events import ToolCalled
from aura.pipeline.ports import Outcome, Tool


class Shelf:
    """A directory with files, and a budget to look into them."""

    def __init__(self, root: Path, *, per_call: int = 10_000, window: int = 1_000_000) -> None:
        self.root = root
        self.budget = Budget(window=window, margin=0.0, per_call=per_call)
        self.aside = Aside()
        self._handle = Handle(os.open(root, os.O_RDONLY))
        self._texts = Texts((self._handle,))
        self._tools: dict[str, Tool] = {tool.spec.name: tool for tool in exploring(self)}

    def close(self) -> None:
        """Let go of the directory."""
        self._handle.close()

    async def texts(self) -> Texts:
        """The files."""
        return self._texts

    async def counter(self) -> Counter:
        """Counts as OpenAI's newest models do."""
        return counter("openai", "gpt-4o")

    async def settled(self) -> Window:
        """The window."""
        return self.budget.window

    def open(self, name: str, survey: Survey | None = None) -> AbstractContextManager[Text]:
        """A file, of which the tools know then what its survey says."""
        return self._texts.open(name, survey)

    def keep(self, data: bytes | str | object, base: str = "kept") -> Filed:
        """File a result away; what is no text is encoded as JSON first."""
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")
        elif not isinstance(data, bytes):
            data = msgspec.json.encode(data)
        directory = os.open(self.root, os.O_RDONLY)
        try:
            return file_away(directory, base, data, None)
        finally:
            os.close(directory)

    def outcome(self, tool: str, **arguments: object) -> Outcome:
        """What a call comes to."""

        async def ask() -> Outcome:
            call = ToolCalled(agent_id="main", tool_id="1", tool_name=tool, arguments="")
            [item] = [each async for each in self._tools[tool].call(call, arguments)]
            assert isinstance(item, Outcome)
            return item

        return anyio.run(ask)

    def look(self, tool: str, **arguments: object) -> str:
        """The body of what a call gives, without its footer."""
        outcome = self.outcome(tool, **arguments)
        assert outcome.failure is None, outcome.text
        body, mark, _ = outcome.text.rpartition(f"--- scratchpad {tool}: ")
        assert mark, outcome.text
        return body.removesuffix("\n")

    def footer(self, tool: str, **arguments: object) -> str:
        """The footer of what a call gives."""
        return self.outcome(tool, **arguments).text.rpartition("--- scratchpad ")[2]

    def declined(self, tool: str, **arguments: object) -> dict[str, Any]:
        """What a call says that is to be made in another way."""
        outcome = self.outcome(tool, **arguments)
        assert outcome.failure is None, outcome.text
        answer = msgspec.json.decode(outcome.text)
        assert isinstance(answer, dict)
        return answer

    def refused(self, tool: str, **arguments: object) -> str:
        """The error of a call that fails."""
        outcome = self.outcome(tool, **arguments)
        assert outcome.failure == "tool", outcome.text
        return outcome.text.removeprefix("Tool returned an error: ")


@contextmanager
def shelf(root: Path, *, per_call: int = 10_000, window: int = 1_000_000) -> Iterator[Shelf]:
    """A shelf for the time of a block."""
    made = Shelf(root, per_call=per_call, window=window)
    try:
        yield made
    finally:
        made.close()


def numbered_lines(body: str) -> list[str]:
    """The lines of a numbered body without their numbers."""
    return [line.partition("\t")[2] for line in body.split("\n")]
