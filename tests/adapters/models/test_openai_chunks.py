"""Recorded and made-up answers of OpenAI-compatible servers, as events."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models._openai_chunks import ChunkParser
from aura.errors import ContextOverflow, CutOff, ProviderError, RateLimited, Rejected, Unavailable
from aura.events import AnyEvent, ToolCallDelta
from tests.adapters.models.chunks import (
    called,
    counted,
    delta,
    fragment,
    frames,
    merged,
    parse,
    parser,
    said,
    stopped,
    thought,
    usage,
)

STREAMS = sorted((Path(__file__).parent / "streams").glob("*.sse"))


EXPECTED = {
    "openai_text": [
        said('Grüße aus Köln 👋, "quoted" and \\ backslash.\nNext line: 日本語'),
        usage(31, 12, 16, 4),
        stopped(),
    ],
    "openai_tools": [
        called("call_a", "list_files", '{"path":"/tmp/ä"}'),
        called("call_b", "add", '{"a": 1}'),
        usage(31, 12, 16, 4),
        stopped("tool_calls"),
    ],
    "vllm_reasoning_tools": [
        thought("The user wants a sum of two numbers."),
        said("Let me add."),
        called("chatcmpl-tool-1", "add", '{"a": 1, "b": 2}'),
        usage(9, 21),
        stopped("tool_calls"),
    ],
    "llama_server": [said("One, two, three"), usage(5, 3), stopped("length")],
    "whole_calls_same_index": [
        called("f1", "weather", '{"city":"Rome"}'),
        called("f2", "weather", '{"city":"Oslo"}'),
        stopped("tool_calls"),
    ],
}


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_recorded_stream_in_one_read(path: Path) -> None:
    assert EXPECTED[path.stem] == parse(path.read_bytes())


@given(st.data(), st.sampled_from(STREAMS))
def test_any_cutting_of_a_recorded_stream_gives_the_same(data: st.DataObject, path: Path) -> None:
    stream = path.read_bytes()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=30)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert EXPECTED[path.stem] == merged(parse(*reads))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_recorded_stream_byte_by_byte(path: Path) -> None:
    stream = path.read_bytes()
    assert EXPECTED[path.stem] == merged(parse(*(bytes([byte]) for byte in stream)))


def test_deltas_of_a_kind_within_a_read_are_one_event() -> None:
    chunks = parser()
    texts = [delta(reasoning="a"), delta(reasoning="b"), delta(content="c"), delta(content="d")]
    assert [thought("ab"), said("cd")] == chunks.feed(frames(*texts))
    assert [said("e")] == chunks.feed(frames(delta(content="e")))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([delta(refusal="No."), delta("stop")], [said("No."), stopped()]),
        ([delta("content_filter")], [stopped("content_filter")]),
        ([delta("eos_token", content="x")], [said("x"), stopped()]),
        ([delta(content="x"), b"[DONE]"], [said("x"), stopped()]),
        (
            [fragment(0, "{}", "f", "c"), b"[DONE]"],
            [called("c", "f", "{}"), stopped("tool_calls")],
        ),
        ([delta("tool_calls", content="x")], [said("x"), stopped()]),
        (
            [fragment(0, None, "f", "c"), delta("stop")],
            [called("c", "f", "{}"), stopped("tool_calls")],
        ),
        (
            [fragment(0, "{}", "f"), fragment(1, "{}", "g"), delta("tool_calls")],
            [called("call_1", "f", "{}"), called("call_2", "g", "{}"), stopped("tool_calls")],
        ),
        (
            [fragment(0, '{"a"', "f", "c"), fragment(0, ":1}", "f", "c"), delta("tool_calls")],
            [called("c", "f", '{"a":1}'), stopped("tool_calls")],
        ),
        (
            [fragment(None, '{"a":1}', "f"), fragment(None, '{"a":2}', "f"), delta("stop")],
            [
                called("call_1", "f", '{"a":1}'),
                called("call_2", "f", '{"a":2}'),
                stopped("tool_calls"),
            ],
        ),
        (
            [
                fragment(1, '{"b"', "g", "d"),
                fragment(0, '{"a"', "f", "c"),
                fragment(1, ":2}"),
                fragment(0, ":1}"),
                delta("tool_calls"),
            ],
            [called("c", "f", '{"a":1}'), called("d", "g", '{"b":2}'), stopped("tool_calls")],
        ),
        (
            [fragment(0, {"a": 1}, "f", "c"), delta("tool_calls")],
            [called("c", "f", '{"a":1}'), stopped("tool_calls")],
        ),
        (
            [delta(function_call={"name": "f", "arguments": "{}"}), delta("function_call")],
            [called("call_1", "f", "{}"), stopped("tool_calls")],
        ),
        (
            [{"choices": [{"index": 1, "delta": {"content": "x"}}]}, delta("stop")],
            [stopped()],
        ),
        ([{"choices": None}, {"choices": [{"delta": None}]}, delta("stop")], [stopped()]),
        (
            [
                {"choices": [], "usage": {"prompt_tokens": 1}},
                delta("stop"),
                {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 10}},
            ],
            [usage(5, 5), stopped()],
        ),
        (
            [delta("stop"), {"usage": {"prompt_tokens": -5, "completion_tokens": 2}}],
            [usage(0, 2), stopped()],
        ),
    ],
)
def test_what_servers_do(chunks: list[object], expected: list[AnyEvent]) -> None:
    assert expected == parse(frames(*chunks))
    assert expected == merged(parse(*map(frames, chunks)))


def test_a_call_is_given_when_the_next_one_begins() -> None:
    chunks = parser()
    assert chunks.feed(frames(fragment(0, "{}", "f", "c"))) == []
    assert [called("c", "f", "{}")] == chunks.feed(frames(fragment(1, "", "g", "d")))
    assert [called("d", "g", "{}")] == chunks.feed(frames(delta("tool_calls")))


def test_an_answer_that_is_not_streamed() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hi", "tool_calls": [call, {**call, "id": "d"}]}
    chunks = parser()
    events = chunks.whole(
        msgspec.json.encode(
            {
                "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2},
            }
        )
    )
    assert [said("Hi"), called("c", "f", "{}"), called("d", "f", "{}")] == events
    assert [usage(1, 2), stopped("tool_calls")] == chunks.finish()


@pytest.mark.parametrize(
    ("chunk", "kind", "detail"),
    [
        ({"error": {"message": "slow", "code": "rate_limit_exceeded"}}, RateLimited, "slow"),
        ({"error": {"message": "busy", "code": 503}}, Unavailable, "busy"),
        ({"error": {"message": "odd", "type": "invalid_request_error"}}, Rejected, "odd"),
        (
            {
                "error": {
                    "message": "n",
                    "code": "context_length_exceeded",
                    "type": "invalid_request_error",
                }
            },
            ContextOverflow,
            "n",
        ),
        ({"error": "boom"}, Unavailable, "boom"),
        (
            {"object": "error", "message": "bad", "type": "BadRequestError", "code": 400},
            Rejected,
            "bad",
        ),
        ({"error": {"message": "key sk-secret!"}, "choices": []}, Unavailable, "key ***!"),
        (b"{nonsense", Unavailable, "{nonsense"),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', Unavailable, ""),
    ],
)
def test_a_failure_within_the_stream_loses_nothing(
    chunk: object, kind: type[ProviderError], detail: str
) -> None:
    chunks = parser()
    assert [said("before")] == chunks.feed(
        frames(delta(content="before"), chunk, delta(content="after"))
    )
    assert chunks.ended
    assert not chunks.complete
    assert chunks.feed(frames(delta(content="later"))) == []
    with pytest.raises(kind) as raised:
        chunks.finish()
    assert detail in raised.value.detail
    assert "openai/gpt" in str(raised.value)


def test_event_error_with_a_flat_body() -> None:
    chunks = parser()
    chunks.feed(b'event: error\ndata: {"message": "overloaded", "code": 529}\n\n')
    with pytest.raises(Unavailable, match="529"):
        chunks.finish()


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        frames(delta(content="a")),
        frames(delta(content="a"))[:-12],
        frames(fragment(0, "{}", "f", "c")),
    ],
)
def test_a_stream_without_an_end_is_cut_off(stream: bytes) -> None:
    with pytest.raises(CutOff, match="broke off"):
        parse(stream)


def test_the_last_frame_needs_no_empty_line() -> None:
    stream = frames(delta(content="a"), delta("stop"), b"[DONE]")
    assert [said("a"), stopped()] == merged(parse(stream[:-2]))
    assert [said("a"), stopped()] == merged(parse(stream[:-1]))


def test_complete_once_the_reason_is_known() -> None:
    chunks = parser()
    chunks.feed(frames(delta(content="a")))
    assert not chunks.complete
    chunks.feed(frames(delta("stop")))
    assert chunks.complete
    assert not chunks.ended
    chunks.feed(frames(b"[DONE]"))
    assert chunks.ended


def test_the_pieces_of_a_live_call() -> None:
    """A tool that is waited for gives its call in pieces, those of one read joined."""
    chunks = ChunkParser("main", model="openai/gpt", ids=counted(), live={"respond"})
    first = frames(fragment(0, '{"re', "respond", "a"), fragment(0, 'sponse":'))
    second = frames(fragment(0, '"Hi"}'), fragment(1, "{}", "look", "b"))
    events = [event for read in (first, second) for event in chunks.feed(read)]
    assert [event.arguments for event in events if isinstance(event, ToolCallDelta)] == [
        '{"response":',
        '"Hi"}',
    ]
    assert {event.index for event in events if isinstance(event, ToolCallDelta)} == {0}
