"""The tools as models see them: their schemas, their arguments, their outcomes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import anyio.to_thread
import msgspec

from aura.adapters.filesystem.lines import LARGEST, text_of
from aura.adapters.filesystem.listing import MOST_ENTRIES, listing
from aura.adapters.filesystem.refusals import Refused, reason, shown
from aura.adapters.filesystem.walk import Root, found, root_at
from aura.events import ToolCalled
from aura.pipeline.ports import Outcome, Tool, ToolSpec

LONGEST_PROBLEM = 200
"""Characters of what is wrong with arguments."""

PATH = "Relative to the root directory, as in `docs/guide.md`."

FromOne = Annotated[int, msgspec.Meta(ge=1)]


class FilePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of `read_file`; null means the same as nothing."""

    path: str
    offset: FromOne | None = None
    limit: FromOne | None = None


class Directory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of `list_directory`; null means the same as nothing."""

    path: str | None = None


W = TypeVar("W", FilePart, Directory)


class ReadFile:
    """The tool that gives the text of a file."""

    spec = ToolSpec(
        "read_file",
        "Gives the text of a file below the root directory, whole or from line `offset` on. One"
        f" call gives at most {LARGEST // 1024**2} MiB of whole lines; if there is more, a notice"
        " in brackets at the end says how to go on. Only UTF-8 text; names that start with a dot"
        " are hidden and cannot be read.",
        msgspec.Raw(
            msgspec.json.encode(
                {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string", "description": PATH},
                        "offset": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "The first line to give, counted from 1. Default: 1.",
                        },
                        "limit": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "The most lines to give. Default: all that fit.",
                        },
                    },
                    "required": ["path"],
                    "additionalProperties": False,
                }
            )
        ),
    )

    def __init__(self, root: Root) -> None:
        self._root = root

    def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Outcome]:
        """Read the file; its text is the outcome."""
        del call
        takes = "`path` (a string) and optionally `offset` and `limit` (integers from 1 on)"
        return _answered(arguments, FilePart, self._text, takes=takes)

    def _text(self, wanted: FilePart) -> str:
        with found(self._root, wanted.path) as file:
            if file.is_directory:
                raise Refused("is a directory. Use list_directory to see what is in it.")
            return text_of(file, offset=wanted.offset or 1, limit=wanted.limit or LARGEST)


class ListDirectory:
    """The tool that says what is in a directory."""

    spec = ToolSpec(
        "list_directory",
        "Lists the root directory or one below it, not recursively, as JSON: `entries` by name,"
        " each with its `type` (file, directory, link or other) and the `size` of files in bytes;"
        f" `total` says how many there are. Gives the first {MOST_ENTRIES} at most; `truncated` is"
        " true if there are more. Names that start with a dot are hidden: they are only counted.",
        msgspec.Raw(
            msgspec.json.encode(
                {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string", "description": f"{PATH} Default: the root."}
                    },
                    "additionalProperties": False,
                }
            )
        ),
    )

    def __init__(self, root: Root) -> None:
        self._root = root

    def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Outcome]:
        """List the directory; the listing is the outcome."""
        del call
        return _answered(arguments, Directory, self._listed, takes="optionally `path` (a string)")

    def _listed(self, wanted: Directory) -> str:
        path = wanted.path or "."
        with found(self._root, path) as directory:
            if not directory.is_directory:
                raise Refused("is a file. Use read_file to read it.")
            return listing(directory.descriptor, path)


def filesystem_tools(root: Path) -> tuple[Tool, ...]:
    """`read_file` and `list_directory`, for what lies below a directory.

    A root that is a link is followed now, once; this looks at the disk. Raises `OSError` if it is
    no directory that can be opened.
    """
    known = root_at(root)
    return (ReadFile(known), ListDirectory(known))


async def _answered(
    arguments: dict[str, object], kind: type[W], give: Callable[[W], str], *, takes: str
) -> AsyncGenerator[Outcome, None]:
    """The outcome of a call, and nothing before it."""
    try:
        wanted = msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        problem = str(error)[:LONGEST_PROBLEM]
        outcome = Outcome(
            f"ToolCallError: the arguments do not fit: {problem}. The tool takes {takes}.",
            failure="arguments",
        )
    else:
        # Abandoned when the reader leaves, who need not wait for a slow disk: the thread changes
        # nothing, closes what it opened and has a bounded amount to do.
        outcome = await anyio.to_thread.run_sync(
            partial(_outcome, give, wanted), abandon_on_cancel=True
        )
    yield outcome


def _outcome(give: Callable[[W], str], wanted: W) -> Outcome:
    try:
        return Outcome(give(wanted))
    except Refused as refused:
        why = str(refused)
    except OSError as error:
        why = reason(error)
    return Outcome(f"Tool returned an error: {shown(wanted.path or '.')} {why}", failure="tool")
