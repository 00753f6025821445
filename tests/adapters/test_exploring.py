"""The eight tools: exact, whatever the file, and never more than they may give."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.adapters.scratchpad import matching
from aura.adapters.scratchpad.budget import Budget
from aura.adapters.scratchpad.matching import LARGE, MOST_MATCHES
from aura.adapters.scratchpad.search import MOST_TOKENS, grep
from aura.adapters.tokens import counter
from tests.support.documents import KEYS, SCALARS
from tests.support.shelves import Shelf, numbered_lines, shelf

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=30))


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made


@settings(max_examples=60, deadline=None)
@given(lines=LINES, cut=st.integers(1, 7))
def test_slices_joined_are_the_file(lines: list[str], cut: int) -> None:
    text = "\n".join(lines)
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        (Path(root) / "text.txt").write_bytes(text.encode())
        found: list[str] = []
        for start in range(1, len(lines) + 1, cut):
            body = shelved.look("slice", file="text.txt", start=start, end=start + cut - 1)
            found += numbered_lines(body) if body else []
        expected = text.split("\n") if text else []
        assert found == (expected[:-1] if text.endswith("\n") else expected)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 3000), min_size=50, max_size=200),
    wanted=st.integers(1, 250),
)
def test_lines_of_a_file_of_many_blocks(lengths: list[int], wanted: int) -> None:
    lines = [f"{number}:" + "x" * length for number, length in enumerate(lengths, 1)]
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        (Path(root) / "text.txt").write_text("\n".join(lines))
        body = shelved.look("slice", file="text.txt", start=wanted, end=wanted + 1)
        assert (numbered_lines(body) if body else []) == lines[wanted - 1 : wanted + 1]
        number = len(lines) // 2
        found = shelved.look("grep", file="text.txt", pattern=f"^{number}:", context=0)
        assert found.startswith(f">{number:>5}\t{number}:x"[:10])


def test_head_says_how_much_there_is(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("one\r\ntwo\nthree\n")
    assert shelved.look("head", file="text.txt", lines=2) == "     1\tone\n     2\ttwo"
    footer = shelved.footer("head", file="text.txt", lines="2")
    assert footer.startswith("head: showing 2/3 lines | ")
    meta = json.loads(footer.partition(" | ")[2].removesuffix(" ---"))
    assert meta["lines"] == 2
    assert meta["estimated_tokens"] == counter("openai", "gpt-4o").count("one\ntwo")
    assert "usable tokens are left" in meta["window_hint"]


@pytest.mark.parametrize(("start", "end"), [(0, 3), (5, 4), (-1, 2)])
def test_lines_that_cannot_be(shelved: Shelf, start: int, end: int) -> None:
    (shelved.root / "text.txt").write_text("one\n")
    assert "counted from 1" in shelved.refused("slice", file="text.txt", start=start, end=end)


def test_behind_the_end_there_is_nothing(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("one\n")
    assert shelved.look("slice", file="text.txt", start=5, end=9) == ""


def naive(lines: list[str], word: str, context: int) -> list[tuple[int, int]]:
    """The regions that grep has to give."""
    regions: list[tuple[int, int]] = []
    for number, line in enumerate(lines, 1):
        if word in line:
            first, last = max(1, number - context), min(len(lines), number + context)
            if regions and first <= regions[-1][1] + 1:
                regions[-1] = (regions[-1][0], last)
            else:
                regions.append((first, last))
    return regions


@pytest.fixture(params=[0, LARGE], ids=["halves", "whole"])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are searched by two threads, or by one."""
    monkeypatch.setattr(matching, "LARGE", request.param)


@pytest.mark.usefixtures("large")
@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.sampled_from(["plain", "a needle", "", "needle needle", "x" * 40])),
    context=st.integers(0, 4),
)
def test_grep_gives_each_match_with_its_surroundings(lines: list[str], context: int) -> None:
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        (Path(root) / "text.txt").write_text("".join(f"{line}\n" for line in lines))
        asked = {"file": "text.txt", "pattern": "needle", "context": context}
        regions = naive(lines, "needle", context)
        if not regions:
            assert shelved.outcome("grep", **asked).text.startswith("No matches for 'needle'")
            assert shelved.budget.extracted == 0
            return
        expected = "\n---\n".join(
            "\n".join(
                f"{'>' if 'needle' in lines[number - 1] else ' '}{number:>5}\t{lines[number - 1]}"
                for number in range(first, last + 1)
            )
            for first, last in regions
        )
        assert shelved.look("grep", **asked) == expected


