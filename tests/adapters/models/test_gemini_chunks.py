"""Gemini's streams, as its documentation shows them, as events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models._gemini_chunks import ChunkParser
from aura.errors import (
    ContextOverflow,
    CutOff,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from aura.events import AnyEvent, FinishReason, Thought, ToolCallDelta
from aura.masking import Mask
from tests.adapters.models.chunks import (
    called,
    counted,
    frames,
    merged,
    said,
    stopped,
    thought,
    usage,
)

COUNTS = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}


def chunk(*parts: object, reason: str | None = None, **more: object) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": COUNTS, "modelVersion": "g", **more}


def text(words: str, **more: object) -> dict[str, object]:
    return {"text": words, **more}


def call(name: str, args: object = None, call_id: str = "", **more: object) -> dict[str, object]:
    function = {"name": name, "args": args, **({"id": call_id} if call_id else {})}
    return {"functionCall": function, **more}


def parser(*live: str) -> ChunkParser:
    return ChunkParser(
        "main", model="gemini/g", ids=counted(), mask=Mask(["AIzaSecret"]), live=live
    )


def parse(*reads: bytes, live: tuple[str, ...] = ()) -> list[AnyEvent]:
    chunks = parser(*live)
    found = [event for read in reads for event in chunks.feed(read)]
    return found + chunks.finish()


def kept(**block: object) -> Thought:
    return Thought(agent_id="main", provider="gemini", block=msgspec.json.encode(block).decode())


def signed(tool_id: str, name: str, arguments: str, signature: str) -> AnyEvent:
    return msgspec.structs.replace(called(tool_id, name, arguments), signature=signature)


STREAMS: dict[str, tuple[bytes, list[AnyEvent]]] = {
    "text": (
        frames(
            chunk(text("Grüße aus Köln 👋, ")),
            chunk(text('"quoted" and \\ backslash.\n'), text("日本語")),
            chunk(
                text(""),
                reason="STOP",
                usageMetadata={
                    "promptTokenCount": 100,
                    "cachedContentTokenCount": 80,
                    "candidatesTokenCount": 5,
                    "thoughtsTokenCount": 7,
                    "toolUsePromptTokenCount": 3,
                    "totalTokenCount": 115,
                },
            ),
        ),
        [
            said('Grüße aus Köln 👋, "quoted" and \\ backslash.\n日本語'),
            usage(103, 12, 80, 7),
            stopped(),
        ],
    ),
    "thoughts and parallel calls": (
        frames(
            chunk(text("**Two things**", thought=True)),
            chunk(text(" to look at.", thought=True, thoughtSignature="dGhpbms=")),
            chunk(text("One moment.")),
            chunk(text("", thoughtSignature="c2lnbmVk")),
            chunk(
                call("look", {"path": "/tmp/ä"}, "theirs", thoughtSignature="c2ln"),
                call("look", {}),
                call("now"),
                reason="STOP",
            ),
        ),
        [
            thought("**Two things** to look at."),
            kept(text=" to look at.", thought=True, thoughtSignature="dGhpbms="),
            said("One moment."),
            kept(text="", thoughtSignature="c2lnbmVk"),
            signed("theirs", "look", '{"path":"/tmp/ä"}', "c2ln"),
            called("call_1", "look", "{}"),
            ToolCallDelta(agent_id="main", tool_name="now", index=2, arguments="{}"),
            called("call_2", "now", "{}"),
            usage(10, 5),
            stopped("tool_calls"),
        ],
    ),
    "other candidates": (
        frames(
            {"candidates": [{"content": {"parts": [text("no")]}, "index": 1}]},
            {"candidates": [{"content": {"parts": [text("yes")]}}]},
            {"candidates": [{"content": {}, "finishReason": "MAX_TOKENS"}]},
            {"usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 9}},
        ),
        [said("yes"), usage(4, 5), stopped("length")],
    ),
    "blocked prompt": (
        frames({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": COUNTS}),
        [usage(10, 5), stopped("content_filter")],
    ),
}
LIVE = ("now",)
each_stream = pytest.mark.parametrize("name", STREAMS)


@each_stream
def test_a_stream_in_one_read(name: str) -> None:
    stream, expected = STREAMS[name]
    assert expected == parse(stream, live=LIVE)


@given(st.data(), st.sampled_from(sorted(STREAMS)))
def test_any_cutting_of_a_stream_gives_the_same(data: st.DataObject, name: str) -> None:
    stream, expected = STREAMS[name]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=30)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert expected == merged(parse(*reads, live=LIVE))


@each_stream
def test_a_stream_byte_by_byte(name: str) -> None:
    stream, expected = STREAMS[name]
    assert expected == merged(parse(*(bytes([byte]) for byte in stream), live=LIVE))


@given(st.binary(max_size=200))
def test_noise_is_a_provider_error(noise: bytes) -> None:
    with pytest.raises(ProviderError):
        parse(noise)


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("STOP", "stop"),
        ("OTHER", "content_filter"),
        ("SOMETHING_NEW", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
    ],
)
def test_why_an_answer_ended(reason: str, ours: FinishReason) -> None:
    assert parse(frames(chunk(text("Hi"), reason=reason)))[-1] == stopped(ours)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_an_answer_that_is_of_no_use_is_a_failure(reason: str) -> None:
    end = {"candidates": [{"finishReason": reason, "finishMessage": "print(AIzaSecret)"}]}
    chunks = parser()
    assert chunks.feed(frames(chunk(text("Let me")), end)) == [said("Let me")]
    assert chunks.ended
    with pytest.raises(Unavailable, match="could not read") as raised:
        chunks.finish()
    assert raised.value.detail == f"{reason}: print(***)"
    assert raised.value.retryable


def test_a_stream_whose_end_had_no_empty_line() -> None:
    assert parse(frames(chunk(text("Hi"), reason="STOP"))[:-2]) == [
        said("Hi"),
        usage(10, 5),
        stopped(),
    ]


@pytest.mark.parametrize("counts", [{"promptTokenCount": -1, "candidatesTokenCount": -5}, {}])
def test_no_count_is_below_zero(counts: dict[str, int]) -> None:
    end = chunk(text("Hi"), reason="STOP", usageMetadata=counts)
    assert parse(frames(end)) == [said("Hi"), usage(0, 0), stopped()]


def test_the_end_is_that_of_the_stream() -> None:
    """Some models give a reason with every chunk."""
    chunks = parser()
    first = chunk(text("One, "), reason="STOP")
    assert chunks.feed(frames(first)) == [said("One, ")]
    assert (chunks.complete, chunks.ended) == (True, False)
    assert chunks.feed(frames(chunk(text("two."), reason="STOP"))) == [said("two.")]
    assert chunks.finish() == [usage(10, 5), stopped()]


@pytest.mark.parametrize("rest", [b"", frames(chunk(text("x"), reason="STOP"))[:-9]])
def test_a_stream_without_its_end_is_cut_off(rest: bytes) -> None:
    chunks = parser()
    assert chunks.feed(frames(chunk(text("Hi"))) + rest) == [said("Hi")]
    with pytest.raises(CutOff, match="broke off"):
        chunks.finish()


OVERFLOW = "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.mark.parametrize(
    ("error", "kind", "words", "wait"),
    [
        ({"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [RETRY]}, RateLimited, "", 34.5),
        ({"code": 503, "status": "UNAVAILABLE"}, Unavailable, "failed", None),
        ({"code": 500, "status": "INTERNAL", "details": "?"}, Unavailable, "failed", None),
        ({"code": 400, "details": [KEY]}, Rejected, "refused the API key", None),
        ({"code": 403, "status": "PERMISSION_DENIED"}, Rejected, "denied access", None),
        ({"code": 404, "status": "NOT_FOUND"}, Rejected, "does not know", None),
        ({"code": 400, "message": OVERFLOW}, ContextOverflow, "context window", None),
    ],
)
def test_an_error_within_the_stream(
    error: dict[str, Any], kind: type[ProviderError], words: str, wait: float | None
) -> None:
    chunks = parser()
    told = {"message": "AIzaSecret is not right", **error}
    assert chunks.feed(frames(chunk(text("Hi")), {"error": told})) == [said("Hi")]
    with pytest.raises(ProviderError) as raised:
        chunks.finish()
    assert type(raised.value) is kind
    assert words in str(raised.value)
    assert raised.value.retry_after == wait
    assert "AIzaSecret" not in raised.value.detail


def test_what_is_no_answer_of_gemini_is_named() -> None:
    chunks = parser()
    assert chunks.feed(frames(chunk(text("Hi")), b"<html>", chunk(text("no")))) == [said("Hi")]
    with pytest.raises(Unavailable, match="no answer of Gemini"):
        chunks.finish()


@pytest.mark.parametrize("many", [True, False])
def test_an_answer_that_was_not_streamed(many: bool) -> None:
    one, last = chunk(text("Hi"), text(" there")), chunk(text("."), reason="STOP")
    chunks = parser()
    events = chunks.whole(msgspec.json.encode([one, last] if many else last))
    assert events + chunks.finish() == [
        said("Hi there." if many else "."),
        usage(10, 5),
        stopped(),
    ]


def test_a_page_is_no_answer() -> None:
    chunks = parser()
    assert chunks.whole(b"<html>") == []
    with pytest.raises(Unavailable, match="`base_url`"):
        chunks.finish()
