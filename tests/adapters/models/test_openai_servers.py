"""What compatible servers are known to send, each in its own way."""

from __future__ import annotations

import msgspec
import pytest

from aura.errors import CutOff, ProviderError, RateLimited, Rejected, Unavailable
from aura.events import AnyEvent, FinishReason
from tests.adapters.models.chunks import (
    called,
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

COUNTED = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def part(kind: str, text: str) -> dict[str, object]:
    return {"type": kind, kind: text}


def call(tool_id: str, name: str, arguments: str) -> dict[str, object]:
    return {"id": tool_id, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [delta(reasoning_content="a", content=None), delta(content="b"), delta("stop")],
            [thought("a"), said("b"), stopped()],
            id="reasoning_content",
        ),
        pytest.param(
            [delta(reasoning="a", reasoning_content="a"), delta("stop", content="b")],
            [thought("a"), said("b"), stopped()],
            id="reasoning under both of its names",
        ),
        pytest.param(
            [
                delta(content=[{"type": "thinking", "thinking": [part("text", "a")]}]),
                delta(content=[part("thinking", "b"), part("text", "c")]),
                delta(content="d"),
                delta("stop", content=""),
            ],
            [thought("ab"), said("cd"), stopped()],
            id="content as a list",
        ),
        pytest.param(
            [delta("", content="a"), delta("", content="b"), delta("stop", content="")],
            [said("ab"), stopped()],
            id="an empty finish_reason in every chunk",
        ),
        pytest.param(
            [{"choices": [{"index": None, "delta": {"content": "a"}}]}, b"[DONE]"],
            [said("a"), stopped()],
            id="no index and no finish_reason",
        ),
        pytest.param(
            [
                {**delta(content="a"), "usage": {**COUNTED, "completion_tokens": 1}},
                {**delta(content="b"), "usage": {**COUNTED, "completion_tokens": 2}},
                {**delta("stop"), "usage": COUNTED},
            ],
            [said("ab"), usage(9, 4), stopped()],
            id="usage in every chunk",
        ),
        pytest.param(
            [{**delta("stop", content="a"), "usage": COUNTED}, {"choices": [], "usage": {}}],
            [said("a"), usage(9, 4), stopped()],
            id="usage with the last choice, and an empty one",
        ),
        pytest.param(
            [delta("stop"), {"choices": [], "usage": {**COUNTED, "prompt_cache_hit_tokens": 5}}],
            [usage(9, 4, 5), stopped()],
            id="tokens from the cache, by another name",
        ),
        pytest.param(
            [{"choices": [{"finish_reason": "stop", "usage": {**COUNTED, "cached_tokens": 3}}]}],
            [usage(9, 4, 3), stopped()],
            id="usage within the choice",
        ),
        pytest.param(
            [
                delta("stop"),
                {
                    "usage": {
                        **COUNTED,
                        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
                        "completion_tokens_details": {"reasoning_tokens": 2},
                    }
                },
            ],
            [usage(9, 4, 8, 2), stopped()],
            id="details of the usage",
        ),
        pytest.param(
            [delta("stop"), {"usage": {**COUNTED, "prompt_tokens_details": None}}],
            [usage(9, 4), stopped()],
            id="details that are missing",
        ),
        pytest.param(
            [{"choices": [], "prompt_filter_results": [{}]}, delta("stop", content="a")],
            [said("a"), stopped()],
            id="a first chunk without choices",
        ),
        pytest.param(
            [{**delta("stop", content="a"), "error": None, "message": None}],
            [said("a"), stopped()],
            id="an error that is null",
        ),
        pytest.param(
            [
                fragment(0, "", "f", "c"),
                fragment(0, '{"a"', ""),
                fragment(0, ":1}", None),
                delta("tool_calls"),
            ],
            [called("c", "f", '{"a":1}'), stopped("tool_calls")],
            id="empty ids and names in later fragments",
        ),
        pytest.param(
            [
                delta(tool_calls=[call("c", "f", '{"a":1}'), call("d", "f", "{}")]),
                delta("tool_calls"),
            ],
            [called("c", "f", '{"a":1}'), called("d", "f", "{}"), stopped("tool_calls")],
            id="whole calls in one chunk, without an index",
        ),
        pytest.param(
            [fragment(0, "{}", "f", "c"), fragment(0, "{}", "f", "d"), delta("stop")],
            [called("c", "f", "{}"), called("d", "f", "{}"), stopped("tool_calls")],
            id="an index that is used again",
        ),
        pytest.param(
            [fragment(0, '{"a', "f", "c"), delta("length")],
            [called("c", "f", '{"a'), stopped("length")],
            id="a call that got too long",
        ),
        pytest.param(
            [delta(refusal="I ca"), delta(refusal="nnot."), delta("stop", refusal=None)],
            [said("I cannot."), stopped()],
            id="a refusal in pieces",
        ),
        pytest.param(
            [delta(content="a"), delta("content_filter")],
            [said("a"), stopped("content_filter")],
            id="a content filter in the middle",
        ),
    ],
)
def test_what_servers_send(chunks: list[object], expected: list[AnyEvent]) -> None:
    assert expected == merged(parse(frames(*chunks)))
    assert expected == merged(parse(*map(frames, chunks)))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
    ],
)
def test_why_it_ended(reason: str, expected: FinishReason) -> None:
    assert parse(frames(delta(reason, content="a"))) == [said("a"), stopped(expected)]


