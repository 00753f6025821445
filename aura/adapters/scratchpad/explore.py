"""A call of one of the eight tools: read in a thread, weighed against the budget, given."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import NamedTuple, Protocol

import anyio.to_thread
import msgspec

from aura.adapters.scratchpad.aside import Aside
from aura.adapters.scratchpad.budget import Budget, Window
from aura.adapters.scratchpad.extract import Advice, Counter, Extract, Oversized
from aura.adapters.scratchpad.refusals import Declined, ToolFailed, changed, unreadable
from aura.adapters.scratchpad.specs import SPECS
from aura.adapters.scratchpad.text import Texts
from aura.adapters.scratchpad.tools import View, Wanted, wanted
from aura.events import ToolCalled
from aura.pipeline.ports import Outcome, Tool, ToolSpec


class Explored(NamedTuple):
    """What a thread found: the text, its tokens, and what to say if it is too large."""

    text: str
    tokens: int
    advice: Advice
    free: bool = False


class Shelf(Protocol):
    """Where the files of a run are, and what it has used of its model's window."""

    @property
    def budget(self) -> Budget:
        """What still fits."""
        ...

    @property
    def aside(self) -> Aside:
        """What can wait while somebody looks."""
        ...

    async def texts(self) -> Texts:
        """The files. Raises `OSError`."""
        ...

    async def counter(self) -> Counter:
        """Counts as the model's provider does."""
        ...

    async def settled(self) -> Window:
        """The window, once something is known about what is in it."""
        ...


class Explore:
    """One of the tools, for one run."""

    def __init__(self, spec: ToolSpec, shelf: Shelf) -> None:
        self.spec = spec
        self._shelf = shelf

    def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Outcome]:
        """Look into a file; what is found, or what to try instead, is the outcome."""
        del call
        return self._answered(arguments)

    async def _answered(self, arguments: dict[str, object]) -> AsyncGenerator[Outcome, None]:
        yield await self._outcome(arguments)

    async def _outcome(self, arguments: dict[str, object]) -> Outcome:
        try:
            asked = wanted(self.spec, arguments)
            view = await self._view()
            window = await self._shelf.settled()
            # Abandoned when the reader leaves: the thread only reads, and closes what it opened.
            with self._shelf.aside.going_first():
                found = await anyio.to_thread.run_sync(
                    partial(self._look, asked, *view, window), abandon_on_cancel=True
                )
        except Declined as declined:
            return Outcome(declined.text())
        except ToolFailed as failed:
            return Outcome(f"Tool returned an error: {failed}", failure="tool")
        if found.free or self._shelf.budget.book(found.tokens):
            return Outcome(found.text)
        return Outcome(self._too_large(found).text())

    async def _view(self) -> tuple[Texts, Counter]:
        try:
            return await self._shelf.texts(), await self._shelf.counter()
        except OSError as error:
            raise ToolFailed(unreadable(error, ())) from None

    def _look(self, asked: Wanted, texts: Texts, counter: Counter, window: Window) -> Explored:
        """The text of the outcome, with its tokens. Raises `Declined` and `ToolFailed`."""
        per_call = self._shelf.budget.per_call
        try:
            with texts.open(asked.file) as text:
                companions = tuple(texts.companions(asked.file))
                extract = asked.of(View(text, companions, per_call, counter))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise changed() from None
        except OSError as error:
            raise ToolFailed(f"{asked.file[:200]!r}: {unreadable(error, _names(texts))}") from None
        except Oversized as oversized:
            sample = oversized.sample.decode("utf-8", "replace")
            estimated = counter.count(sample) * oversized.size // max(1, len(oversized.sample))
            return Explored("", max(estimated, per_call + 1), oversized.advice)
        if extract.free:
            return Explored(extract.body, 0, extract.advice, free=True)
        body = f"{extract.body}\n" if extract.body else ""
        tokens = counter.count(body) if extract.tokens is None else extract.tokens
        if tokens > per_call:
            return Explored("", tokens, extract.advice)
        # No token goes on behind a line break, so that the parts take as much as the whole.
        footer = self._footer(extract, counter, window)
        return Explored(body + footer, tokens + counter.count(footer), extract.advice)

    def _footer(self, extract: Extract, counter: Counter, window: Window) -> str:
        meta = {
            "lines": extract.lines,
            "estimated_tokens": counter.count(extract.plain),
            "window_hint": (
                f"about {window.remaining} of {window.usable} usable tokens are left,"
                f" {window.used} are used by the conversation and what was read so far"
            ),
        }
        return (
            f"--- scratchpad {self.spec.name}: {extract.shown} |"
            f" {msgspec.json.encode(meta).decode()} ---"
        )

    def _too_large(self, found: Explored) -> Declined:
        """A piece that is not given, because of its own size or of what is left."""
        tool, budget = self.spec.name, self._shelf.budget
        if found.tokens > budget.per_call:
            message = (
                f"This would be about {found.tokens} tokens, and one call may give"
                f" {budget.per_call}. Ask for less."
            )
            bound = {"per_call_limit": budget.per_call}
        else:
            remaining = budget.window.remaining
            message = (
                f"This would be {found.tokens} tokens, but only {remaining} are remaining in the"
                " context window for the scratchpad. Ask for less, or answer with what you have."
            )
            bound = {"remaining_budget_tokens": remaining}
        return Declined(
            f"{tool}_too_large",
            message,
            found.advice.suggestions,
            estimated_tokens=found.tokens,
            **bound,
            **found.advice.facts,
        )


def _names(texts: Texts) -> list[str]:
    try:
        return texts.names()
    except OSError:
        return []


def exploring(shelf: Shelf) -> tuple[Tool, ...]:
    """The eight tools, for one run."""
    return tuple(Explore(spec, shelf) for spec in SPECS)
