"""Where results, and what else a run leaves behind, are kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from anyio.abc import TaskGroup

from aura.events import MAIN, ScratchpadStored, ScratchpadUsage, ToolCompleted, TurnUsage
from aura.pipeline.ports.log import Log
from aura.pipeline.ports.models import Home, Prompt
from aura.pipeline.ports.tools import Tool


class Diverted(NamedTuple):
    """The end of a call as the model gets it, and where its result went, if it did not get that."""

    call: ToolCompleted
    stored: ScratchpadStored | None = None


class Scratchpad(Protocol):
    """Where one agent keeps large results in one run.

    `rounds` are those that it gets to explore them, `guidance` is for its system prompt, `hidden`
    says whether clients are shown nothing of the exploring, and `home` where what is kept can be
    found by the run that goes on with the conversation.
    """

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools to explore with."""
        ...

    @property
    def rounds(self) -> int: ...  # noqa: D102
    @property
    def guidance(self) -> str: ...  # noqa: D102
    @property
    def hidden(self) -> bool: ...  # noqa: D102

    @property
    def home(self) -> Home: ...  # noqa: D102

    def explores(self, tool_name: str) -> bool:
        """Whether a tool is one of these."""
        ...

    def asked(self, prompt: Prompt) -> None:
        """The model is about to be asked this. What earlier runs kept that it speaks of can be
        explored, too."""
        ...

    def reported(self, usage: TurnUsage) -> None:
        """The provider said what the last prompt and its answer took."""
        ...

    async def shown(self, name: str, text: str) -> str:
        """A stored text that the model asked for: whole, if there is room for it, or where it can
        be explored."""
        ...

    async def diverted(self, call: ToolCompleted) -> Diverted:
        """The end of a call as the model gets it. What goes wrong is part of it."""
        ...

    def usage(self) -> ScratchpadUsage | None:
        """What was kept and read so far, unless that is nothing."""
        ...


class Scratchpads(Protocol):
    """The scratchpads of an agent, one for each run."""

    def open(
        self,
        limits: Mapping[str, int],
        *,
        session_id: str,
        run_id: str,
        tasks: TaskGroup,
        log: Log,
        agent_id: str = MAIN,
        task_id: int = 0,
    ) -> AbstractContextManager[Scratchpad]:
        """One for a run, or for a task of one, whose tasks may count what was only estimated."""
        ...


class Record(Protocol):
    """What one run of a team leaves behind: files below a directory of its own.

    Names may have directories in them. Writing never fails for whoever has something written, and
    is done in its order, beside everything else.
    """

    def keep(self, name: str, data: bytes) -> None:
        """Have a file written, or written anew: readers see all of it or what was there before."""
        ...

    def append(self, name: str, line: bytes) -> None:
        """Have a line added to a file."""
        ...

    async def settled(self, seconds: float) -> bool:
        """Wait, not longer than that, until everything is written; whether it is."""
        ...

    async def read(self, name: str, run_id: str | None = None) -> bytes | None:
        """A file of this run, or of another run of the same session; nothing when it is not there,
        or when the name leads out of the run's directory. Raises `OSError`."""
        ...

    async def manifests(self, most: int) -> tuple[bytes, ...]:
        """The file `manifest.json` of other runs of the session, the newest first."""
        ...


class Records(Protocol):
    """Where teams keep what their runs leave behind."""

    def open(
        self, *, session_id: str, run_id: str, tasks: TaskGroup, log: Log
    ) -> AbstractContextManager[Record]:
        """The record of a run that begins."""
        ...
