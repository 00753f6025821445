"""The shortcut for reads of many chunks gives what the chunks give one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.adapters.models.chunks import delta, frames, merged, parse, parser, said, stopped, usage


@given(
    st.lists(
        st.one_of(
            st.text(max_size=8).map(lambda text: delta(content=text)),
            st.text(max_size=8).map(lambda text: delta(reasoning_content=text)),
            st.just(delta(role="assistant", content="x")),
            st.just({**delta(content="y"), "created": 7}),
        ),
        max_size=40,
    )
)
def test_runs_give_what_single_chunks_give(chunks: list[dict[str, object]]) -> None:
    """Reads of eight chunks and more take a shortcut."""
    together = parse(frames(*chunks, delta("stop")))
    assert merged(parse(*map(frames, chunks), frames(delta("stop")))) == together


@pytest.mark.parametrize("text", [b"a\\", b'a"', b"\\", b'","role":"b', b"\xff"])
def test_a_run_is_not_taken_for_more_than_its_chunks(text: bytes) -> None:
    """Broken text must not become readable because of its neighbours, nor readable text lost."""
    chunk = b'{"choices":[{"index":0,"delta":{"content":"%b"}}]}'
    stream = [chunk % b"a"] * 5 + [chunk % text] + [chunk % b"b"] * 5
    one_by_one, together = parser(), parser()
    expected = merged(event for each in stream for event in one_by_one.feed(frames(each)))
    assert expected == together.feed(frames(*stream))
    assert one_by_one.ended is together.ended is (text != b'","role":"b')


def test_chunks_that_hold_more_than_text_are_no_run() -> None:
    """Some servers send the usage so far with every chunk."""
    chunks = [
        {**delta(content=each), "usage": {"prompt_tokens": 1, "completion_tokens": 7}}
        for each in "abcdefghij"
    ]
    assert parse(frames(*chunks, delta("stop"))) == [said("abcdefghij"), usage(1, 7), stopped()]
