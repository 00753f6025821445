"""A value by its path, or why there is none: the tool `get_in`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from aura.adapters.scratchpad.extract import LONGEST_TOKEN, Advice, Extract, Oversized, numbered
from aura.adapters.scratchpad.paths import Step, steps_of, written
from aura.adapters.scratchpad.refusals import Declined, ToolFailed
from aura.adapters.scratchpad.text import Text
from aura.adapters.scratchpad.tree import Missing, Node, Tree

LINES = 100
"""Lines of a text that are given when only where to begin was said."""

MOST_KEYS = 50
"""Keys that an error lists."""

SAMPLE = 64 * 1024


def find(tree: Tree, path: str) -> Node:
    """The value at a path. Raises `ToolFailed`."""
    steps = steps_of(path)
    try:
        return tree.at(steps)
    except Missing as missing:
        failed = str(steps[missing.done])
        reached = written(steps[: missing.done]) or "$"
        raise ToolFailed(
            f"There is no {failed!r} in {reached!r}, {there(tree, missing.at)}. Call schema to see"
            " which paths there are."
        ) from None


def there(tree: Tree, node: Node) -> str:
    """What a value is, for an error."""
    match node.kind:
        case "object":
            shown = ", ".join(map(repr, tree.keys(node, 10)))
            more = ", ..." if tree.count(node) > 10 else ""
            return f"an object with the keys {shown}{more}" if shown else "an empty object"
        case "array":
            return f"a list of {tree.count(node)} items"
        case "null":
            return "which is null"
        case kind:
            return f"a {kind}"


@dataclass(frozen=True, slots=True)
class Lines:
    """Which lines of a text are wanted: at most `limit` from `offset` on, counted from 0."""

    offset: int = 0
    limit: int = LINES


@dataclass(frozen=True, slots=True)
class Lookup:
    """The search for one value of a document; `per_call` is in tokens."""

    text: Text
    path: str
    lines: Lines | None
    per_call: int
    companions: Sequence[str] = ()

    def extract(self) -> Extract:
        """JSON, or the lines of a text. Raises `Declined` and `Oversized`."""
        tree = Tree(self.text)
        steps = steps_of(self.path)
        try:
            node = tree.at(steps)
        except Missing as missing:
            prefix = written(steps[: missing.done])
            raise self._missed(tree, missing.at, str(steps[missing.done]), prefix) from None
        if node.kind != "string":
            return self._json(tree, node)
        value = msgspec.json.decode(tree.raw(node), type=str)
        lines = value.replace("\r\n", "\n").split("\n") if value else []
        return (
            self._whole(lines, len(value)) if self.lines is None else self._some(lines, self.lines)
        )

    def _json(self, tree: Tree, node: Node) -> Extract:
        name = self.text.name
        advice = Advice(
            facts={"requested_path": self.path},
            suggestions=(
                f'get_in(file="{name}", path={self._deeper(tree, node)}): a part of it',
                f'schema(file="{name}"): which paths there are',
                f'grep(file="{name}", pattern="..."): the lines that matter',
            ),
        )
        if node.size > self.per_call * LONGEST_TOKEN:
            raise Oversized(node.size, self.text.read(node.start, SAMPLE), advice)
        margin = "\n" + " " * (2 * node.depth)
        plain = tree.raw(node).decode("utf-8", "replace").replace(margin, "\n")
        shown = f"{self.path or '$'} ({node.kind})"
        return Extract(body=numbered(plain.split("\n")), plain=plain, shown=shown, advice=advice)

    def _whole(self, lines: list[str], size: int) -> Extract:
        total = len(lines)
        few = max(1, min(LINES, total // 2))
        advice = Advice(
            facts={"requested_path": self.path, "value_type": "string", "total_lines": total},
            suggestions=(
                f"get_in({self._where}, offset=0, limit={few}): some of its {total} lines",
                *self._other_ways(),
            ),
        )
        plain = "\n".join(lines)
        if size > self.per_call * LONGEST_TOKEN:
            raise Oversized(size, plain[:SAMPLE].encode("utf-8", "replace"), advice)
        shown = f"{self.path or '$'} (string), {total} lines"
        return Extract(body=numbered(lines), plain=plain, shown=shown, advice=advice)

    def _some(self, lines: list[str], wanted: Lines) -> Extract:
        first, total = wanted.offset, len(lines)
        if first >= total:
            raise Declined(
                "offset_out_of_range",
                f"The text at {self.path!r} has {total} lines, counted from 0: there is none at"
                f" {first}.",
                (f"get_in({self._where}, offset=0, limit={LINES}): from its beginning",),
                total_lines=total,
            )
        last = min(total, first + wanted.limit)
        fewer = max(1, (last - first) // 2)
        advice = Advice(
            facts={
                "requested_path": self.path,
                "total_lines": total,
                "offset": first,
                "limit": wanted.limit,
            },
            suggestions=(
                f"get_in({self._where}, offset={first}, limit={fewer}): fewer lines",
                *self._other_ways(),
            ),
        )
        plain = "\n".join(lines[first:last])
        shown = f"{self.path} (string), lines {first + 1}-{last} of {total}"
        body = numbered(lines[first:last], first + 1)
        return Extract(body=body, plain=plain, shown=shown, advice=advice)

    @property
    def _where(self) -> str:
        return f'file="{self.text.name}", path="{self.path}"'

    def _other_ways(self) -> tuple[str, str]:
        name = self.text.name
        return (
            f'grep(file="{name}", pattern="..."): lines of the file that match',
            f'schema(file="{name}"): which paths there are',
        )

    def _deeper(self, tree: Tree, node: Node) -> str:
        """The path of something in what was asked for, in quotes."""
        path = self.path
        for member in tree.members(node, 0, 1):
            step = Step(member.key, None) if node.kind == "object" else Step(None, 0)
            path = written((*steps_of(path), step))
        return msgspec.json.encode(path).decode()

    def _missed(self, tree: Tree, at: Node, failed: str, prefix: str) -> Declined:
        """What is there instead."""
        facts: dict[str, object] = {
            "requested_path": self.path,
            "failed_segment": failed,
            "valid_prefix": prefix,
        }
        suggestions = [f'schema(file="{self.text.name}"): which paths there are']
        match at.kind:
            case "object":
                facts["available_keys"] = keys = tree.keys(at, MOST_KEYS)
                if (count := tree.count(at)) > len(keys):
                    facts["total_keys"] = count
                suggestions.append(f"use one of the keys of {prefix or '$'!r}")
            case "array":
                facts["array_length"] = count = tree.count(at)
                there_are = f"use an index from 0 to {count - 1}" if count else "the list is empty"
                suggestions.append(there_are)
            case kind:
                facts["value_type"] = kind
                suggestions.append(f"{prefix!r} is a {kind}: nothing is below it")
        if self.companions:
            facts["companion_files"] = list(self.companions)
            suggestions += _for_companions(self.companions)
        message = f"There is no {failed!r} in {prefix or '$'!r}, {there(tree, at)}."
        return Declined("key_path_not_found", message, suggestions, **facts)


def _for_companions(names: Sequence[str]) -> list[str]:
    """How to look for something in the files of texts that were in a document."""
    structured = ", ".join(each for each in names if each.endswith(".json"))
    plain = ", ".join(each for each in names if not each.endswith(".json"))
    suggestions = []
    if structured:
        suggestions.append(
            f"every tool works on the companion files {structured}: what is in them has no path in"
            " this file"
        )
    if plain:
        suggestions.append(
            f"use head, grep, slice, or schema for markdown, on {plain}: what is in them has no"
            " path in this file"
        )
    return suggestions
