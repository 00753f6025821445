"""Tool names as models may see them, each once."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 64

LONGEST_IN_LOG = 100
"""Characters that the log shows of a name as a server writes it."""

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]")


def cleaned(name: str) -> str:
    """The name in letters, digits, `_` and `-`, at most 64 of them, not starting with a digit.

    >>> cleaned("disk usage"), cleaned("9lives"), cleaned("***")
    ('disk_usage', 'tool_9lives', 'tool_')
    """
    name = _FORBIDDEN.sub("_", name).strip("_")
    if not name or name[0].isdigit():
        name = f"tool_{name}"
    return name[:LONGEST].rstrip("_") if len(name) > LONGEST else name


def distinct(tools: Iterable[tuple[str, str]], *, reserved: Iterable[str] = ()) -> list[str]:
    """A name of its own for each (server, tool), in order, and none that is `reserved`.

    The first keeps its name; a later one is called `server_tool`, and numbered if that is taken.
    """
    taken = set(reserved)
    names: list[str] = []
    for server, tool in tools:
        name = cleaned(tool)
        if name in taken:
            name = _free(cleaned(f"{server}_{tool}"), taken)
        taken.add(name)
        names.append(name)
    return names


def _free(name: str, taken: set[str]) -> str:
    copy, free = 1, name
    while free in taken:
        copy += 1
        end = f"_{copy}"
        free = name[: LONGEST - len(end)] + end
    return free
