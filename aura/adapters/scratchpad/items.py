"""What the items of a list have in common: the tools `item_schema` and `iterate_over`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from aura.adapters.scratchpad.extract import LONGEST_TOKEN, Advice, Extract, Oversized
from aura.adapters.scratchpad.keys import JsonText, Keys, Raws
from aura.adapters.scratchpad.lookup import find
from aura.adapters.scratchpad.paths import Step, steps_of, written
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.text import Text
from aura.adapters.scratchpad.tree import Node, Tree

SMALLEST_WINDOW = 10
"""Items of a window that is suggested instead of one that is too large."""

LONGEST_VALUE = 5
"""Lines of a string that are given of an item."""

_AND = re.compile(r"\s+and\s+(?=[^=~]+(?:=|~))", re.IGNORECASE)
_CONDITION = re.compile(r"(?P<field>.+?)\s*(?P<operator>!=|==?|~)(?P<value>.*)", re.DOTALL)

_members = msgspec.json.Decoder(Raws).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


def item_schema(text: Text, path: str, offset: int, limit: int | None) -> Extract:
    """The keys that the items of a list have, with their types."""
    tree = Tree(text)
    node = _list_at(tree, path)
    total = tree.count(node)
    first, last = _window(total, offset, limit)
    counted = last - first
    full = (first, last) == (0, total)
    heading = f"({total} items)" if full else f"window: items [{first}..{last}) of {total} total"
    body = "\n".join((heading, *_table(_keys(text, tree, node, first, last), counted, full=full)))
    half = max(SMALLEST_WINDOW, counted // 2)
    where = f'file="{text.name}", path="{path}"'
    sampled = [f"{_below(path)}{number}" for number in (0, total // 2, max(0, total - 1))]
    return Extract(
        body=body,
        plain=body,
        shown=f"{path or '$'}, {heading}",
        advice=Advice(
            facts={
                "requested_file": text.name,
                "array_length": total,
                "window_size": counted,
            },
            suggestions=(
                f"item_schema({where}, offset={first}, limit={half}): fewer items",
                f'get_in(file="{text.name}", path="...") with {", ".join(sampled)}: some items',
                f'iterate_over({where}, fields="..."): some fields of every item',
            ),
        ),
    )


def _keys(text: Text, tree: Tree, node: Node, first: int, last: int) -> Keys:
    """The keys of the items of a window; those of a whole list are remembered."""
    known = text.index.known
    name = ("keys", node.start, first, last)
    found = known.get(name)
    if not isinstance(found, Keys):
        found = Keys()
        for _, item in tree.items(node, first, last):
            found.add(item)
        found.settle()
        if not first and last == tree.count(node):
            known[name] = found
    return found


def _table(keys: Keys, counted: int, *, full: bool) -> Iterator[str]:
    yield f"{'KEY':<40} {'TYPE(S)':<20} PRESENT IN"
    within = "items" if full else "items in window"
    for key in sorted(keys.types):
        kinds = "|".join(sorted(keys.types[key]))
        yield f"{key:<40} {kinds:<20} {keys.present[key]}/{counted} {within}"
    for kind, number in sorted(keys.others.items()):
        yield f"{'(no object)':<40} {kind:<20} {number}/{counted} {within}"


class Condition(NamedTuple):
    """What a field of an item has to be: `=`, `!=`, or `~` for a text in it."""

    field: tuple[Step, ...]
    operator: str
    value: str

    @property
    def word(self) -> bytes | None:
        """What the text of an item that fulfils it has in it, if that can be said."""
        plain = self.operator != "!=" and self.value.isprintable() and self.value.isascii()
        return self.value.encode() if plain and self.value else None

    def holds(self, item: JsonText) -> bool:
        """Whether it is so; a field that is missing is unequal to everything."""
        found = _within(item, self.field)
        shown = "" if found is None else _shown(found)
        if self.operator == "~":
            return found is not None and self.value in shown
        return (found is not None and shown == self.value) == (self.operator != "!=")


def iterate_over(
    text: Text,
    path: str,
    fields: Sequence[str],
    *,
    offset: int,
    limit: int | None,
    where: str | None,
    per_call: int,
) -> Extract:
    """Some fields of the items of a list."""
    if not fields:
        raise ToolFailed("`fields` names no field. Separate several with commas.")
    tree = Tree(text)
    node = _list_at(tree, path)
    total = tree.count(node)
    first = min(offset, total)
    conditions = _conditions(where)
    chosen = [(field, steps_of(field)) for field in fields]
    rows: list[bytes] = []
    size, more = 0, ""
    advice = _advice(text.name, path, fields, total)
    words = [word for each in conditions if (word := each.word)]
    word = max(words, key=len, default=None)
    for number, item in tree.items(node, first, total, word):
        if len(rows) == limit:
            more = f", more from offset {number} on"
            break
        if not all(each.holds(item) for each in conditions):
            continue
        rows.append(_row(number, item, chosen, path))
        size += len(rows[-1])
        if size > per_call * LONGEST_TOKEN:
            share = max(1, number - first + 1)
            sample = b"\n".join(rows[:500])
            raise Oversized(size * (total - first) // share, sample, advice)
    body = msgspec.json.format(b"[" + b",".join(rows) + b"]", indent=2).decode()
    counted = f"{len(rows)} of {total} items" if len(rows) != total else f"{total} items"
    chosen_by = f" where {where}" if where else ""
    return Extract(
        body=body,
        plain=body,
        shown=f"{counted}{chosen_by}{more}, fields {', '.join(fields)}",
        advice=advice,
    )


def _row(
    number: int, item: JsonText, chosen: Sequence[tuple[str, tuple[Step, ...]]], path: str
) -> bytes:
    """One item as it is given; a field that it has not got is left out."""
    row: dict[str, object] = {"_index": number}
    for field, steps in chosen:
        value = _within(item, steps)
        if value is not None:
            place = f"{_below(path)}{number}.{written(steps)}"
            row[field] = _short(value, place)
    return msgspec.json.encode(row)


def _short(value: JsonText, place: str) -> object:
    """The value, or the first lines of a long text."""
    whole = msgspec.Raw(value) if isinstance(value, bytes) else value
    if memoryview(value)[0] != ord('"'):
        return whole
    text = msgspec.json.decode(value, type=str)
    lines = text.split("\n")
    if len(lines) <= LONGEST_VALUE:
        return whole
    kept = "\n".join(lines[:LONGEST_VALUE])
    return f'{kept}\n[{len(lines)} lines in all: get_in with path="{place}" gives the rest]'


def _conditions(where: str | None) -> tuple[Condition, ...]:
    """What has to hold, all of it."""
    if where is None or not where.strip():
        return ()
    return tuple(map(_condition, _AND.split(where.strip())))


def _condition(written: str) -> Condition:
    match = _CONDITION.fullmatch(written)
    if match is None:
        raise ToolFailed(
            f"`where` has {written!r} in it. Write conditions as `field=value`, `field!=value`, or"
            " `field~text` for fields that contain a text, and join several with ` and `."
        )
    return Condition(steps_of(match["field"]), match["operator"], match["value"].strip())


def _shown(value: JsonText) -> str:
    """A value as a condition compares it: a text without its quotes."""
    if memoryview(value)[0] == ord('"'):
        return msgspec.json.decode(value, type=str)
    return bytes(value).decode(errors="replace")


def _within(item: JsonText, steps: Sequence[Step]) -> JsonText | None:
    """What is in an item at the end of a path, if there is something."""
    for step in steps:
        kind = memoryview(item)[0]
        found: JsonText | None = None
        if kind == ord("{"):
            found = _members(item).get(str(step))
        elif kind == ord("[") and step.number is not None:
            elements = _elements(item)
            if -len(elements) <= step.number < len(elements):
                found = elements[step.number]
        if found is None:
            return None
        item = found
    return item


def _list_at(tree: Tree, path: str) -> Node:
    node = find(tree, path)
    if node.kind != "array":
        raise ToolFailed(
            f"{path or '$'!r} is no list but {_article(node.kind)}. Call schema to see where lists"
            " are, or get_in to read it."
        )
    return node


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "object" else kind if kind == "null" else f"a {kind}"


def _window(total: int, offset: int, limit: int | None) -> tuple[int, int]:
    first = min(max(0, offset), total)
    return first, total if limit is None else min(total, first + limit)


def _below(path: str) -> str:
    """What the path of an item begins with."""
    plain = written(steps_of(path))
    return f"{plain}." if plain else ""


def _advice(name: str, path: str, fields: Sequence[str], total: int) -> Advice:
    where = f'file="{name}", path="{path}"'
    few = max(1, min(total, 20))
    return Advice(
        facts={"item_count": total, "requested_fields": list(fields)},
        suggestions=(
            f'iterate_over({where}, fields="{fields[0]}"): fewer fields',
            f'iterate_over({where}, fields="{fields[0]}", offset=0, limit={few}): fewer items',
            f'iterate_over({where}, fields="{fields[0]}", where="field=value"): only some items',
            f'get_in(file="{name}", path="{_below(path)}0"): one item',
            f'grep(file="{name}", pattern="...", context=0): lines with a certain value',
        ),
    )
