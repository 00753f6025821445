"""Odd files: what they are kept as, and that looking into them is exact all the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scratchpads import kept
from tests.support.shelves import Shelf, numbered_lines, shelf

FENCES = "```\n~~~\n# x\n" + "some words here\n" * 3000


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


def test_a_fence_in_a_fence_makes_no_headers(tmp_path: Path) -> None:
    diverted, _ = kept(tmp_path, FENCES)
    assert diverted.stored is not None
    assert diverted.stored.format == "text"


def test_markdown_without_headers_is_refused_in_words(shelved: Shelf) -> None:
    (shelved.root / "text.md").write_text("no header\n")
    assert "has no headers" in shelved.refused("schema", file="text.md")


@pytest.mark.parametrize("field", ["$", "."])
def test_a_field_can_be_the_whole_item(shelved: Shelf, field: str) -> None:
    file = shelved.keep([1, "two", {"a": 3}]).file
    rows = json.loads(shelved.look("iterate_over", file=file, path="$", fields=field))
    assert [row[field] for row in rows] == [1, "two", {"a": 3}]


@pytest.mark.parametrize(("pattern", "line"), [("one$", 1), ("^$", 3), ("^two$", 2)])
def test_lines_that_end_as_on_windows(shelved: Shelf, pattern: str, line: int) -> None:
    (shelved.root / "text.txt").write_bytes(b"one\r\ntwo\r\n\r\n")
    found = shelved.look("grep", file="text.txt", pattern=pattern, context=0)
    assert found.startswith(f">    {line}\t")


@pytest.mark.parametrize("key", ["a.b", "a[0]", "", 'q"q', "a b."])
def test_a_suggested_path_leads_somewhere(shelved: Shelf, tmp_path: Path, key: str) -> None:
    file = shelved.keep({"x": {key: ["words"] * 900}}).file
    with shelf(tmp_path, per_call=50) as small:
        suggestion = small.declined("get_in", file=file, path="x")["suggestions"][0]
    path = json.loads(re.search(r"path=(.*)\): a part", suggestion)[1])
    assert len(json.loads("\n".join(numbered_lines(shelved.look("get_in", file=file, path=path)))))


def test_regions_that_are_left_out_are_counted(tmp_path: Path) -> None:
    lines = [f"needle {number}" if number % 2 else "other words" for number in range(20_000)]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    with shelf(tmp_path, per_call=100_000) as large:
        found = large.look("grep", file="text.txt", pattern="needle", context=0)
    assert f"{10_000 - found.count('needle')} more regions" in found


def test_a_carriage_return_inside_a_line_is_kept(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_bytes(b"ab\rcd\n")
    part = {"file": "text.txt", "start": 1, "end": 1, "from_byte": 1}
    assert shelved.look("slice", **part, to_byte=3) == "     1\tab\r"
    assert "1 or more" in shelved.refused("slice", **{**part, "from_byte": 0})


def test_a_title_may_end_with_a_sharp(shelved: Shelf) -> None:
    (shelved.root / "text.md").write_text("# C#\n")
    assert shelved.look("schema", file="text.md") == "# C# [L1-L1]"


def test_a_key_with_a_line_break_is_one_row(shelved: Shelf) -> None:
    file = shelved.keep([{"a\nb": 1}]).file
    assert shelved.look("item_schema", file=file, path="$").count("\n") == 2


def test_one_empty_line_is_a_line(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("\n")
    assert '"lines":1' in shelved.footer("read", file="text.txt")


def test_values_may_have_the_word_that_joins_conditions(shelved: Shelf) -> None:
    file = shelved.keep([{"t": "black and white", "n": 1}, {"t": "black", "n": 2}]).file
    asked = {"file": file, "path": "", "fields": "n"}
    for where in ("t=black and white", "t~white and n=1", "n=1 AND t=black and white"):
        assert [
            row["n"] for row in json.loads(shelved.look("iterate_over", **asked, where=where))
        ] == [1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"a": "cut \ud83d"}', "cut \ufffd"),
        (r'{"a": "\ude00 cut"}', "\ufffd cut"),
        (r'{"a": "\ud83d\ude00"}', "\U0001f600"),
        (r'{"a": "\\ud83d \ud83d"}', r"\ud83d " + "\ufffd"),
    ],
)
def test_half_a_character_does_not_make_json_something_else(
    shelved: Shelf, text: str, value: str
) -> None:
    filed = shelved.keep(text)
    assert filed.format == "json"
    assert numbered_lines(shelved.look("get_in", file=filed.file, path="a")) == [value]
