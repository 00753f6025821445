"""The eight tools as models see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from aura.pipeline.ports import ToolSpec

FILE = {"type": "string", "description": "The name of the file, as a `[scratchpad: ...]` says."}
PATH = {
    "type": "string",
    "description": (
        "Where in the document: `items.0.name`, `$.items[0].name`, or `$` for the whole; keys with"
        ' dots in quotes and brackets, as in `labels["a.b/c"]`.'
    ),
}


def _integer(description: str, minimum: int = 0) -> dict[str, Any]:
    return {"type": "integer", "minimum": minimum, "description": description}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _spec(name: str, description: str, properties: Mapping[str, Any], required: int) -> ToolSpec:
    """A tool of which the first properties are required."""
    schema = {
        "type": "object",
        "properties": {"file": FILE, **properties},
        "required": ["file", *properties][:required],
        "additionalProperties": False,
    }
    return ToolSpec(name, description, msgspec.Raw(msgspec.json.encode(schema)))


SPECS = (
    _spec(
        "head",
        "Gives the first lines of a scratchpad file, numbered.",
        {"lines": _integer("How many lines. Default: 50.")},
        1,
    ),
    _spec(
        "slice",
        "Gives some lines of a scratchpad file, numbered.",
        {
            "start": _integer("The first line, counted from 1.", 1),
            "end": _integer("The last line, included.", 1),
            "from_byte": _integer("Of very long lines only the bytes from this one on.", 1),
            "to_byte": _integer("And up to this one.", 1),
        },
        3,
    ),
    _spec(
        "grep",
        "Finds lines of a scratchpad file that match a regular expression (RE2, case-sensitive"
        " unless it begins with `(?i)`), with lines around them. `>` marks the matches.",
        {
            "pattern": _text("The regular expression; it is matched against single lines."),
            "context": _integer("Lines before and after each match. Default: 3."),
        },
        2,
    ),
    _spec(
        "schema",
        "Gives the structure of a scratchpad file, with line numbers for slice: of JSON the"
        " tree of keys with types and sizes (the first item of lists), of markdown the headers.",
        {"max_depth": _integer("How deep to go into JSON. Default: 4.")},
        1,
    ),
    _spec(
        "item_schema",
        "Gives all keys that the items of a list in a JSON scratchpad file have, with their"
        " types and in how many items they are. Call it before iterate_over.",
        {
            "path": PATH,
            "offset": _integer("The first item to look at. Default: 0."),
            "limit": _integer("How many items to look at. Default: all.", 1),
        },
        2,
    ),
    _spec(
        "get_in",
        "Gives one value of a JSON scratchpad file. Call schema first and do not guess keys."
        " What was moved to a companion file is better read there: here it is one raw text,"
        " given by lines with `offset` and `limit`.",
        {
            "path": PATH,
            "offset": _integer("For texts: the first line, counted from 0."),
            "limit": _integer("For texts: how many lines. Default with `offset`: 100.", 1),
        },
        2,
    ),
    _spec(
        "iterate_over",
        "Gives some fields of the items of a list in a JSON scratchpad file, each with its"
        " `_index`; fields that an item has not got are left out.",
        {
            "path": PATH,
            "fields": _text("The fields, separated by commas; each can be a path."),
            "offset": _integer("The first item to look at. Default: 0."),
            "limit": _integer("How many items to give at most. Default: all.", 1),
            "where": _text(
                "Only items for which this holds: `field=value`, `field!=value`, or"
                " `field~text` for a text in it; several are joined with ` and `."
            ),
        },
        3,
    ),
    _spec(
        "read",
        "Gives a whole scratchpad file, numbered. Rarely a good idea: files are here because"
        " they are large. Try the other tools first.",
        {},
        1,
    ),
)
