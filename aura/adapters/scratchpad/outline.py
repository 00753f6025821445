"""The structure of a file without what it says: the tool `schema`, and what pointers show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from aura.adapters.scratchpad.extract import Advice, Extract, Oversized
from aura.adapters.scratchpad.paths import below
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import Text
from aura.adapters.scratchpad.tree import Node, Tree

DEEPEST = 32
"""Levels of a document that are ever shown."""

SHORT_TEXT = 50
"""Bytes up to which a string is shown without its length."""

MOST_NODES = 20_000
"""Lines of an outline that are written before it is given up as too large."""

MOST_BULLETS = 20

_HEADER = re.compile(rb"[ \t]*(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t\r]*$")
_FENCE = re.compile(rb"[ \t]*(```|~~~)")
_BULLET = re.compile(rb"[-*+][ \t]+(?:\*\*)?([^:*\r\n]{1,60}?)(?:\*\*)?:")


def schema(text: Text, max_depth: int) -> Extract:
    """The headers of a markdown file, or the tree of a JSON document down to a depth."""
    markdown = text.name.endswith(".md")
    lines = _sections(text) if markdown else _checked(text, max_depth)
    body = "\n".join(lines)
    return Extract(
        body=body,
        plain=body,
        shown=f"{len(lines)} headers" if markdown else f"{len(lines)} values to depth {max_depth}",
        advice=_advice(text.name, max_depth, markdown=markdown),
    )


def tree_lines(text: Text, max_depth: int) -> Iterator[str]:
    """The values of a JSON document, one on a line; of a list only the first element."""
    tree = Tree(text)
    yield from _values(tree, tree.root, "$", 0, min(max_depth, DEEPEST - 1))


def header_lines(text: Text) -> Iterator[str]:
    """The headers of a markdown file, indented by their level, with the lines of each section."""
    headers = list(_headers(text))
    ends = (*(header.line - 1 for header in headers[1:]), text.lines)
    for header, last in zip(headers, ends, strict=False):
        keys = f" (keys: {', '.join(header.keys)})" if header.keys else ""
        indent = "  " * (header.level - 1)
        yield f"{indent}{'#' * header.level} {header.title} [L{header.line}-L{last}]{keys}"


def _checked(text: Text, max_depth: int) -> list[str]:
    lines: list[str] = []
    for line in tree_lines(text, max_depth):
        lines.append(line)
        if len(lines) > MOST_NODES:
            size = sum(map(len, lines))
            advice = _advice(text.name, max_depth, markdown=False)
            raise Oversized(size * 2, "\n".join(lines[:1000]).encode(), advice)
    return lines


def _sections(text: Text) -> list[str]:
    lines = list(header_lines(text))
    if not lines:
        raise ToolFailed(f"{text.name!r} has no headers. Explore it with head, grep and slice.")
    return lines


def _values(tree: Tree, node: Node, path: str, depth: int, deepest: int) -> Iterator[str]:
    first, last = tree.lines(node)
    yield f"{'  ' * depth}{path} ({_kind(tree, node)}) [L{first}-L{last}]"
    if depth >= deepest:
        if depth + 1 >= DEEPEST and tree.count(node):
            yield f"{'  ' * (depth + 1)}{path} (...truncated)"
        return
    if node.kind == "object":
        for member in tree.members(node):
            yield from _values(tree, member, below(path, member.key), depth + 1, deepest)
    elif node.kind == "array":
        for member in tree.members(node, 0, 1):
            yield from _values(tree, member, below(path, 0), depth + 1, deepest)


def _kind(tree: Tree, node: Node) -> str:
    match node.kind:
        case "object":
            return f"object({tree.count(node)} keys)"
        case "array":
            return f"array({tree.count(node)} items)"
        case "string" if node.size - 2 > SHORT_TEXT:
            return f"string({node.size - 2}ch)"
        case kind:
            return kind


class _Header(NamedTuple):
    level: int
    title: str
    line: int
    keys: list[str]


def _headers(text: Text) -> Iterator[_Header]:
    """The headers that are not part of a block of code, and the keys that the lists under them
    explain."""
    header: _Header | None = None
    fence = b""
    for piece in text.pieces():
        lines = piece.data[: piece.length].split(b"\n")
        for number, line in enumerate(lines, text.line_at(piece.start)):
            if mark := _FENCE.match(line):
                fence = b"" if fence == mark[1] else fence or mark[1]
            elif fence:
                continue
            elif match := _HEADER.match(line):
                if header:
                    yield header
                header = _Header(len(match[1]), match[2].decode(errors="replace"), number, [])
            elif header and len(header.keys) < MOST_BULLETS and (key := _BULLET.match(line)):
                header.keys.append(key[1].decode(errors="replace"))
    if header:
        yield header


def _advice(name: str, max_depth: int, *, markdown: bool) -> Advice:
    if markdown:
        suggestions: tuple[str, ...] = (
            f'grep(file="{name}", pattern="^# ", context=0): only the headers of the first level',
            f'head(file="{name}", lines=50): how it begins',
            f'slice(file="{name}", start=1, end=100): some lines',
        )
    else:
        suggestions = (
            f'schema(file="{name}", max_depth={max(1, max_depth // 2)}): fewer levels',
            f'item_schema(file="{name}", path="..."): the keys of the items of one list',
            f'grep(file="{name}", pattern="...", context=0): lines with a certain key',
            f'get_in(file="{name}", path="..."): one value',
        )
    facts = {"requested_file": name, "format": "markdown" if markdown else "json"}
    return Advice(facts=facts, suggestions=suggestions)
