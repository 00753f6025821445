"""Telling calls from text while it is being written. Pure and incremental."""

from __future__ import annotations

from collections.abc import Collection, Generator
from typing import TypeAlias

from aura.pipeline.printed.calls import PrintedCall
from aura.pipeline.printed.forms import Forms, Outcome
from aura.pipeline.printed.scan import Brackets

Found: TypeAlias = "list[str | PrintedCall]"

MOST_HELD = 64 * 1024
"""Characters that are held back at most; what is longer is taken for text."""

QUOTES = "\"'`“‘«„"  # noqa: RUF001 - what people put in front of what they quote
"""What stands behind one of these is quoted, so that it is no call."""

MARKS = "`{[<"
"""What calls begin with."""

LANGUAGES = {"", "json", "jsonc", "tool", "tool_call", "tool_calls", "xml"}
"""Languages of code blocks that may hold a call; others are samples."""

LONGEST_LANGUAGE = 40

_LINE_START = 16


class Parser:
    """Reads one answer: `feed` every piece of it, then `flush` once. Both give the text that is for
    people, and the calls of `names` in it, in the order in which they were written.

    Text is held back only for as long as it may become a call. Samples of code in other languages,
    `code`, quotations and all other JSON are text.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._forms = Forms(tuple(names), self)
        self.text = ""
        self._over = False
        self._line = ""
        self._last = ""
        self._seen: set[str] = set()
        self._found: Found = []
        self._grammar = self._read()
        next(self._grammar)

    def feed(self, piece: str) -> Found:
        """What is certain after the next piece."""
        self.text += piece
        next(self._grammar)
        return self._given()

    def flush(self) -> Found:
        """The rest; nothing can be fed afterwards."""
        self._over = True
        for _ in self._grammar:
            pass
        self._say(len(self.text))
        return self._given()

    def more(self) -> Generator[None, None, bool]:
        """Wait for more text; false when there is none, or when too much is held back."""
        if self._over or len(self.text) > MOST_HELD:
            return False
        yield
        return True

    def _given(self) -> Found:
        found, self._found = self._found, []
        return found

    def _read(self) -> Generator[None, None, None]:
        """Go through the text; whatever begins a candidate is at its beginning then."""
        while True:
            places = [place for place in map(self.text.find, MARKS) if place >= 0]
            self._say(min(places, default=len(self.text)))
            if not self.text:
                if self._over:
                    return
                yield
            elif self.text[0] == "`":
                yield from self._code()
            elif (self._last and self._last in QUOTES) or self._line.lstrip().startswith(">"):
                self._say(1)
            else:
                yield from self._take((yield from self._forms.call(0)))

    def _take(self, outcome: Outcome) -> Generator[None, None, None]:
        """Take a call out of the text, or let what is none pass."""
        if outcome.calls is not None:
            self._call(outcome)
        elif outcome.brackets:
            yield from self._pass_brackets()
        else:
            self._say(1)

    def _call(self, outcome: Outcome) -> None:
        """Calls that were written twice in the same words are made once."""
        snippet = self.text[: outcome.end].strip()
        if snippet not in self._seen:
            self._seen.add(snippet)
            self._found += outcome.calls or ()
        self.text = self.text[outcome.end :]
        self._last = ""

    def _say(self, length: int) -> None:
        """Give text out."""
        said, self.text = self.text[:length], self.text[length:]
        if not said:
            return
        if self._found and isinstance(self._found[-1], str):
            self._found[-1] += said
        else:
            self._found.append(said)
        self._last = said[-1]
        _, newline, rest = said.rpartition("\n")
        self._line = (rest if newline else self._line + said)[:_LINE_START]

    def _pass_brackets(self) -> Generator[None, None, None]:
        """Let something in brackets pass as a whole, calls in it included: it is data."""
        brackets = Brackets('"')
        while True:
            self._say(brackets.go(self.text, 0))
            if brackets.state != "open" or not (yield from self._wait()):
                return

    def _wait(self) -> Generator[None, None, bool]:
        if self._over:
            return False
        yield
        return True

    def _code(self) -> Generator[None, None, None]:
        """A block of code, or some code within a line."""
        while not (rest := self.text.lstrip("`")) and (yield from self.more()):
            pass
        ticks = len(self.text) - len(rest)
        if ticks < 3 or self._line.strip():
            yield from self._pass_within_line(ticks)
            return
        while "\n" not in self.text and len(self.text) < LONGEST_LANGUAGE:
            if not (yield from self.more()):
                break
        language, newline, _ = self.text[ticks:].partition("\n")
        if newline and language.strip().lower() in LANGUAGES:
            begin = ticks + len(language) + 1
            outcome = yield from self._forms.block(begin, self.text[:ticks])
            if outcome.calls is not None:
                self._call(outcome)
                return
        yield from self._pass_block(ticks)

    def _pass_within_line(self, ticks: int) -> Generator[None, None, None]:
        """Let code within a line pass: to as many ticks as it began with, or to the line's end."""
        self._say(ticks)
        while True:
            tick, newline = self.text.find("`"), self.text.find("\n")
            if newline >= 0 and (tick < 0 or newline < tick):
                self._say(newline + 1)
                return
            self._say(tick if tick >= 0 else len(self.text))
            if tick < 0:
                if not (yield from self._wait()):
                    return
                continue
            while not (rest := self.text.lstrip("`")) and len(self.text) < ticks:
                if not (yield from self._wait()):
                    break
            run = len(self.text) - len(rest)
            self._say(run)
            if run >= ticks:
                return

    def _pass_block(self, ticks: int) -> Generator[None, None, None]:
        """Let a block of code pass, to the line that ends it."""
        first = True
        while True:
            newline = self.text.find("\n")
            if newline < 0:
                self._say(len(self.text))
                if not (yield from self._wait()):
                    return
                continue
            line = (self._line + self.text[:newline]).strip()
            self._say(newline + 1)
            if not first and line.startswith("`" * ticks):
                return
            first = False
