"""Exploring JSON: every path leads to its value, every count is right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.adapters.scratchpad.paths import below, steps_of
from aura.adapters.scratchpad.refusals import ToolFailed
from tests.support.documents import DOCUMENTS, SCALARS
from tests.support.shelves import Shelf, numbered_lines, shelf


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


def places(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Every path of a document, with what is there."""
    yield path, value
    if isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(member, below(path, key))


def parsed(body: str) -> Any:
    """What a value is that get_in gave."""
    return json.loads("\n".join(numbered_lines(body)))


@pytest.mark.parametrize(
    ("value", "numbers"), [("a/b", [0, 1, 2]), ('q"', [4]), ("back\\s", [5]), ("plain", [6, 7])]
)
@pytest.mark.parametrize("operator", ["=", "~"])
def test_a_condition_finds_what_is_written_in_another_way(
    shelved: Shelf, value: str, numbers: list[int], operator: str
) -> None:
    written = [r"a/b", r"a\/b", r"a\u002fb", r"x\ny", r"q\"", r"back\\s", r"\u0070lain", "plain"]
    text = ", ".join(f'{{"n": "{each}"}}' for each in written)
    asked = {"path": "$", "fields": "n", "where": f"n{operator}{value}"}
    rows = json.loads(shelved.look("iterate_over", file=shelved.keep(f"[{text}]").file, **asked))
    assert [row["_index"] for row in rows] == numbers


def test_keys_are_counted_whatever_their_values_are(shelved: Shelf) -> None:
    numbers = ["1", "-0", "1e400", "1" * 5000, "12345678901234567890.10"]
    deep = "[" * 300 + "]" * 300
    items = [f'{{"n": {number}, "m": {{"deep": {deep}}}}}' for number in numbers]
    table = shelved.look("item_schema", file=shelved.keep(f"[{', '.join(items)}]").file, path="$")
    rows = [row.split()[:3] for row in table.split("\n")[2:]]
    assert rows == [["m", "object", "5/5"], ["m.deep", "array", "5/5"], ["n", "number", "5/5"]]


def test_objects_of_many_shapes_are_counted(shelved: Shelf) -> None:
    items = [
        {f"k{bit:x}": number for bit in range(12) if number >> bit & 1} for number in range(4096)
    ]
    table = shelved.look("item_schema", file=shelved.keep(items).file, path="$")
    rows = [row.split() for row in table.split("\n")[2:]]
    assert rows == [[f"k{bit:x}", "number", "2048/4096", "items"] for bit in range(12)]


@settings(max_examples=60, deadline=None)
@given(document=DOCUMENTS)
def test_every_path_leads_to_its_value(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False)
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        file = shelved.keep(text).file
        for path, value in places(json.loads(text)):
            body = shelved.look("get_in", file=file, path=path)
            if isinstance(value, str):
                assert "\n".join(numbered_lines(body)) == value.replace("\r\n", "\n")
            else:
                assert parsed(body) == value


@pytest.mark.parametrize("root", ["", "$", ".", " "])
def test_a_list_at_the_root_can_be_explored(shelved: Shelf, root: str) -> None:
    file = shelved.keep([{"a": 1}, {"a": 2, "b": None}, 3]).file
    assert parsed(shelved.look("get_in", file=file, path=root)) == [
        {"a": 1},
        {"a": 2, "b": None},
        3,
    ]
    table = shelved.look("item_schema", file=file, path=root)
    assert re.search(r"^a +number +2/3 items$", table, re.MULTILINE)
    assert re.search(r"^b +null +1/3 items$", table, re.MULTILINE)
    assert re.search(r"^\(no object\) +number +1/3 items$", table, re.MULTILINE)
    rows = json.loads(shelved.look("iterate_over", file=file, path=root, fields="a"))
    assert rows == [{"_index": 0, "a": 1}, {"_index": 1, "a": 2}, {"_index": 2}]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("results.0.title", "first"),
        ("$.results[0].title", "first"),
        ("results[-1].title", "last"),
        ('$["a.b"]["0"]', "key that is a number"),
        ("$['a.b'].0", "key that is a number"),
        (".results.1.title", "last"),
    ],
)
def test_paths_can_be_written_in_many_ways(shelved: Shelf, path: str, found: str) -> None:
    document = {
        "results": [{"title": "first"}, {"title": "last"}],
        "a.b": {"0": "key that is a number"},
    }
    file = shelved.keep(document).file
    assert numbered_lines(shelved.look("get_in", file=file, path=path)) == [found]


