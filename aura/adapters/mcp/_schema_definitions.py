"""Finished definitions, written out in the places that refer to them as far as that is possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import NamedTuple

from aura.adapters.mcp._schema_keywords import Note, Schema, members, parts
from aura.adapters.mcp._schema_pointers import reference, referenced

MOST_SCHEMAS = 2_000
DEEPEST = 128
"""How many schemas, and how many levels of JSON, writing definitions out may lead to."""

Definitions = Mapping[str, Schema]


class _Extent(NamedTuple):
    """How large a schema is, and which definitions it refers to at which depth."""

    schemas: int
    depth: int
    references: tuple[tuple[str, int], ...]


def arranged(root: Schema, definitions: Definitions, note: Note) -> Schema:
    """The root with its definitions written out; those that contain themselves stay apart, and all
    of them do if the whole would become too large."""
    sizes = _reached(root, definitions)
    graph = {name: [each for each, _ in size.references] for name, size in sizes.items()}
    kept: Collection[str] = on_cycles(graph)
    finite = {name: set(each) - set(kept) for name, each in graph.items() if name not in kept}
    order = list(TopologicalSorter(finite).static_order())
    if not _small(root, sizes, order):
        kept, order = sizes.keys(), []
    ready: dict[str, Schema] = {}
    for name in order:
        ready[name] = _written_out(definitions[name], ready)
        note(f"$defs.{name}", "written out where it is used")
    found = _written_out(root, ready)
    if kept:
        found["$defs"] = {
            name: _written_out(definitions[name], ready) for name in sizes if name in kept
        }
    return found


def in_place(definitions: Definitions) -> set[str]:
    """The definitions that say of a value only what they say of that same value."""
    return on_cycles({name: list(_in_place(schema)) for name, schema in definitions.items()})


def _in_place(schema: Schema) -> Iterator[str]:
    name = referenced(schema)
    if name is not None:
        yield name
    for branch in parts(schema, "anyOf"):
        if isinstance(branch, dict):
            yield from _in_place(branch)


def inner(schema: Schema) -> Iterator[tuple[Schema, int]]:
    """The schemas directly inside a finished one, each with how many levels deeper it is."""
    for each in members(schema).values():
        if isinstance(each, dict):
            yield each, 2
    for keyword in ("anyOf", "prefixItems"):
        for each in parts(schema, keyword):
            if isinstance(each, dict):
                yield each, 2
    items = schema.get("items")
    if isinstance(items, dict):
        yield items, 1


def _extent(schema: Schema) -> _Extent:
    schemas = deepest = 0
    references: list[tuple[str, int]] = []
    waiting = [(schema, 1)]
    while waiting:
        each, depth = waiting.pop()
        schemas, deepest = schemas + 1, max(deepest, depth)
        name = referenced(each)
        if name is not None:
            references.append((name, depth))
        waiting.extend((member, depth + deeper) for member, deeper in inner(each))
    return _Extent(schemas, deepest, tuple(references))


def _reached(root: Schema, definitions: Definitions) -> dict[str, _Extent]:
    """The extents of the definitions that something refers to."""
    found: dict[str, _Extent] = {}
    waiting = [name for name, _ in _extent(root).references][::-1]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _extent(definitions[name])
            waiting.extend(each for each, _ in found[name].references[::-1])
    return found


def _small(root: Schema, sizes: Mapping[str, _Extent], order: list[str]) -> bool:
    """Whether everything stays small when the definitions in `order`, each after those that it
    refers to, are written out. Only adds up: what is too large is never built."""
    whole: dict[str, tuple[int, int]] = {}

    def grown(size: _Extent) -> tuple[int, int]:
        written = [(whole[name], depth) for name, depth in size.references if name in whole]
        schemas = size.schemas + sum(schemas - 1 for (schemas, _), _ in written)
        return schemas, max([size.depth, *(depth + below for (_, below), depth in written)])

    for name in order:
        whole[name] = grown(sizes[name])
    apart = [size for name, size in sizes.items() if name not in whole]
    found = [grown(size) for size in (_extent(root), *apart)]
    return sum(schemas for schemas, _ in found) <= MOST_SCHEMAS and all(
        depth <= DEEPEST for _, depth in found
    )


def _written_out(schema: Schema, ready: Definitions) -> Schema:
    """The schema with the definitions that are `ready` in place of the references to them.

    A reference that stays is alone: some providers take nothing beside it.
    """
    name = referenced(schema)
    beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    if name is None:
        return rebuilt(schema, lambda each: _written_out(each, ready))
    found = ready.get(name, {"$ref": reference(name)})
    return {"anyOf": [found], **beside} if beside and "$ref" in found else {**found, **beside}


def rebuilt(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A copy of a finished schema with the schemas directly inside it changed."""

    def changed(each: object) -> object:
        return change(each) if isinstance(each, dict) else each

    found = dict(schema)
    if "properties" in schema:
        found["properties"] = {name: changed(each) for name, each in members(schema).items()}
    for keyword in ("anyOf", "prefixItems"):
        if keyword in schema:
            found[keyword] = [changed(each) for each in parts(schema, keyword)]
    if "items" in schema:
        found["items"] = changed(schema["items"])
    return found


def on_cycles(graph: Mapping[str, list[str]]) -> set[str]:
    """The nodes from which a way leads back to them."""
    backward: dict[str, list[str]] = {name: [] for name in graph}
    for name, nexts in graph.items():
        for each in nexts:
            backward[each].append(name)
    group: dict[str, str] = {}
    for start in reversed(_last_first(graph)):
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in group:
                group[name] = start
                waiting.extend(backward[name])
    sizes = Counter(group.values())
    return {name for name in graph if sizes[group[name]] > 1 or name in graph[name]}


def _last_first(graph: Mapping[str, list[str]]) -> list[str]:
    """The nodes, each after all that are only reached through it."""
    order: list[str] = []
    seen: set[str] = set()
    for start in graph:
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            name, done = waiting.pop()
            if done:
                order.append(name)
            elif name not in seen:
                seen.add(name)
                waiting.append((name, True))
                waiting.extend((each, False) for each in graph[name] if each not in seen)
    return order
