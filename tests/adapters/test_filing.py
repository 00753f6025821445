"""Results into files: what they are, how they are laid out, and the texts inside them."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.adapters.scratchpad.filing import WINDOW, Filed, Full, file_away
from aura.adapters.scratchpad.formats import laid_out
from aura.adapters.scratchpad.writing import LARGE, filer
from tests.support.eventually import eventually
from tests.support.shelves import Shelf, numbered_lines, shelf

LONG = "\n".join(f"line {number}" for number in range(12))
MARKDOWN = "# Steps\n\n" + LONG
NESTED = json.dumps({f"key {number}": number for number in range(12)})


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"a": 1}', "json"),
        (" [1, 2]\n", "json"),
        ('{"a": 1', "text"),
        ("[1] and more", "text"),
        ('"text"', "text"),
        ("# Title\n\nwords", "markdown"),
        ("words\n\n### Deep\n", "markdown"),
        ("x\n" * 49 + "# Title", "markdown"),
        ("x\n" * 50 + "# Title", "text"),
        ("#!/bin/sh\n# run it\nset -e\nexport A=1\n", "text"),
        ("#include <stdio.h>\n", "text"),
        ("#TODO\n", "text"),
        ("####### seven\n", "text"),
        ("- a\n- b\n", "text"),
        ("# settings\nname: web\nport: 80\nhost: a\n", "text"),
        ("# why\nimport os\ndef main():\n    return 1\n", "text"),
        ("```\n# in code\n```\n", "text"),
        ("a,b\n1,2\n", "text"),
        ('{"a": 1}\n{"a": 2}\n', "json"),
        ('{"a": 1}\n\n[2]\n', "json"),
        ('{"a": 1}\nnot json\n', "text"),
        ("", "text"),
    ],
)
def test_what_a_text_is(text: str, form: str) -> None:
    assert laid_out(text.encode()).format == form


def test_json_keeps_its_order_its_numbers_and_its_doubles() -> None:
    text = b'{"b":1,"a":12345678901234567890.10,"b":1e400,"e":"\\u00e9\\/"}'
    assert laid_out(text).data == (
        b'{\n  "b": 1,\n  "a": 12345678901234567890.10,\n  "b": 1e400,\n  "e": "\\u00e9\\/"\n}'
    )


def test_json_lines_are_a_list_of_their_records(shelved: Shelf) -> None:
    filed = shelved.keep('{"n": 0}\n{"n": 1}\n\n{"n": 2}\n')
    assert (filed.format, filed.records) == ("json", 3)
    rows = json.loads(shelved.look("iterate_over", file=filed.file, path="", fields="n"))
    assert [row["n"] for row in rows] == [0, 1, 2]


def test_lines_that_are_json_only_together_are_text() -> None:
    assert laid_out(b"[[1]\n[2]]\n").format == "text"


@pytest.mark.parametrize("text", [LONG, MARKDOWN, NESTED])
def test_a_text_that_is_only_wrapped_is_unwrapped(text: str) -> None:
    assert laid_out(json.dumps({"result": text}).encode()) == laid_out(text.encode())


def test_other_keys_beside_it_keep_a_result_what_it_is() -> None:
    for more in ({"result": LONG, "more": 1}, {"result": 1}, {"results": LONG}):
        assert laid_out(json.dumps(more).encode()).format == "json"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(
    st.lists(VALUES) | st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=7), VALUES)
)
def test_laid_out_json_says_the_same(value: Any) -> None:
    laid = laid_out(json.dumps(value).encode())
    assert (laid.format, json.loads(laid.data)) == ("json", value)


@pytest.mark.parametrize(
    ("document", "path", "form"),
    [
        ({"log": LONG}, "$.log", "text"),
        ({"doc": MARKDOWN}, "$.doc", "markdown"),
        ({"inner": NESTED}, "$.inner", "json"),
        ({"a": {"b.c": [0, {"log": LONG}]}}, '$.a["b.c"][1].log', "text"),
        ([[1], ["x", LONG]], "$[1][1]", "text"),
    ],
)
def test_long_texts_get_files_of_their_own(
    shelved: Shelf, document: Any, path: str, form: str
) -> None:
    filed = shelved.keep(document)
    [companion] = filed.companions
    assert (companion.path, companion.format) == (path, form)
    data = (shelved.root / companion.file).read_text()
    whole = "\n".join(numbered_lines(shelved.look("get_in", file=filed.file, path=path)))
    assert json.loads(data) == json.loads(whole) if form == "json" else data == whole
    assert companion.lines == len(data.split("\n"))


@pytest.mark.parametrize("before", [0, 1, WINDOW - 3, WINDOW - 2, WINDOW - 1, WINDOW, 9 * WINDOW])
def test_the_first_line_break_can_be_far_behind_a_backslash(shelved: Shelf, before: int) -> None:
    text = "\\t" + "x" * before + LONG.removeprefix("line 0")
    [companion] = shelved.keep({"a": "\\t", "log": text}).companions
    assert (shelved.root / companion.file).read_text() == text


def test_short_texts_stay_where_they_are(shelved: Shelf) -> None:
    nine = "\n".join("x" * 9)
    assert shelved.keep({"a": nine, "b": "x" * 5000, "c": '"quoted"'}).companions == ()


def test_companions_never_share_a_name(shelved: Shelf) -> None:
    filed = shelved.keep({"a.b": LONG, "a/b": LONG, "a b": LONG, "a_b": LONG})
    assert len({each.file for each in filed.companions}) == 4


def test_a_missed_path_names_the_companions(shelved: Shelf) -> None:
    file = shelved.keep({"doc": MARKDOWN, "inner": NESTED}).file
    declined = shelved.declined("get_in", file=file, path="doc.title")
    assert declined["companion_files"] == ["kept.doc.md", "kept.inner.json"]
    assert "kept.inner.json" in declined["suggestions"][-2]
    assert "kept.doc.md" in declined["suggestions"][-1]


def test_files_are_private(shelved: Shelf) -> None:
    shelved.keep({"log": LONG})
    modes = {stat.S_IMODE(file.stat().st_mode) for file in shelved.root.iterdir()}
    assert modes == {0o600}


def test_nothing_is_left_of_a_result_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    for room in (0, 10, 300):
        with pytest.raises(Full):
            file_away(directory, "kept", json.dumps({"a": LONG, "b": LONG}).encode(), room)
    (tmp_path / "kept.json").mkdir()
    with pytest.raises(OSError, match=os.strerror(errno.EISDIR)):
        file_away(directory, "kept", json.dumps({"a": LONG}).encode(), None)
    os.close(directory)
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]


def large() -> bytes:
    """A result that a process of its own files away."""
    document = {"items": [{"n": number, "log": LONG} for number in range(3)], "fill": "x" * LARGE}
    return json.dumps(document).encode()


async def filed_in(root: Path, data: bytes, room: int | None = None) -> Filed:
    directory = os.open(root, os.O_RDONLY)
    try:
        async with filer(directory, len(data)) as file:
            return await file("kept", [data[:7], data[7:]], room)
    finally:
        os.close(directory)


def test_a_process_of_its_own_does_the_same(tmp_path: Path) -> None:
    with TemporaryDirectory() as other, shelf(Path(other)) as here:
        expected = here.keep(large())
        assert anyio.run(filed_in, tmp_path, large()) == expected
        contents = [
            {file.name: file.read_bytes() for file in root.iterdir()}
            for root in (tmp_path, Path(other))
        ]
        assert contents[0] == contents[1]
        assert len(contents[0]) == 4


def test_a_process_of_its_own_says_that_there_is_no_room(tmp_path: Path) -> None:
    with pytest.raises(Full):
        anyio.run(filed_in, tmp_path, large(), LARGE)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_loses_nothing(tmp_path: Path) -> None:
    before = psutil.Process().children()

    async def bereaved(directory: int) -> Filed:
        async with filer(directory, LARGE) as file:
            [child] = [each for each in psutil.Process().children() if each not in before]
            child.kill()
            return await file("kept", [large()], None)

    with TemporaryDirectory() as other, shelf(Path(other)) as here:
        expected = here.keep(large())
    directory = os.open(tmp_path, os.O_RDONLY)
    assert anyio.run(bereaved, directory) == expected
    os.close(directory)
    assert len(list(tmp_path.iterdir())) == 4
    assert psutil.Process().children() == before


def test_a_process_that_is_not_needed_after_all_goes(tmp_path: Path) -> None:
    async def unused(directory: int) -> None:
        async with filer(directory, LARGE):
            assert psutil.Process().children() != before

    before = psutil.Process().children()
    directory = os.open(tmp_path, os.O_RDONLY)
    anyio.run(unused, directory)
    os.close(directory)
    assert psutil.Process().children() == before
    assert list(tmp_path.iterdir()) == []


def test_the_process_goes_with_the_run(tmp_path: Path) -> None:
    data = json.dumps({"items": [{"n": number, "log": LONG} for number in range(150_000)]}).encode()

    before = psutil.Process().children()

    def filing() -> bool:
        return psutil.Process().children() != before

    async def leave() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(filed_in, tmp_path, data)
            await eventually(filing)
            tasks.cancel_scope.cancel()

    anyio.run(leave)
    anyio.run(eventually, lambda: not filing())
    assert [each.name for each in tmp_path.iterdir() if not each.name.endswith(".part")] == []


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_every_text_can_be_kept(text: str) -> None:
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        filed = shelved.keep(text)
        shown = shelved.look("read", file=filed.file)
        assert filed.lines == len(numbered_lines(shown)) if shown else filed.lines == 0
