"""The line of every key, against texts that a strategy writes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aura.config.lines import lines
from aura.config.source import KeyPath

EXAMPLE = '''# [not.a.table]
top = 1

[servers."my hub"]  # a comment
"a.b".'c d' = """
[looks.like]
a = "table"
"""
list = [
    1, # ] no end
    { deep = [2] },
]

[[stores]]
name = "one"
[stores.model]
key = 'x = 1'

[[stores]]
day = 1979-05-27 07:32:00
[stores.model]
'''


def test_every_way_to_write_a_key_has_its_line() -> None:
    hub = ("servers", "my hub")
    assert {
        ("top",): 2,
        ("servers",): 4,
        hub: 4,
        (*hub, "a.b"): 5,
        (*hub, "a.b", "c d"): 5,
        (*hub, "list"): 9,
        (*hub, "list", 0): 10,
        (*hub, "list", 1): 11,
        (*hub, "list", 1, "deep"): 11,
        (*hub, "list", 1, "deep", 0): 11,
        ("stores",): 14,
        ("stores", 0): 14,
        ("stores", 0, "name"): 15,
        ("stores", 0, "model"): 16,
        ("stores", 0, "model", "key"): 17,
        ("stores", 1): 19,
        ("stores", 1, "day"): 20,
        ("stores", 1, "model"): 21,
    } == lines(EXAMPLE)


def test_a_carriage_return_ends_no_line_of_its_own() -> None:
    assert lines(EXAMPLE) == lines(EXAMPLE.replace("\n", "\r\n"))


def test_quotes_may_touch_the_end_of_a_long_text() -> None:
    assert lines("a = \"\"\"x\"\"\"\"\"\nb = '''y'''''") == {("a",): 1, ("b",): 2}


KEYS = st.sampled_from(["a", "b-1", "0", "a.b", "it's", 'say "x"', "é", "", "# no", "[t]"])
TEXTS = st.sampled_from(["", "x", 'a = "1"\n[b]\n', "# x\n", "'", '"', "]]", "}}, {"])
GAPS = st.sampled_from(["", "\n", "# k = [1\n", "  \n\n", '# """\n'])
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        TEXTS | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(KEYS, inner, max_size=3)
            | st.lists(st.dictionaries(KEYS, inner, max_size=2), min_size=1, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


class Writer:
    """Writes a tree as TOML in one of many ways; every `None` becomes a number of its own."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.numbers = count(1000)

    def table(self, tree: dict[str, Any], path: tuple[str, ...]) -> str:
        """Plain keys first, then what gets a header of its own."""
        plain, below = "", ""
        for key, value in tree.items():
            here = (*path, key)
            if isinstance(value, dict) and self.draw(st.booleans()):
                below += f"{self.gap()}[{self.key(here)}]\n{self.table(value, here)}"
            elif self.tables(value) and self.draw(st.booleans()):
                for each in value:
                    below += f"{self.gap()}[[ {self.key(here)} ]] # x\n{self.table(each, here)}"
            elif isinstance(value, dict) and value and self.draw(st.booleans()):
                plain += "".join(
                    f"{self.key((key, inner))} = {self.value(each)}\n"
                    for inner, each in value.items()
                )
            else:
                plain += f"{self.gap()} {self.key((key,))} = {self.value(value)}\n"
        return plain + below

    def tables(self, value: object) -> bool:
        return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)

    def gap(self) -> str:
        return self.draw(GAPS)

    def key(self, path: tuple[str, ...]) -> str:
        return self.draw(st.sampled_from([".", " . "])).join(map(self.part, path))

    def part(self, part: str) -> str:
        bare = [part] if re.fullmatch(r"[A-Za-z0-9_-]+", part) else []
        literal = [] if "'" in part else [f"'{part}'"]
        return self.draw(st.sampled_from([*bare, *literal, json.dumps(part)]))

    def value(self, value: object) -> str:
        match value:
            case None:
                return str(next(self.numbers))
            case str():
                long = f'"""\n{value}"""' if '"' not in value else json.dumps(value)
                return self.draw(st.sampled_from([json.dumps(value), long]))
            case list():
                items = (f"{self.gap()}{self.value(each)}" for each in value)
                return f"[{','.join(items)}\n]"
            case dict():
                pairs = (f"{self.key((k,))} = {self.value(v)}" for k, v in value.items())
                return f"{{ {', '.join(pairs)} }}"
        raise AssertionError(value)


def walk(tree: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Each path of a parsed tree and what is there."""
    if path:
        yield path, tree
    match tree:
        case dict():
            for key, each in tree.items():
                yield from walk(each, (*path, key))
        case list():
            for at, each in enumerate(tree):
                yield from walk(each, (*path, at))


@settings(deadline=None)
@given(TREES, st.data())
def test_every_key_of_any_text_has_its_line(tree: dict[str, Any], data: st.DataObject) -> None:
    text = Writer(data).table(tree, ())
    found = lines(text)
    paths = dict(walk(tomllib.loads(text)))
    assert paths.keys() == found.keys()
    numbers = {path: value for path, value in paths.items() if isinstance(value, int)}
    written = text.splitlines()
    assert [
        path for path, number in numbers.items() if str(number) not in written[found[path] - 1]
    ] == []