def test_of_keys_that_are_there_twice_the_last_counts(shelved: Shelf) -> None:
    file = shelved.keep(b'{"a": 1, "b": 12345678901234567890.10, "a": 2}').file
    assert numbered_lines(shelved.look("get_in", file=file, path="a")) == ["2"]
    number = numbered_lines(shelved.look("get_in", file=file, path="b"))
    assert number == ["12345678901234567890.10"]
    assert shelved.look("schema", file=file).count("$.a (number)") == 2


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        (
            "results.99.title",
            {"failed_segment": "99", "valid_prefix": "results", "array_length": 2},
        ),
        ("nope", {"failed_segment": "nope", "valid_prefix": "", "available_keys": ["results"]}),
        ("results.0.x", {"failed_segment": "x", "valid_prefix": "results.0", "value_type": "null"}),
        (
            "results.1.x",
            {"failed_segment": "x", "valid_prefix": "results.1", "value_type": "string"},
        ),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(
    shelved: Shelf, path: str, facts: dict[str, object]
) -> None:
    file = shelved.keep({"results": [None, "text"]}).file
    declined = shelved.declined("get_in", file=file, path=path)
    assert declined["error"] == "key_path_not_found"
    assert declined["requested_path"] == path
    assert declined.items() >= facts.items()
    assert declined["suggestions"][0].startswith(f'schema(file="{file}")')
    assert shelved.budget.extracted == 0


def test_of_many_and_of_long_keys_only_some_is_shown(shelved: Shelf) -> None:
    file = shelved.keep({"x" * 5000: 1, **{f"key {n}": n for n in range(80)}}).file
    declined = shelved.declined("get_in", file=file, path="none")
    assert (len(declined["available_keys"]), declined["total_keys"]) == (50, 81)
    assert declined["available_keys"][:2] == ["x" * 100 + "...", "key 0"]
    assert len(json.dumps(declined)) < 2500


def test_long_texts_are_given_by_lines(shelved: Shelf) -> None:
    file = shelved.keep({"log": "\n".join(f"line {n}" for n in range(300))}).file
    part = shelved.look("get_in", file=file, path="log", offset=298)
    assert part == "   299\tline 298\n   300\tline 299"
    assert "lines 299-300 of 300" in shelved.footer("get_in", file=file, path="log", offset=298)
    hundred = shelved.look("get_in", file=file, path="log", offset=0)
    assert len(numbered_lines(hundred)) == 100
    huge = shelved.look("get_in", file=file, path="log", offset="299", limit=2**62)
    assert huge == "   300\tline 299"
    declined = shelved.declined("get_in", file=file, path="log", offset=300)
    assert (declined["error"], declined["total_lines"]) == ("offset_out_of_range", 300)


