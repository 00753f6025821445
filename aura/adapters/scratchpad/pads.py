"""The scratchpads of an agent: one for each run that may need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from aura.adapters.scratchpad.pad import Pad, Settings
from aura.adapters.scratchpad.weighing import Tokens
from aura.events import MAIN
from aura.pipeline.ports import Log


class Pads:
    """Implements `Scratchpads` of `aura.pipeline.ports`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextmanager
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
    ) -> Iterator[Pad]:
        """One for a run; nothing is on disk until there is something to keep."""
        self._settings.tokens.want()
        pad = Pad(
            self._settings,
            limits,
            session_id=session_id,
            run_id=run_id,
            tasks=tasks,
            log=log,
            agent_id=agent_id,
            task_id=task_id,
        )
        try:
            yield pad
        finally:
            pad.close()


class Loading:
    """A counter that is loaded beside everything else when it is first wanted: it takes a moment,
    and memory that a server does not need before."""

    def __init__(self, load: Callable[[], Tokens]) -> None:
        self._load = load
        self._wanted = anyio.Event()
        self._loaded = anyio.Event()
        self._tokens: Tokens | None = None

    def want(self) -> None:
        """Have it loaded."""
        self._wanted.set()

    async def load(self) -> None:
        """Load it once it is wanted."""
        await self._wanted.wait()
        self._tokens = await anyio.to_thread.run_sync(self._load)
        self._loaded.set()

    async def get(self) -> Tokens:
        """The counter, once it is there."""
        self.want()
        while self._tokens is None:
            await self._loaded.wait()
        return self._tokens
