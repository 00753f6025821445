"""What is found out about a text while it is written is what reading it would find."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aura.adapters.scratchpad.formats import pretty_json
from aura.adapters.scratchpad.survey import BLOCK, MOST_ENTERED, surveyed
from tests.support.documents import DOCUMENTS
from tests.support.shelves import Shelf, numbered_lines, shelf

MIXED = [{"a": [1, [2]]}, {"b": {}}, [], 3, [4], "}", {"c": 5}, {"d": {"e": [6]}}, {}, [7], [8]]


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


def lines_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a text, with the byte that each begins at."""
    place = 0
    for line in data.split(b"\n"):
        yield place, line
        place += len(line) + 1


def members(data: bytes, start: int) -> list[int]:
    """The lines that are indented by two more than that of a container, up to its end."""
    line = data.rfind(b"\n", 0, start) + 1
    depth = len(data[line:]) - len(data[line:].lstrip(b" "))
    found = []
    for place, below in lines_of(data):
        indent = len(below) - len(below.lstrip(b" "))
        if place > start and indent <= depth:
            break
        if place > start and indent == depth + 2 and below.strip(b" ,") not in (b"}", b"]"):
            found.append(place)
    return found


@settings(max_examples=100, deadline=None)
@given(document=DOCUMENTS)
@example(document=MIXED)
@example(document={"items": MIXED, "more": MIXED})
@example(document={str(number): [[number], [1]] for number in range(2 * MOST_ENTERED)})
def test_containers_have_the_members_that_lines_show(document: Any) -> None:
    data = pretty_json(json.dumps(document).encode())
    assert data is not None
    found = surveyed(data, is_json=True, least=4).containers
    assert 0 in found or not document
    for start, packed in found.items():
        starts, numbers = packed.members()
        assert list(starts) == members(data, start)
        shown = [data[starts[number] :].lstrip().partition(b": ")[0] for number in numbers.values()]
        assert [json.loads(key) for key in shown] == list(numbers)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(0, 5000), max_size=60), ended=st.booleans())
def test_lines_are_counted_up_to_each_block(lengths: list[int], *, ended: bool) -> None:
    data = b"\n".join(b"x" * length for length in lengths) + b"\n" * ended
    survey = surveyed(data, is_json=False)
    ends = [data.count(b"\n", 0, end + BLOCK) for end in range(0, len(data), BLOCK)]
    assert list(survey.ends_of_blocks()) == ends
    assert survey.lines == len(data.splitlines())


def test_a_surveyed_file_is_explored_as_if_it_had_been_read(shelved: Shelf) -> None:
    items = [{"n": number, "text": "words " * 20} for number in range(2000)]
    filed = shelved.keep({"kind": "list", "items": items, "last": {"n": 1}})
    asked = {"file": filed.file, "max_depth": 3}
    with shelf(shelved.root) as fresh:
        unknown = fresh.look("schema", **asked)
    with shelved.open(filed.file, filed.survey) as text:
        assert sorted(text.index.members) == sorted(filed.survey.containers)
        assert text.lines == filed.lines
    assert shelved.look("schema", **asked) == unknown
    found = shelved.look("get_in", file=filed.file, path="items.1999.n")
    assert numbered_lines(found) == ["1999"]


def test_a_survey_of_another_file_is_not_believed(shelved: Shelf) -> None:
    file, other = shelved.keep({"a": [1] * 50}).file, shelved.keep({"b": 2}, base="other")
    with shelved.open(file, other.survey) as text:
        assert text.lines == len((shelved.root / file).read_text().splitlines())
