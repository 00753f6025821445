"""Answers of ConverseStream, framed as AWS frames them, as events."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models.complaints import OutOfQuota
from aura.errors import (
    ContextOverflow,
    CutOff,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from aura.events import AnyEvent, FinishReason
from tests.adapters.models.bedrock_frames import (
    BEGIN,
    arguments,
    call,
    close,
    delta,
    event,
    frame,
    merged,
    metadata,
    parse,
    parser,
    reasoning,
    redacted,
    signed,
    stop,
    text,
    trouble,
)
from tests.adapters.models.chunks import called, said, stopped, thought, usage

SECRET = base64.b64encode(b"\x00sealed\xff").decode()

STREAMS: dict[str, tuple[bytes, list[AnyEvent]]] = {
    "text": (
        BEGIN
        + text("Grüße aus Köln 👋, ")
        + text('"quoted" and \\ backslash.\n日本語')
        + close()
        + stop()
        + metadata(
            inputTokens=10,
            outputTokens=5,
            totalTokens=115,
            cacheReadInputTokens=80,
            cacheWriteInputTokens=20,
        ),
        [
            said('Grüße aus Köln 👋, "quoted" and \\ backslash.\n日本語'),
            usage(110, 5, 80),
            stopped(),
        ],
    ),
    "reasoning and parallel calls": (
        BEGIN
        + reasoning(text="The user wants ")
        + reasoning(text="two things.")
        + reasoning(signature="c2ln")
        + close()
        + reasoning(1, redactedContent=SECRET)
        + close(1)
        + text("One moment.", 2)
        + close(2)
        + call(3, "tooluse_a", "add")
        + arguments(3, '{"a": 1')
        + arguments(3, ', "b": 2}')
        + close(3)
        + call(4, "tooluse_b", "list_files")
        + arguments(4, '{"path":')
        + arguments(4, '"/tmp/ä"}')
        + close(4)
        + call(5, "", "now")
        + close(5)
        + stop("tool_use")
        + metadata(),
        [
            thought("The user wants two things."),
            signed("The user wants two things.", "c2ln"),
            redacted(b"\x00sealed\xff"),
            said("One moment."),
            called("tooluse_a", "add", '{"a": 1, "b": 2}'),
            delta("list_files", 1, '{"path":"/tmp/ä"}'),
            called("tooluse_b", "list_files", '{"path":"/tmp/ä"}'),
            called("call_1", "now", "{}"),
            usage(10, 5),
            stopped("tool_calls"),
        ],
    ),
    "calls by turns": (
        BEGIN
        + call(1, "b", "second")
        + call(0, "a", "first")
        + arguments(1, '{"n":')
        + arguments(0, '{"n":1}')
        + arguments(1, "2}")
        + stop("tool_use")
        + metadata(),
        [
            called("a", "first", '{"n":1}'),
            called("b", "second", '{"n":2}'),
            usage(10, 5),
            stopped("tool_calls"),
        ],
    ),
    "a tool that AWS runs": (
        BEGIN
        + call(0, "g", "nova_grounding", type="server_tool_use")
        + arguments(0, '{"query":"x"}')
        + close(0)
        + event("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolResult": {}}})
        + close(1)
        + event("somethingNew", {"a": [1]})
        + text("Found.", 2)
        + close(2)
        + stop()
        + metadata(),
        [said("Found."), usage(10, 5), stopped()],
    ),
    "reasoning that nobody signed": (
        BEGIN + reasoning(text="Hm.") + close() + text("Yes.", 1) + close(1) + stop() + metadata(),
        [thought("Hm."), said("Yes."), usage(10, 5), stopped()],
    ),
    "cut by the limit": (
        BEGIN + text("One, two") + close() + stop("max_tokens") + metadata(),
        [said("One, two"), usage(10, 5), stopped("length")],
    ),
}

LIVE = ("list_files", "nova_grounding")
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
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "stop"),
        ("something_new", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ],
)
def test_why_an_answer_without_calls_ended(reason: str, ours: FinishReason) -> None:
    assert parse(BEGIN + stop(reason) + metadata())[-1] == stopped(ours)


@pytest.mark.parametrize(
    ("reason", "ours"),
    [("end_turn", "tool_calls"), ("tool_use", "tool_calls"), ("max_tokens", "length")],
)
def test_why_an_answer_with_a_call_ended(reason: str, ours: FinishReason) -> None:
    events = parse(BEGIN + call(0, "a", "add") + arguments(0, '{"a') + stop(reason) + metadata())
    assert events == [called("a", "add", '{"a'), usage(10, 5), stopped(ours)]


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_that_is_of_no_use_is_a_failure(reason: str) -> None:
    events = parser()
    assert events.feed(BEGIN + text("Let me") + stop(reason) + metadata()) == [said("Let me")]
    with pytest.raises(Unavailable, match="could not read"):
        events.finish()


@pytest.mark.parametrize("counts", [{"inputTokens": -1, "outputTokens": -5}, {"totalTokens": 3}])
def test_no_count_is_below_zero(counts: dict[str, int]) -> None:
    assert parse(stop() + metadata(**counts)) == [usage(0, 0), stopped()]


def test_a_stream_without_its_usage_is_complete() -> None:
    events = parser()
    assert events.feed(BEGIN + text("Hi") + stop()) == [said("Hi")]
    assert (events.complete, events.ended) == (True, False)
    assert events.finish() == [stopped()]


def test_what_follows_the_end_is_not_read() -> None:
    events = parser()
    assert events.feed(BEGIN + stop() + metadata() + text("more")) == []
    assert events.ended
    assert events.feed(text("even more")) == []


@pytest.mark.parametrize("end", [b"", stop()[:-1], close(), event("metadata", {})])
def test_a_stream_without_its_end_is_cut_off(end: bytes) -> None:
    events = parser()
    assert events.feed(BEGIN + text("Hi") + end) == [said("Hi")]
    assert not events.complete
    with pytest.raises(CutOff, match="broke off"):
        events.finish()


@pytest.mark.parametrize(
    ("kind", "message", "error", "status"),
    [
        ("throttlingException", "Too many requests", RateLimited, 429),
        ("modelStreamErrorException", "failed", Unavailable, 424),
        ("internalServerException", "failed", Unavailable, 500),
        ("serviceUnavailableException", "failed", Unavailable, 503),
        ("modelTimeoutException", "slow", Unavailable, 408),
        ("validationException", "Malformed input request", Rejected, 400),
        ("somethingNewException", "failed", Unavailable, 500),
        ("serviceQuotaExceededException", "quota", OutOfQuota, 500),
        (
            "validationException",
            "The model returned the following errors: Input is too long for requested model.",
            ContextOverflow,
            400,
        ),
        (
            "validationException",
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
            ContextOverflow,
            400,
        ),
        (
            "validationException",
            "prompt is too long: 206456 tokens > 200000 maximum",
            ContextOverflow,
            400,
        ),
    ],
)
def test_an_exception_within_the_stream(
    kind: str, message: str, error: type[ProviderError], status: int
) -> None:
    events = parser()
    payload = {"message": f"{message} AKIASECRET"}
    assert events.feed(BEGIN + text("Hi") + trouble(kind, payload) + text("no")) == [said("Hi")]
    assert events.ended
    assert not events.complete
    with pytest.raises(ProviderError) as raised:
        events.finish()
    assert type(raised.value) is error
    assert raised.value.upstream_status == status
    assert raised.value.detail == f"{message} ***"


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (trouble("modelStreamErrorException", {"originalMessage": "overloaded"}), "overloaded"),
        (trouble("internalServerException", b"not JSON"), "not JSON"),
        (trouble("internalServerException", {}), "InternalServerException"),
        (
            frame(
                {
                    ":message-type": "error",
                    ":error-code": "InternalServerException",
                    ":error-message": "sorry",
                },
                {},
            ),
            "sorry",
        ),
    ],
)
def test_what_a_failure_says_of_itself(message: bytes, detail: str) -> None:
    with pytest.raises(Unavailable) as raised:
        parse(BEGIN, message)
    assert raised.value.detail == detail


@pytest.mark.parametrize(
    "noise",
    [
        b"<html><body>Not here</body></html>",
        text("Hi")[:-1] + b"\x00",
        event("contentBlockDelta", b"no JSON"),
        event("contentBlockDelta", {"delta": "no object"}),
    ],
)
def test_what_is_no_event_stream_is_named(noise: bytes) -> None:
    events = parser()
    assert events.feed(text("Hi") + noise + text("more")) == [said("Hi")]
    with pytest.raises(Unavailable, match="no event stream"):
        events.finish()


@pytest.mark.parametrize(
    ("body", "message", "detail"),
    [
        (b'{"Message":"denied AKIASECRET"}', "failed", "denied ***"),
        (b"<html>", "no event stream", "<html>"),
        (b"[]", "no event stream", "[]"),
    ],
)
def test_an_answer_that_is_not_streamed_is_a_failure(
    body: bytes, message: str, detail: str
) -> None:
    events = parser()
    assert events.whole(body) == []
    with pytest.raises(Unavailable, match=message) as raised:
        events.finish()
    assert raised.value.detail == detail
