"""What a result weighs, and what the model reads in its place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from aura.adapters.scratchpad.extract import Counter
from aura.adapters.scratchpad.filing import Filed, Full
from aura.adapters.scratchpad.pointer import pointer
from aura.adapters.scratchpad.preview import preview
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import Texts
from aura.pipeline.ports import Prompt

PIECE = 256 * 1024
"""Characters that are encoded at once: nobody else can run meanwhile."""


class Tokens(Counter, Protocol):
    """Counts, and says roughly how many there are in a large text without counting them all."""

    def count(self, text: str, go_on: Callable[[], bool] | None = None) -> int:
        """All of them, unless it should not `go_on`."""
        ...

    def estimate(self, text: str) -> tuple[int, bool]:
        """About how many, and whether they were counted."""
        ...


class Weighed(NamedTuple):
    """A result that has to go: its tokens, whether they were all counted, and what is kept, in
    pieces."""

    tokens: int
    exact: bool
    pieces: list[bytes]
    digest: str

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.pieces))

    @property
    def words(self) -> str:
        """How many tokens there are, for the model."""
        return f"{self.tokens:,}" if self.exact else f"about {self.tokens:,}"


def light(counter: Tokens, text: str, bound: int | None) -> int | None:
    """The tokens of a result, unless they are as many as it may not have."""
    if bound is not None and counter.exceeds(text, bound - 1):
        return None
    return counter.estimate(text)[0]


def weighed(counter: Tokens, text: str) -> Weighed:
    """A result that is too large to stay."""
    tokens, exact = counter.estimate(text)
    pieces: list[bytes] = []
    digest = hashlib.blake2b(digest_size=4)
    for start in range(0, len(text), PIECE):
        pieces.append(text[start : start + PIECE].encode("utf-8", "replace"))
        digest.update(pieces[-1])  # others can run meanwhile
    return Weighed(tokens, exact, pieces, digest.hexdigest())


def described(tool: str, filed: Filed, tokens: str, texts: Texts, counter: Tokens) -> str:
    """What the model reads instead: where the text is, and what it looks like."""
    with texts.open(filed.file, filed.survey) as text:
        shown = preview(text, filed.format, counter)
    return pointer(tool, filed, tokens, shown)


def reason(error: OSError | Full | ToolFailed) -> str:
    """Why a text could not be kept. Names no path."""
    if isinstance(error, Full):
        return "the scratchpads have as much room as `scratchpad_max_bytes` allows"
    if isinstance(error, ToolFailed):
        return str(error)
    return os.strerror(error.errno) if error.errno else "the disk failed"


def text_of(prompt: Prompt) -> str:
    """Everything that a prompt has tokens for."""
    tools = msgspec.json.encode(prompt.tools).decode()
    messages = msgspec.json.encode(prompt.messages).decode()
    return f"{prompt.system}\n{tools}\n{messages}"
