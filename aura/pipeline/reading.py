"""Tools of a team that look something up: artifacts, earlier runs, and what workers could call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from aura.pipeline.native import NativeTool, answer, spec
from aura.pipeline.ports import Outcome, Tool, ToolSpec
from aura.pipeline.shelf import Shelf, is_name

READ_ARTIFACT, LIST_PRIOR_RUNS = "read_artifact", "list_prior_runs"
LIST_TOOLS, INSPECT = "list_tools", "inspect_tool_params"
RECON: Final = frozenset({LIST_TOOLS, INSPECT})

SIMILAR: Final = 3

Fits = Callable[[str, str], Awaitable[str]]
"""What a reader is given of an artifact, by its name and text."""


class ReadArtifact(msgspec.Struct, frozen=True):
    """The arguments of `read_artifact`."""

    filename: str
    run_id: str | None = None


class Nothing(msgspec.Struct, frozen=True):
    """No arguments."""


class InspectToolParams(msgspec.Struct, frozen=True):
    """The arguments of `inspect_tool_params`."""

    tool_name: str


_READ = spec(
    READ_ARTIFACT,
    "Read a stored result in full, by the name of its file.",
    {
        "type": "object",
        "properties": {
            "filename": {"type": "string"},
            "run_id": {
                "type": "string",
                "description": "The id of an earlier run of this session; leave out for this run.",
            },
        },
        "required": ["filename"],
    },
)
_NONE = {"type": "object", "properties": {}}
_RUNS = spec(LIST_PRIOR_RUNS, "List earlier runs of this session, the newest first.", _NONE)
_TOOLS = spec(LIST_TOOLS, "List the names of all tools that workers have.", _NONE)
_INSPECT = spec(
    INSPECT,
    "Show what arguments a tool of the workers takes.",
    {
        "type": "object",
        "properties": {"tool_name": {"type": "string"}},
        "required": ["tool_name"],
    },
)


def read_artifact(shelf: Shelf, fits: Fits | None = None) -> Tool:
    """Reads artifacts whole; with `fits`, as much as there is room for."""

    async def run(given: ReadArtifact) -> Outcome:
        if not is_name(given.filename):
            problem = f"{given.filename!r} is not the name of an artifact: it has no directories"
            return Outcome(f"ToolCallError: {problem}.", failure="arguments")
        try:
            stored = await shelf.get(given.filename, given.run_id)
        except OSError:
            problem = "the artifact could not be read just now; this may pass, so try once more"
            return Outcome(f"ToolCallError: {problem}.", failure="tool")
        found = stored is not None
        content = stored or ""
        if found and fits is not None:
            content = await fits(given.filename, content)
        return answer({"found": found, "filename": given.filename, "content": content})

    return NativeTool(_READ, ReadArtifact, run)


def list_prior_runs(listed: Callable[[], Awaitable[Sequence[object]]]) -> Tool:
    """Lists what came before in the session."""

    async def run(_: Nothing) -> Outcome:
        runs = await listed()
        return answer({"count": len(runs), "runs": runs})

    return NativeTool(_RUNS, Nothing, run)


def recon(tools: Callable[[], Mapping[str, ToolSpec]]) -> tuple[Tool, Tool]:
    """Tools that show what workers could call."""

    async def names(_: Nothing) -> Outcome:
        known = tools()
        return answer({"count": len(known), "tools": "\n".join(known)})

    async def inspected(given: InspectToolParams) -> Outcome:
        known = tools()
        found = known.get(given.tool_name)
        schema = _unknown(given.tool_name, known) if found is None else _pretty(found)
        return answer({"found": found is not None, "tool_name": given.tool_name, "schema": schema})

    return (
        NativeTool(_TOOLS, Nothing, names),
        NativeTool(_INSPECT, InspectToolParams, inspected),
    )


def _pretty(found: ToolSpec) -> str:
    return msgspec.json.format(bytes(found.parameters), indent=2).decode()


def _unknown(name: str, known: Mapping[str, ToolSpec]) -> str:
    if not known:
        return f"There is no tool {name!r}; none available."
    wanted = name.casefold()
    similar = [each for each in known if wanted in each.casefold() or each.casefold() in wanted][
        :SIMILAR
    ]
    return f"There is no tool {name!r}; there are: {', '.join(similar or known)}."
