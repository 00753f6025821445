"""What a server lists, made ready to be offered and called. Pure, and slow for long lists."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from mcp_types import Tool

from aura.adapters.mcp.arguments import Arguments
from aura.adapters.mcp.link import Listed
from aura.adapters.mcp.schema import Unusable, sanitized

LONGEST_SCHEMA = 256 * 1024
MOST_BYTES = 8 * 1024 * 1024
MOST_TOOLS = 2000
LONGEST_DESCRIPTION = 16 * 1024
"""What one server may list: bytes of JSON for the schema of a tool and for all tools, tools, and
characters of a description; what is longer is cut or left out.
A tool that takes more would not fit into any model's context."""


class Listing:
    """What one server lists, page by page: the tools that can be offered, in its order, and notes
    about what is odd: a tool and why."""

    def __init__(self) -> None:
        self._found: dict[str, Listed] = {}
        self._size = 0
        self.notes: list[tuple[str, str]] = []
        self.full = False

    @property
    def tools(self) -> tuple[Listed, ...]:
        """The tools so far."""
        return tuple(self._found.values())

    def add(self, tools: Iterable[Tool]) -> None:
        """Take a page. Once the listing is `full`, no more is taken."""
        for tool in tools:
            if self.full:
                return
            self._add(tool)

    def _add(self, tool: Tool) -> None:
        if tool.name in self._found:
            self.notes.append((tool.name, "it is listed twice, the first one counts"))
            return
        parameters = msgspec.json.encode(tool.input_schema)
        described = tool.model_dump_json(by_alias=True, exclude_none=True).encode()
        if len(parameters) > LONGEST_SCHEMA:
            why = f"its schema has {len(parameters)} bytes, more than {LONGEST_SCHEMA}"
            self.notes.append((tool.name, f"left out: {why}"))
        elif len(self._found) == MOST_TOOLS or self._size + len(described) > MOST_BYTES:
            self.notes.append((tool.name, "left out, like all that follow: the list is too long"))
            self.full = True
        else:
            self._size += len(described)
            self._found[tool.name], note = _listed(tool, parameters, described)
            if note is not None:
                self.notes.append((tool.name, note))


def _listed(tool: Tool, parameters: bytes, described: bytes) -> tuple[Listed, str | None]:
    strict: msgspec.Raw | None = None
    changes: tuple[str, ...] = ()
    note: str | None = None
    try:
        fitted = sanitized(tool.input_schema)
    except Unusable as error:
        note = f"left out for models that need a strict schema: {error}"
    else:
        strict, changes = msgspec.Raw(msgspec.json.encode(fitted.schema)), fitted.changes
    listed = Listed(
        name=tool.name,
        description=(tool.description or "")[:LONGEST_DESCRIPTION],
        parameters=msgspec.Raw(parameters),
        strict=strict,
        changes=changes,
        checked=Arguments(tool.input_schema).checked,
        described=msgspec.Raw(described),
    )
    return listed, note