@pytest.mark.usefixtures("large")
@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 3000), min_size=40, max_size=120),
    matching=st.sets(st.integers(0, 119), min_size=1),
    context=st.integers(0, 3),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_regions_of_a_file_of_many_blocks(
    lengths: list[int], matching: set[int], context: int, end: str
) -> None:
    lines = ["x" * length + "needle" * (at in matching) for at, length in enumerate(lengths)]
    with TemporaryDirectory() as root, shelf(Path(root), per_call=10**6) as shelved:
        (Path(root) / "text.txt").write_text("".join(f"{line}{end}" for line in lines), newline="")
        asked = {"file": "text.txt", "pattern": "needle", "context": context}
        shown = shelved.outcome("grep", **asked).text.rpartition("\n--- scratchpad grep: ")[0]
    regions = shown.split("\n---\n") if shown else []
    numbers = [
        [int(line[1:].partition("\t")[0]) for line in region.split("\n")] for region in regions
    ]
    expected = naive(lines, "needle", context)
    assert numbers == [list(range(first, last + 1)) for first, last in expected]
    for region, (first, last) in zip(regions, expected, strict=True):
        assert numbered_lines(region) == lines[first - 1 : last]


def test_what_is_too_large_is_estimated_but_never_too_low_to_be_so(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("a few words of a line\n" * 5000)
    tokens = counter("openai", "gpt-4o")
    with shelved.open("text.txt") as text:
        exact = grep(text, "words", 0, counter=tokens)
        rough = grep(text, "words", 0, counter=tokens, most=1000)
    assert exact.tokens is not None
    assert rough.tokens is not None
    assert rough.tokens > 1000
    assert abs(rough.tokens - exact.tokens) < 0.1 * exact.tokens


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_second_search_finds_the_same(shelved: Shelf, end: str) -> None:
    lines = "".join(f"line {number}{end}" for number in range(100)) + "\n"
    (shelved.root / "text.txt").write_text(lines, newline="")
    asked = {"file": "text.txt", "pattern": "7", "context": 0}
    assert shelved.look("grep", **asked) == shelved.look("grep", **asked)


@pytest.mark.usefixtures("large")
def test_no_more_matches_are_looked_for_than_could_be_shown(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("a\n" * (MOST_MATCHES + 10))
    with shelved.open("text.txt") as text:
        found = grep(text, "a", 0, counter=counter("openai", "gpt-4o"))
    assert found.shown.startswith(f"{MOST_MATCHES} or more matching lines")


@settings(max_examples=20, deadline=None)
@given(
    words=st.lists(st.sampled_from(["a", "(x))", "naïve ", "  ", "1234", "\t-"]), min_size=1),
    copies=st.integers(1, 6000),
)
def test_grep_says_how_many_tokens_it_gives(words: list[str], copies: int) -> None:
    tokens = counter("openai", "gpt-4o")
    with TemporaryDirectory() as root, shelf(Path(root)) as shelved:
        (Path(root) / "text.txt").write_text("".join(f"{' '.join(words)}\n-\n" * copies))
        with shelved.open("text.txt") as text:
            extract = grep(text, re.escape(words[0]), 0, counter=tokens)
    assert extract.tokens == tokens.count(f"{extract.body}\n")
    assert extract.tokens < MOST_TOKENS + 100


def test_a_pattern_that_is_none_is_a_text(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("cost (a\nother\n")
    found = shelved.outcome("grep", file="text.txt", pattern="(a", context=0).text
    assert found.startswith(">    1\tcost (a\n")
    assert "searched for literally" in found


def test_a_match_never_goes_over_lines(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("a\nb\n")
    for pattern in (r"a\sb", "a[^x]b", "(?s)a.b"):
        assert "No matches" in shelved.outcome("grep", file="text.txt", pattern=pattern).text
    assert shelved.look("grep", file="text.txt", pattern="^b$", context=0) == ">    2\tb"


def test_a_pattern_may_not_be_endless(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("a\n")
    refused = shelved.refused("grep", file="text.txt", pattern="é" * 600)
    assert "1200" in refused
    assert "1024" in refused


def test_a_catastrophic_pattern_takes_linear_time(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("a" * 200_000 + "!\n")
    found = shelved.outcome("grep", file="text.txt", pattern="^(a+)+$").text
    assert found.startswith("No matches")


def test_a_huge_line_is_shown_around_its_match(shelved: Shelf) -> None:
    line = "x" * 2_000_000 + "needle" + "y" * 2_000_000
    (shelved.root / "text.txt").write_text(f"before\n{line}\nafter\n")
    found = shelved.look("grep", file="text.txt", pattern="needle", context=1)
    first, match, last = found.split("\n")
    assert (first, last) == ("     1\tbefore", "     3\tafter")
    shown = f"{'x' * 400}needle{'y' * 400}"
    assert match == f">    2\t[bytes 1999601-2000406 of 4000006] {shown}"
    part = {"file": "text.txt", "start": 2, "end": 2, "from_byte": 1_999_999, "to_byte": 2_000_010}
    assert shelved.look("slice", **part) == "     2\txxneedleyyyy"
    declined = shelved.declined("slice", file="text.txt", start=2, end=2)
    assert declined["error"] == "slice_too_large"
    assert "from_byte=1" in declined["suggestions"][0]


def test_the_headers_of_markdown(shelved: Shelf) -> None:
    text = (
        "# Title\n\n- owner: me\n* **pager**: you\n\n```sh\n# no header\n```\n## Part ##\ntext\n"
        "####### seven\n#hash\n### Deep\n"
    )
    file = shelved.keep(text).file
    assert file.endswith(".md")
    assert shelved.look("schema", file=file) == (
        "# Title [L1-L8] (keys: owner, pager)\n  ## Part [L9-L12]\n    ### Deep [L13-L13]"
    )


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("item_schema", {"path": "a"}),
        ("iterate_over", {"path": "a", "fields": "x"}),
        ("item_schema", {"path": "b"}),
        ("iterate_over", {"path": "$", "fields": ""}),
        ("iterate_over", {"path": "$", "fields": "x", "where": "nonsense"}),
        ("get_in", {"path": "a[*]"}),
        ("head", {"lines": "many"}),
        ("head", {"lines": -1}),
        ("slice", {"start": 1}),
    ],
)
def test_wrong_arguments_are_explained(
    shelved: Shelf, tool: str, arguments: dict[str, object]
) -> None:
    file = shelved.keep({"a": 1}).file
    assert len(shelved.refused(tool, file=file, **arguments)) > 30
    assert shelved.budget.extracted == 0


def test_null_is_nothing_and_what_is_unknown_is_ignored(shelved: Shelf) -> None:
    (shelved.root / "text.txt").write_text("one\ntwo\n")
    whole = shelved.look("head", file="text.txt")
    assert shelved.look("head", file="text.txt", lines=None, colour="red") == whole
    fields = {"file": shelved.keep([{"a": 1, "b": 2}]).file, "path": "$"}
    listed = shelved.look("iterate_over", **fields, fields=["a", "b"])
    assert listed == shelved.look("iterate_over", **fields, fields="a, b")


CALLS: list[tuple[str, dict[str, object]]] = [
    ("head", {"lines": 1000}),
    ("slice", {"start": 2, "end": 900}),
    ("grep", {"pattern": "."}),
    ("grep", {"pattern": "a", "context": 0}),
    ("read", {}),
    ("schema", {"max_depth": 9}),
    ("get_in", {"path": "$"}),
    ("item_schema", {"path": "items"}),
    ("iterate_over", {"path": "items", "fields": "a,b,c"}),
]


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(st.dictionaries(KEYS, SCALARS, max_size=6), max_size=25),
    call=st.sampled_from(CALLS),
    per_call=st.integers(1, 1500),
    window=st.integers(1, 3000),
)
def test_no_call_gives_more_than_it_may(
    items: list[dict[str, Any]],
    call: tuple[str, dict[str, object]],
    per_call: int,
    window: int,
) -> None:
    tool, arguments = call
    count = counter("openai", "gpt-4o").count
    with TemporaryDirectory() as root, shelf(Path(root), per_call=per_call, window=window) as made:
        file = made.keep({"items": items}).file
        before = made.budget.window
        outcome = made.outcome(tool, file=file, **arguments)
        spent = before.remaining - made.budget.window.remaining
        if outcome.failure is not None:
            return
        if outcome.text.startswith('{"error":'):
            said = msgspec.json.decode(outcome.text)
            assert said["error"] == f"{tool}_too_large"
            assert len(said["suggestions"]) >= 3
            bound = said.get("per_call_limit", said.get("remaining_budget_tokens"))
            assert bound == (per_call if "per_call_limit" in said else before.remaining)
            assert said["estimated_tokens"] > bound
            assert spent == 0
        elif outcome.text.startswith("No matches"):
            assert spent == 0
        else:
            assert spent == count(outcome.text) <= min(per_call, window)
            assert made.budget.extracted == spent


@given(
    window=st.integers(0, 1000),
    margin=st.floats(0, 0.95),
    per_call=st.integers(1, 500),
    steps=st.lists(
        st.tuples(st.sampled_from(["book", "add", "reported"]), st.integers(0, 600)), max_size=40
    ),
)
def test_a_budget_is_never_negative(
    window: int, margin: float, per_call: int, steps: list[tuple[str, int]]
) -> None:
    budget = Budget(window=window, margin=margin, per_call=per_call)
    for step, tokens in steps:
        remaining = budget.window.remaining
        assert 0 <= remaining <= window
        if step == "book":
            assert budget.book(tokens) is (tokens <= min(per_call, remaining))
        elif step == "add":
            budget.add(tokens)
        else:
            budget.reported(tokens)
            assert budget.window.used == tokens
