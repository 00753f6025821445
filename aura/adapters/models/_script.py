"""What a scripted model is told to say: the script file and its checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from aura.adapters.models._placeholders import impure, names
from aura.errors import (
    ContextOverflow,
    CutOff,
    ProviderError,
    RateLimited,
    Rejected,
    ScriptError,
    TimedOut,
    Unavailable,
)
from aura.events import FinishReason

Kind = Literal[
    "rejected", "context_overflow", "rate_limited", "unavailable", "timed_out", "cut_off"
]

_ERRORS: dict[Kind, type[ProviderError]] = {
    "rejected": Rejected,
    "context_overflow": ContextOverflow,
    "rate_limited": RateLimited,
    "unavailable": Unavailable,
    "timed_out": TimedOut,
    "cut_off": CutOff,
}


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the script file."""


class When(_Table, frozen=True, kw_only=True):
    """What must be true for a reply to be given; all of what is set.

    `message` is searched in the last user message and `result` in the tool result that came
    last, both regular expressions; `tool` (a glob) names the tool of that result. `agent` is a
    glob, and `offers` a tool that the model must have been offered. Without `tool` and `result`
    the reply is never an answer to a tool result.
    """

    message: str | None = None
    tool: str | None = None
    result: str | None = None
    agent: str | None = None
    offers: str | None = None


class Call(_Table, frozen=True, kw_only=True):
    """A tool to ask for; placeholders are replaced in the arguments, however deep."""

    name: str
    arguments: dict[str, object] = {}


class ReplyUsage(_Table, frozen=True, kw_only=True):
    """What the reply is billed, in tokens; what is not set is estimated."""

    prompt: int | None = None
    completion: int | None = None
    cached: int = 0
    reasoning: int | None = None


class Fault(_Table, frozen=True, kw_only=True):
    """A failure of the provider: of the given kind, or of the one that the status stands for."""

    message: str = ""
    status: int | None = None
    kind: Kind | None = None
    retry_after: float | None = None

    def error(self, model: str) -> ProviderError:
        """The error to raise."""
        status = f" ({self.status})" if self.status else ""
        return _ERRORS[self.kind or _kind(self.status)](
            self.message or f"The scripted model {model} was told to fail{status}.",
            upstream_status=self.status,
            retry_after=self.retry_after,
        )


def _kind(status: int | None) -> Kind:
    match status:
        case 429:
            return "rate_limited"
        case 408 | 504:
            return "timed_out"
        case int() if status < 500:
            return "rejected"
        case _:
            return "unavailable"


class Reply(_Table, frozen=True, kw_only=True):
    """One answer: reasoning, text, calls; then the error, or usage and the finish reason.

    `first_delay` is waited for before anything, `delay` before each word, which then is a piece
    of its own. `cut_after` breaks the stream off after that many pieces.
    """

    when: When | None = None
    reasoning: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()
    usage: ReplyUsage = ReplyUsage()
    finish: FinishReason | None = None
    first_delay: float = 0.0
    delay: float = 0.0
    error: Fault | None = None
    cut_after: int | None = None


class Script(msgspec.Struct, frozen=True):
    """The replies of a script, and where they were read."""

    replies: tuple[Reply, ...]
    path: str = ""


def load_script(path: str | Path) -> Script:
    """The script in a TOML file of `[[reply]]` tables. Raises `ScriptError`."""
    try:
        tables = msgspec.toml.decode(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ScriptError(f"cannot read the script {str(path)!r}: {error}") from error
    unknown = sorted(tables.keys() - {"reply"})
    if unknown or not isinstance(tables.get("reply"), list):
        found = f"unknown key {unknown[0]!r}" if unknown else "no [[reply]]"
        raise ScriptError(f"{path}: {found}; a script is a list of [[reply]] tables")
    replies: list[Reply] = []
    for number, table in enumerate(tables["reply"], start=1):
        try:
            replies.append(msgspec.convert(table, Reply))
        except msgspec.ValidationError as error:
            raise ScriptError(f"{path}: reply {number}: {error}") from error
    check(replies, str(path))
    return Script(replies=tuple(replies), path=str(path))


def check(replies: list[Reply] | tuple[Reply, ...], path: str) -> None:
    """Raise `ScriptError` for the first reply that could not be given, naming its number."""
    for number, reply in enumerate(replies, start=1):
        for problem in _problems(reply):
            place = f"{path}: " if path else ""
            raise ScriptError(f"{place}reply {number}: {problem}")


def _problems(reply: Reply) -> Iterator[str]:
    known = {"message", "result", "results", "agent"}
    when = reply.when or When()
    for key, pattern in (("message", when.message), ("result", when.result)):
        try:
            regex = re.compile(pattern or "")
        except re.error as error:
            yield f"when.{key} is no regular expression: {error}"
            return
        known |= regex.groupindex.keys() | {str(group) for group in range(regex.groups + 1)}
    if min(reply.first_delay, reply.delay, reply.cut_after or 0) < 0:
        yield "first_delay, delay and cut_after cannot be negative"
    arguments = [call.arguments for call in reply.calls]
    for name in names([reply.reasoning, reply.text, *arguments]):
        base = name.removesuffix(":json")
        if base not in known and not base.startswith("result."):
            yield (
                f"unknown placeholder {'${' + name + '}'!r}: one of {', '.join(sorted(known))},"
                " result.TOOL; write $${ for the characters themselves"
            )
    if any(name.endswith(":json") for name in names([reply.reasoning, reply.text])):
        yield "':json' only works in the arguments of a call"
    for text in impure(arguments):
        yield f"':json' only works where the placeholder is the whole argument, not in {text!r}"