def flat(item: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The keys of an object with their types, as item_schema has to count them."""
    kinds = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    for key, value in item.items():
        yield prefix + key, kinds.get(type(value), "number")
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")


PLAIN = st.sampled_from(["a", "b", "c"])
ITEMS = st.lists(
    st.dictionaries(PLAIN, SCALARS | st.dictionaries(PLAIN, SCALARS, max_size=3)), max_size=30
)


@settings(max_examples=40, deadline=None)
@given(items=ITEMS, offset=st.integers(0, 35), limit=st.none() | st.integers(1, 20))
def test_item_schema_counts_every_key(
    items: list[dict[str, Any]], offset: int, limit: int | None
) -> None:
    window = items[offset : None if limit is None else offset + limit]
    expected: dict[str, tuple[set[str], int]] = {}
    for item in window:
        for key, kind in flat(item):
            kinds, count = expected.get(key, (set(), 0))
            expected[key] = (kinds | {kind}, count + 1)
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        file = shelved.keep({"items": items}).file
        asked = {"file": file, "path": "items", "offset": offset, "limit": limit}
        heading, _, *rows = shelved.look("item_schema", **asked).split("\n")
    full = len(window) == len(items)
    last = min(offset, len(items)) + len(window)
    said = f"window: items [{min(offset, len(items))}..{last}) of {len(items)} total"
    assert heading == (f"({len(items)} items)" if full else said)
    assert [row.split()[0] for row in rows] == sorted(expected)
    for row in rows:
        key, kinds, present = row.split()[:3]
        assert set(kinds.split("|")) == expected[key][0]
        assert present == f"{expected[key][1]}/{len(window)}"


@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["web", "db", "we", 'q"b', "é"]),
                "size": st.integers(0, 3),
            },
        ),
        max_size=40,
    ),
    value=st.sampled_from(["web", "we", 'q"b', "é"]),
    operator=st.sampled_from(["=", "!=", "~"]),
)
def test_iterate_over_gives_the_items_that_fulfil_a_condition(
    items: list[dict[str, Any]], value: str, operator: str
) -> None:
    def holds(item: dict[str, Any]) -> bool:
        found = item.get("name")
        if operator == "~":
            return found is not None and value in found
        return (found == value) == (operator == "=")

    expected = [
        {"_index": number, **({"size": item["size"]} if "size" in item else {})}
        for number, item in enumerate(items)
        if holds(item)
    ]
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        file = shelved.keep({"items": items}).file
        where = f"name{operator}{value}"
        asked = {"file": file, "path": "items", "fields": "size", "where": where}
        assert json.loads(shelved.look("iterate_over", **asked)) == expected
        few = shelved.look("iterate_over", **asked, limit=2)
        assert json.loads(few) == expected[:2]


def test_long_texts_of_items_are_cut_with_the_way_to_the_rest(shelved: Shelf) -> None:
    text = "\n".join(f"line {number}" for number in range(9))
    file = shelved.keep({"items": [{"log": text}]}).file
    [row] = json.loads(shelved.look("iterate_over", file=file, path="items", fields="log"))
    *lines, notice = row["log"].split("\n")
    assert lines == [f"line {number}" for number in range(5)]
    path = re.search(r'path="([^"]+)"', notice)[1]
    assert "9 lines" in notice
    assert numbered_lines(shelved.look("get_in", file=file, path=path)) == text.split("\n")


@settings(max_examples=40, deadline=None)
@given(document=DOCUMENTS)
def test_the_lines_that_schema_names_hold_the_value(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False)
    values = dict(places(json.loads(text)))
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        file = shelved.keep(text).file
        lines = (Path(root) / file).read_text().split("\n")
        for line in shelved.look("schema", file=file, max_depth=32).split("\n"):
            path, _, first, last = re.fullmatch(
                r" *(\$.*) \((.+)\) \[L(\d+)-L(\d+)\]", line, re.DOTALL
            ).groups()
            shown = "\n".join(lines[int(first) - 1 : int(last)]).strip().removesuffix(",")
            assert json.loads(bare(shown, values[path])) == values[path]


def bare(shown: str, value: Any) -> str:
    """A value without the key before it."""
    for start in range(len(shown)):
        try:
            if json.loads(shown[start:]) == value:
                return shown[start:]
        except ValueError:
            continue
    return shown


def test_what_is_no_json_says_how_to_read_it(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("one\n")
    for tool, more in (("schema", {}), ("get_in", {"path": "a"}), ("item_schema", {"path": "a"})):
        refused = shelved.refused(tool, file="text.txt", **more)
        assert [word for word in ("head", "grep", "slice", "read") if word not in refused] == []


@given(st.text(max_size=30))
def test_any_path_can_be_read_or_is_refused_in_words(path: str) -> None:
    with suppress(ToolFailed):
        assert len(steps_of(path)) <= len(path)
