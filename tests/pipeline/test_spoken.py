"""An answer read out of a tool call while it is written."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aura.pipeline.spoken import SpokenArgument

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def read(text: str, *cuts: int) -> str:
    reader, said, begin = SpokenArgument("response"), [], 0
    for cut in (*sorted(cuts), len(text)):
        said.append(reader.feed(text[begin:cut]))
        begin = max(begin, cut)
    return "".join(said)


def written(answer: str, others: dict[str, object], place: int, *, ascii_only: bool) -> str:
    members = [(key, value) for key, value in others.items() if key != "response"]
    members.insert(place % (len(members) + 1), ("response", answer))
    return json.dumps(dict(members), ensure_ascii=ascii_only, indent=place % 3 or None)


@given(
    answer=st.text(st.characters(exclude_categories=["Cs"])),
    others=st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    place=st.integers(0, 4),
    ascii_only=st.booleans(),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
@example('a"b\\c\n\U0001f600', {"response ": {"response": "no"}}, 1, True, list(range(80)))
def test_any_split_gives_the_answer(
    answer: str, others: dict[str, object], place: int, ascii_only: bool, cuts: list[int]
) -> None:
    text = written(answer, others, place, ascii_only=ascii_only)
    assert read(text, *(min(cut, len(text)) for cut in cuts)) == answer
    assert msgspec.json.decode(text)["response"] == answer


@given(st.text(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_whatever_comes_is_survived(text: str, cuts: list[int]) -> None:
    cuts = [min(cut, len(text)) for cut in cuts]
    assert read(text, *cuts) == read(text)


def test_every_character_is_given_as_soon_as_it_is_known() -> None:
    reader = SpokenArgument("response")
    given_ = [reader.feed(each) for each in '{"response": "a\\n\\u00e9"}']
    assert [each for each in given_ if each] == ["a", "\n", "é"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r'{"response":"\ud83d\ude00"}', "😀"),
        (r'{"response":"\ud83dx"}', "\ufffdx"),
        (r'{"response":"\ud83d"}', "\ufffd"),
        (r'{"response":"\ude00"}', "\ufffd"),
        (r'{"response":"\ud83d\ud83d\ude00"}', "\ufffd😀"),
        (r'{"response":"\q"}', ""),
        (r'{"response":"a\u12g4"}', "a"),
        ('{"response":{"response":"no"}}', ""),
        ('{"a":["response","no"],"response":"yes"}', "yes"),
        ('{"response":5}', ""),
        ('{"response":"one","response":"two"}', "one"),
        ('["response","no"]', ""),
        ('x{"response":"no"}', ""),
        ('{"response":"cut o', "cut o"),
    ],
)
def test_texts(text: str, said: str) -> None:
    assert read(text) == said
    assert read(text, *range(len(text))) == said
