"""Which keys many objects have, and of which types their values are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from aura.adapters.scratchpad.tree import KINDS

DEEPEST = 32

MOST_SHAPES = 1000
"""Shapes that are told apart before they are added up."""

KINDS_OF: Mapping[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "bool",
    type(None): "null",
}

JsonText: TypeAlias = bytes | msgspec.Raw
Raws: TypeAlias = dict[str, msgspec.Raw]
Object: TypeAlias = dict[str, object]

_members = msgspec.json.Decoder(Raws).decode
_value = msgspec.json.Decoder().decode


class Shape(NamedTuple):
    """Objects at the same place with the same keys and types: the names of the keys with their
    types, and which of them are objects, too, with what the names in these begin with."""

    names: list[tuple[str, str]]
    nested: list[tuple[str, str]]


class Keys:
    """The keys of many objects: of which types each is, and in how many it is there."""

    def __init__(self) -> None:
        self.types: dict[str, set[str]] = {}
        self.present: dict[str, int] = {}
        self.others: dict[str, int] = {}
        self._shapes: dict[tuple[object, ...], Shape] = {}
        self._times: dict[tuple[object, ...], int] = {}

    def add(self, item: JsonText) -> None:
        """Count one item; what is no object has only a type. It is part of what is known once that
        is settled."""
        kind = KINDS.get(memoryview(item)[0], "number")
        if kind != "object":
            self.others[kind] = self.others.get(kind, 0) + 1
            return
        try:
            value = _value(item)
        except (msgspec.DecodeError, ValueError, RecursionError):  # what no value can hold
            self._add("", item, 1)
            return
        self._count("", value, 1)
        if len(self._shapes) > MOST_SHAPES:
            self.settle()

    def settle(self) -> None:
        """Add up what was counted."""
        for key, shape in self._shapes.items():
            for name, kind in shape.names:
                self._present(name, kind, self._times[key])
        self._shapes.clear()
        self._times.clear()

    def _count(self, prefix: str, value: Object, depth: int) -> None:
        """Count an object. There are few shapes, and telling which one it is takes less than
        looking at each of its keys."""
        key = (prefix, *value, *map(type, value.values()))
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = _shape(prefix, value, depth)
            self._times[key] = 0
        self._times[key] += 1
        for name, below in shape.nested:
            self._count(below, value[name], depth + 1)  # type: ignore[arg-type] # the shape says so

    def _add(self, prefix: str, item: JsonText, depth: int) -> None:
        for key, value in _members(item).items():
            kind: str = KINDS.get(memoryview(value)[0], "number")
            name, kind = _named(prefix, key, kind, depth)
            self._present(name, kind, 1)
            if kind == "object":
                self._add(name + ".", value, depth + 1)

    def _present(self, name: str, kind: str, times: int) -> None:
        self.types.setdefault(name, set()).add(kind)
        self.present[name] = self.present.get(name, 0) + times


def _shape(prefix: str, value: Object, depth: int) -> Shape:
    kinds = [(key, KINDS_OF[type(member)]) for key, member in value.items()]
    named = [(key, *_named(prefix, key, kind, depth)) for key, kind in kinds]
    return Shape(
        [(name, kind) for _, name, kind in named],
        [(key, f"{name}.") for key, name, kind in named if kind == "object"],
    )


def _named(prefix: str, key: str, kind: str, depth: int) -> tuple[str, str]:
    """The name of a key below others, and the type of its value as it is shown."""
    if kind == "object" and depth >= DEEPEST:
        return prefix + "<...truncated>", "...truncated"
    plain = key.isprintable() and "." not in key
    return prefix + (key if plain else msgspec.json.encode(key).decode()), kind
