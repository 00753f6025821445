"""The scratchpad of one agent in one run: what is diverted there, and what looking costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from aura.adapters.places import directory_name
from aura.adapters.scratchpad.aside import Aside, unhurried
from aura.adapters.scratchpad.budget import Budget, Window
from aura.adapters.scratchpad.explore import exploring
from aura.adapters.scratchpad.filing import Full
from aura.adapters.scratchpad.handle import Handle
from aura.adapters.scratchpad.place import Place
from aura.adapters.scratchpad.pointer import GUIDANCE, failed
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import Texts
from aura.adapters.scratchpad.tools import NAMES
from aura.adapters.scratchpad.weighing import (
    Tokens,
    Weighed,
    described,
    light,
    reason,
    text_of,
    weighed,
)
from aura.adapters.scratchpad.writing import filer
from aura.events import MAIN, ScratchpadStored, ScratchpadUsage, ToolCompleted, TurnUsage
from aura.pipeline.ports import Diverted, Home, Log, Prompt, Tool, ToolReply

GROWTH = 4
"""How many times as large as the text its file and companions may be, when room is made."""


class Loaded(Protocol):
    """Something that takes a while to load."""

    def want(self) -> None:
        """Have it loaded, in time for `get`."""
        ...

    async def get(self) -> Tokens:
        """It, once it is there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an agent's scratchpad is like. `window` is that of its model in tokens, of which the
    share `margin` stays free; `per_call` bounds what one call may give."""

    place: Place
    tokens: Loaded
    window: int
    margin: float
    per_call: int
    rounds: int
    hidden: bool


class Pad:
    """Implements `Scratchpad` of `aura.pipeline.ports`, and the shelf that the tools look into.

    `limits` says for a tool from how many tokens on its results are diverted.
    """

    guidance = GUIDANCE

    def __init__(
        self,
        settings: Settings,
        limits: Mapping[str, int],
        *,
        session_id: str,
        run_id: str,
        tasks: TaskGroup,
        log: Log,
        agent_id: str = MAIN,
        task_id: int = 0,
    ) -> None:
        self.budget = Budget(
            window=settings.window, margin=settings.margin, per_call=settings.per_call
        )
        self.rounds = settings.rounds
        self.hidden = settings.hidden
        self.tools: tuple[Tool, ...] = exploring(self)
        self._settings = settings
        self._limits = limits
        self.home = Home(session_id, run_id)
        self._tasks = tasks
        self._log = log
        self._agent_id = agent_id
        initiator = "" if agent_id == MAIN else directory_name(agent_id)
        self._prefix = f"task_{task_id}-{initiator}"
        self._turn = anyio.Lock()
        self._handle: Handle | None = None
        self._earlier: dict[Home, Handle] = {}
        self._homes: tuple[Home, ...] = ()
        self._texts: Texts | None = None
        self._prompt: Prompt | None = None
        self._reported = False
        self._intercepted = 0
        self.aside = Aside()

    def close(self) -> None:
        """Let go of the directory; the files stay."""
        for handle in (self._handle, *self._earlier.values()):
            if handle is not None:
                handle.close()

    def explores(self, tool_name: str) -> bool:
        """Whether a tool is one of those that look into files."""
        return tool_name in NAMES

    def asked(self, prompt: Prompt) -> None:
        """The model is about to be asked this, which may speak of what earlier runs kept."""
        self._prompt = prompt
        replies = (each for each in prompt.messages if isinstance(each, ToolReply))
        homes = dict.fromkeys(each.kept_in for each in replies if each.kept_in)
        self._homes = tuple(home for home in homes if home != self.home)

    def reported(self, usage: TurnUsage) -> None:
        """The provider said what the last prompt and its answer took."""
        if tokens := usage.prompt_tokens + usage.completion_tokens:
            self._reported = True
            self.budget.reported(tokens)

    def usage(self) -> ScratchpadUsage | None:
        """What was put there and read so far, unless that is nothing."""
        if not self._intercepted and not self.budget.extracted:
            return None
        return ScratchpadUsage(
            agent_id=self._agent_id,
            tokens_intercepted=self._intercepted,
            tokens_extracted=self.budget.extracted,
        )

    async def counter(self) -> Tokens:
        """Counts as the provider does."""
        return await self._settings.tokens.get()

    async def texts(self) -> Texts:
        """The files of the run, and those of earlier ones that it was told of. Raises
        `OSError`."""
        own = await self._directory()
        async with self._turn:
            for home in self._homes:
                if home not in self._earlier:
                    await self._open_earlier(home)
        handles = (own, *(self._earlier[home] for home in self._homes if home in self._earlier))
        if self._texts is None or self._texts.directories != handles:
            self._texts = Texts(handles)
        return self._texts

    async def _open_earlier(self, home: Home) -> None:
        place = self._settings.place
        descriptor = await anyio.to_thread.run_sync(place.find, home.session_id, home.run_id)
        if descriptor is not None:
            self._earlier[home] = Handle(descriptor)

    async def settled(self) -> Window:
        """The window; as long as the provider reports nothing, the prompt is counted instead."""
        prompt, self._prompt = self._prompt, None
        if prompt is not None and not self._reported:
            counter = await self.counter()
            self.budget.reported(await anyio.to_thread.run_sync(counter.count, text_of(prompt)))
        return self.budget.window

    async def diverted(self, call: ToolCompleted) -> Diverted:
        """The end of a call as the model gets it: with a pointer, if the result is too large."""
        if call.tool_name in NAMES:
            return Diverted(call)
        counter, window = await self.counter(), await self.settled()
        text = call.result or call.error or ""
        limit = self._limits.get(call.tool_name) if call.success else None
        bound = None if limit is None else min(limit, window.remaining + 1)
        tokens = await anyio.to_thread.run_sync(light, counter, text, bound)
        if tokens is not None:
            self.budget.add(tokens)
            return Diverted(call)
        found, shown, stored = await self._kept(call, text, counter)
        self.budget.add(await anyio.to_thread.run_sync(counter.count, shown))
        if stored is not None:
            self._intercepted += found.tokens
            if not found.exact:
                self._tasks.start_soon(self._corrected, text, found.tokens, counter)
        return Diverted(msgspec.structs.replace(call, result=shown), stored)

    async def shown(self, name: str, text: str) -> str:
        """A stored text that the model asked for: whole, if there is room for it, or where it can
        be explored."""
        counter, window = await self.counter(), await self.settled()
        bound = min(self.budget.per_call, window.remaining) + 1
        if await anyio.to_thread.run_sync(light, counter, text, bound) is not None:
            return text
        call = ToolCompleted(
            agent_id=self._agent_id, tool_id="", tool_name=name, duration_ms=0, success=True
        )
        _, pointed, _ = await self._kept(call, text, counter)
        return pointed

    async def _kept(
        self, call: ToolCompleted, text: str, counter: Tokens
    ) -> tuple[Weighed, str, ScratchpadStored | None]:
        """What the text weighs, what the model reads instead, and where it is, if it could be
        kept."""
        found: Weighed | None = None
        try:
            handle, place = await self._directory(), self._settings.place
            with handle.lent() as directory:
                async with filer(directory, len(text)) as file:
                    found = await anyio.to_thread.run_sync(weighed, counter, text)
                    room = await anyio.to_thread.run_sync(place.room, GROWTH * found.size)
                    base = f"{self._prefix}-{call.tool_name}-0-{found.digest}"
                    filed = await file(base, found.pieces, room)
            place.added(filed.size)
            texts = await self.texts()
            shown = await anyio.to_thread.run_sync(
                partial(described, call.tool_name, filed, found.words, texts, counter)
            )
        except (OSError, Full, ToolFailed) as error:
            why = reason(error)
            self._log.error("scratchpad failed", tool=call.tool_name, reason=why)
            lost = found
            if lost is None:
                lost = await anyio.to_thread.run_sync(weighed, counter, text)
            return lost, failed(call.tool_name, lost.words, why), None
        return (
            found,
            shown,
            ScratchpadStored(
                agent_id=call.agent_id,
                tool_id=call.tool_id,
                tool_name=call.tool_name,
                file=filed.file,
                format=filed.format,
                tokens=found.tokens,
                exact=found.exact,
                lines=filed.lines,
                size=filed.size,
                companions=tuple(each.file for each in filed.companions),
            ),
        )

    async def _directory(self) -> Handle:
        """The directory of the run, made when it is first needed."""
        async with self._turn:
            if self._handle is None:
                descriptor = await anyio.to_thread.run_sync(
                    self._settings.place.open, self.home.session_id, self.home.run_id
                )
                self._handle = Handle(descriptor)
            return self._handle

    async def _corrected(self, text: str, estimated: int, counter: Tokens) -> None:
        """Count what was only estimated, while the run goes on."""
        try:
            work = partial(counter.count, text, self.aside.go_on)
            count = await anyio.to_thread.run_sync(unhurried, work, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():  # the run is over
            self.aside.end()
            raise
        self._intercepted += count - estimated