@pytest.mark.parametrize(
    ("end", "kind", "detail"),
    [
        (frames(delta("error")), Unavailable, "finish_reason 'error'"),
        (frames(delta("insufficient_system_resource")), Unavailable, "system_resource"),
        (
            frames({"choices": [{"delta": {}, "error": {"code": 429, "message": "slow"}}]}),
            RateLimited,
            "slow",
        ),
        (
            frames({"error": {"message": "busy", "type": "None", "code": "503"}}),
            Unavailable,
            "busy",
        ),
        (frames({"error": {"message": "no", "code": "invalid_api_key"}}), Rejected, "no"),
        (b'event: error\ndata: {"error": {"message": "gone"}}\n\n', Unavailable, "gone"),
        (b'error: {"code": 500, "message": "out of slots"}\n\n', Unavailable, "out of slots"),
        (b'{"error": {"message": "bare"}}\n\n', Unavailable, "bare"),
        (b'{"error": {"message": "bare"}}', Unavailable, "bare"),
        (b'{\n  "error": {\n    "message": "pretty"\n  }\n}\n', Unavailable, "pretty"),
        (b"upstream request timeout\n\n", CutOff, ""),
    ],
)
def test_a_failure_after_a_word(end: bytes, kind: type[ProviderError], detail: str) -> None:
    stream = frames(delta(content="a")) + end
    for reads in ([stream], [bytes([byte]) for byte in stream]):
        chunks = parser()
        assert [event for read in reads for event in chunks.feed(read)] == [said("a")]
        with pytest.raises(kind) as raised:
            chunks.finish()
        assert type(raised.value) is kind
        assert detail in raised.value.detail


def test_a_whole_answer_that_calls_itself_a_stream() -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning": "Hm"}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": COUNTED,
    }
    expected = [thought("Hm"), said("Hi"), usage(9, 4), stopped()]
    assert expected == parse(msgspec.json.encode(body))
    assert expected == parse(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")


def test_an_error_instead_of_a_whole_answer() -> None:
    chunks = parser()
    assert chunks.whole(b'{"error": {"message": "no", "code": "rate_limit_exceeded"}}') == []
    with pytest.raises(RateLimited):
        chunks.finish()


@pytest.mark.parametrize("depth", [100_000, 400])
def test_what_nests_too_deeply_is_one_of_our_errors(depth: int) -> None:
    chunks = parser()
    chunks.feed(frames(b'{"error":' + b"[" * depth + b"]" * depth + b"}"))
    with pytest.raises(Unavailable):
        chunks.finish()


def test_deep_arguments_are_given_as_they_are() -> None:
    deep = "[" * 100_000
    first, second = fragment(0, deep, "f", "c"), fragment(1, "{}", "g", "d")
    expected = [called("c", "f", deep), called("d", "g", "{}"), stopped("tool_calls")]
    assert expected == parse(frames(first, second, delta("tool_calls")))


def test_frames_that_are_json_only_together_are_none() -> None:
    chunks = parser()
    halves = b'{"choices":[{"delta":{"content":"a"}}', b'{"delta":{"content":"b"}}]}'
    assert chunks.feed(frames(*halves)) == []
    with pytest.raises(Unavailable):
        chunks.finish()
