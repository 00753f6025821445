"""The names in a directory that may be seen."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from itertools import islice

MOST_COMPARED = 2000
"""Names that are looked at to find one that was meant."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names in a directory, sorted; how many were left out as hidden; whether there are more that
    were not looked at."""

    visible: tuple[str, ...]
    hidden: int
    more: bool


def hidden(name: bytes) -> bool:
    """Whether a name is kept from models: what holds keys usually begins with a dot."""
    return name.startswith(b".")


def names(directory: int, *, most: int) -> Names:
    """The names in an open directory, of which at most so many are looked at."""
    visible: list[str] = []
    looked_at = 0
    with os.scandir(directory) as entries:
        for entry in islice(entries, most):
            looked_at += 1
            if not hidden(os.fsencode(entry.name)):
                visible.append(entry.name)
        more = next(entries, None) is not None
    return Names(tuple(sorted(visible)), looked_at - len(visible), more)


def similar(directory: int, name: str) -> tuple[str, ...]:
    """Names in an open directory that could have been meant, best first."""
    known = {each.casefold(): each for each in names(directory, most=MOST_COMPARED).visible}
    return tuple(known[each] for each in difflib.get_close_matches(name.casefold(), known))
