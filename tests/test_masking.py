"""Secrets are found in other people's words, however those quote them."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.masking import MASK, Mask, in_url

SECRET = 'pa"ss/wörd\\7'

WRITERS = {
    "as it is": str,
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "path": quote,
    "query": lambda text: quote(text, safe=""),
}


@pytest.mark.parametrize("way", WRITERS)
@given(secret=st.text(st.characters(codec="utf-8", exclude_characters="<>"), min_size=4))
def test_a_secret_is_found_in_every_way_to_write_it(way: str, secret: str) -> None:
    assert Mask([secret])(f"<{WRITERS[way](secret)}>") == f"<{MASK}>"


def test_words_without_a_secret_stay_as_they_are() -> None:
    assert Mask([SECRET])("nothing of that kind") == "nothing of that kind"
    assert Mask([])("anything") == "anything"


def test_the_longest_secret_is_masked_whole() -> None:
    assert Mask(["token", "token-of-mine"])("has token-of-mine.") == "has ***."


def test_what_is_too_short_to_be_a_secret_is_not_searched_for() -> None:
    assert Mask(["", "abc"])("abcdef") == "abcdef"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://host/path", set()),
        ("http://user:p%40ss@host/", {"user:p%40ss", "p%40ss", "user:p@ss", "p@ss"}),
        ("http://token@host/", {"token"}),
        ("http://host/?key=s%2Fcret&empty=&k2=other", {"s/cret", "other"}),
    ],
)
def test_what_may_be_secret_in_a_url(url: str, found: set[str]) -> None:
    assert {secret for secret in in_url(url) if secret} == found
