"""Where the references of a schema lead, and what the places are called. Nothing is fetched."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from aura.adapters.mcp._schema_keywords import Schema

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.-]+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,6}")
_PLACE = "#/$defs/"


class Place(NamedTuple):
    """A place in a schema that something refers to."""

    steps: tuple[str, ...]
    schema: object


class Pointers:
    """The places of one schema. Each that is named gets a name of its own under `$defs`."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        own = root.get("$id")
        self._base = own.rstrip("#") if isinstance(own, str) else ""
        definitions = root.get("$defs")
        self._reserved = set(definitions) if isinstance(definitions, dict) else set[str]()
        self._names: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()

    def place(self, reference: object) -> Place | None:
        """The place a reference leads to, if it is in this schema and holds a schema."""
        if not isinstance(reference, str):
            return None
        base, _, fragment = reference.partition("#")
        pointer = unquote(fragment)
        if base not in ("", self._base) or (pointer and not pointer.startswith("/")):
            return None
        steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
        found: object = self._root
        for step in steps:
            if isinstance(found, dict) and step in found:
                found = found[step]
            elif isinstance(found, list) and _index(step) < len(found):
                found = found[_index(step)]
            else:
                return None
        return Place(steps, found) if isinstance(found, bool | dict) else None

    def name(self, place: Place) -> str:
        """What the place is called under `$defs`; that is its own name if it is there already."""
        known = self._names.get(place.steps)
        if known is not None:
            return known
        last = place.steps[-1] if place.steps else "root"
        name = wanted = _FORBIDDEN.sub("_", last) or "_"
        mine = len(place.steps) == 2 and place.steps[0] == "$defs" and name == last
        number = 1
        while name in self._taken or (name in self._reserved and not mine):
            mine = False
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        self._names[place.steps] = name
        return name


def _index(step: str) -> int:
    """The position that a step of a pointer names; one that no list has if it names none."""
    return int(step) if _INDEX.fullmatch(step) else 1 << 30


def reference(name: str) -> str:
    """The reference to a definition of that name."""
    return _PLACE + name


def referenced(schema: Schema) -> str | None:
    """The name of the definition that a finished schema refers to."""
    found = schema.get("$ref")
    return found.removeprefix(_PLACE) if isinstance(found, str) else None
