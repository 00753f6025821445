"""Recorded and made-up answers of Anthropic's messages API, as events."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from aura.adapters.models import sse
from aura.adapters.models.joined import joined
from aura.errors import ContextOverflow, CutOff, ProviderError, RateLimited, Rejected, Unavailable
from aura.events import AnyEvent, FinishReason, ToolCallDelta
from tests.adapters.models.chunks import called, said, stopped, thought, usage
from tests.adapters.models.messages import (
    begun,
    block,
    call,
    ended,
    frame,
    kept,
    parse,
    parser,
    text,
    thinking,
)

STREAMS = sorted((Path(__file__).parent / "streams" / "anthropic").glob("*.sse"))

EXPECTED = {
    "text": [
        said('Grüße aus Köln 👋, "quoted" and \\ backslash.\nNext line: 日本語'),
        usage(421, 33, 300),
        stopped(),
    ],
    "tools": [
        said("Let me look — both."),
        called("toolu_a", "list_files", '{"path": "/tmp/ä"}'),
        called("toolu_b", "now", "{}"),
        usage(472, 89),
        stopped("tool_calls"),
    ],
    "thinking": [
        thought("Three pears + drei Äpfel = sechs 🍐"),
        kept(
            {
                "type": "thinking",
                "thinking": "Three pears + drei Äpfel = sechs 🍐",
                "signature": "c2lnbmVkIGhlcmU=",
            }
        ),
        kept({"type": "redacted_thinking", "data": "aGlkZGVuIGhlcmU="}),
        said("Six."),
        usage(30, 61, 0, 50),
        stopped(),
    ],
    "server_tool": [said("It rains, 9 °C."), usage(10682, 510), stopped()],
}


def delta(index: int, arguments: str) -> ToolCallDelta:
    return ToolCallDelta(agent_id="main", tool_name="f", index=index, arguments=arguments)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_recorded_stream_in_one_read(path: Path) -> None:
    assert EXPECTED[path.stem] == parse(path.read_bytes())


@given(st.data(), st.sampled_from(STREAMS))
def test_any_cutting_of_a_recorded_stream_gives_the_same(data: st.DataObject, path: Path) -> None:
    stream = path.read_bytes()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=30)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert EXPECTED[path.stem] == joined(parse(*reads))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_recorded_stream_byte_by_byte(path: Path) -> None:
    stream = path.read_bytes()
    assert EXPECTED[path.stem] == joined(parse(*(bytes([byte]) for byte in stream)))


def test_an_answer_with_everything(events: SnapshotAssertion) -> None:
    stream = thinking(0, "s", "Hm") + text(1, "Hi") + call(2, "c", "f", '{"a": ', "1}")
    assert parse(begun(input_tokens=3) + stream + ended("tool_use"), live={"f"}) == events


def test_deltas_of_a_kind_within_a_read_are_one_event() -> None:
    messages = parser()
    read = thinking(0, "s", "a", "b") + text(1, "c", "d")
    given = {"type": "thinking", "thinking": "ab", "signature": "s"}
    assert [thought("ab"), kept(given), said("cd")] == messages.feed(read)
    assert [said("e")] == messages.feed(text(2, "e"))


def test_pieces_of_a_call_are_given_of_tools_that_are_live() -> None:
    messages = parser(live={"f"})
    first, second = call(0, "a", "f", '{"x"', ": ", "1}"), call(1, "b", "f", "{", "}")
    expected = [delta(0, '{"x": 1}'), called("a", "f", '{"x": 1}')]
    assert expected == messages.feed(first)
    assert [delta(1, "{}"), called("b", "f", "{}")] == messages.feed(second)
    assert [called("c", "g", "{}")] == messages.feed(call(2, "c", "g", "{}"))


def test_pieces_of_different_calls_stay_apart() -> None:
    pieces: list[AnyEvent] = [delta(0, "a"), delta(0, "b"), delta(1, "c"), delta(1, "d")]
    assert [delta(0, "ab"), delta(1, "cd")] == joined(pieces)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "stop"),
        ("of_tomorrow", "stop"),
    ],
)
def test_why_it_ended(reason: str, expected: FinishReason) -> None:
    assert [said("x"), stopped(expected)] == parse(text(0, "x") + ended(reason))[::2]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("tool_use", "tool_calls"), ("end_turn", "tool_calls"), ("max_tokens", "length")],
)
def test_why_it_ended_with_calls(reason: str, expected: FinishReason) -> None:
    events = parse(call(0, "c", "f", '{"a') + ended(reason))
    assert [called("c", "f", '{"a'), stopped(expected)] == [events[0], events[-1]]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (text(0, "x") + frame("message_stop"), [said("x"), stopped()]),
        (
            block(0, {"type": "tool_use", "name": "f"}) + frame("message_stop"),
            [called("call_1", "f", "{}"), stopped("tool_calls")],
        ),
        (
            block(0, {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}})
            + frame("message_stop"),
            [called("c", "f", '{"a":1}'), stopped("tool_calls")],
        ),
        (
            frame("content_block_delta", index=0, delta={"type": "text_delta", "text": "x"})
            + frame("message_stop"),
            [said("x"), stopped()],
        ),
        (
            frame("content_block_start", index=0, content_block={"type": "text", "text": "x"})
            + frame(
                "content_block_start",
                index=0,
                content_block={"type": "tool_use", "id": "c", "name": "f", "input": {}},
            )
            + frame("message_stop"),
            [said("x"), called("c", "f", "{}"), stopped("tool_calls")],
        ),
        (
            block(0, {"type": "thinking", "thinking": "unsigned"}) + frame("message_stop"),
            [thought("unsigned"), stopped()],
        ),
        (
            begun(input_tokens=0, output_tokens=1) + ended(input_tokens=9, output_tokens=-4),
            [usage(9, 1), stopped()],
        ),
        (
            begun(input_tokens=-7) + ended(output_tokens=3, output_tokens_details=None),
            [usage(0, 3), stopped()],
        ),
        (
            ended(output_tokens=3, output_tokens_details={"thinking_tokens": 4}),
            [usage(0, 3, 0, 3), stopped()],
        ),
        (text(0, "x") + frame("message_stop") + b"data: [DONE]\n\n", [said("x"), stopped()]),
        (b"data: \n\n" + text(0, "x") + frame("message_stop"), [said("x"), stopped()]),
    ],
)
def test_what_servers_do(stream: bytes, expected: list[AnyEvent]) -> None:
    assert expected == parse(stream)
    assert expected == joined(parse(*(bytes([byte]) for byte in stream)))


def test_an_answer_that_is_not_streamed() -> None:
    messages = parser()
    content = [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
    ]
    body = {"type": "message", "content": content, "stop_reason": "tool_use"}
    events = messages.whole(msgspec.json.encode({**body, "usage": {"input_tokens": 1}}))
    assert [thought("Hm"), kept(content[0]), said("Hi"), called("c", "f", '{"a":1}')] == events
    assert [usage(1, 0), stopped("tool_calls")] == messages.finish()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', Unavailable),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}', RateLimited),
        (b'{"choices":[]}', Unavailable),
        (b'{"content":[7]}', Unavailable),
        (b"<html>", Unavailable),
    ],
)
def test_a_whole_answer_that_is_none(body: bytes, kind: type[ProviderError]) -> None:
    messages = parser()
    assert messages.whole(body) == []
    with pytest.raises(kind, match="anthropic/claude"):
        messages.finish()


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ("overloaded_error", Unavailable, True),
        ("api_error", Unavailable, True),
        ("timeout_error", Unavailable, True),
        ("rate_limit_error", RateLimited, True),
        ("invalid_request_error", Rejected, False),
        ("authentication_error", Rejected, False),
        ("permission_error", Rejected, False),
        ("not_found_error", Rejected, False),
        ("billing_error", Rejected, False),
        ("request_too_large", Rejected, False),
    ],
)
def test_a_failure_within_the_stream_loses_nothing(
    error: str, kind: type[ProviderError], retryable: bool
) -> None:
    messages = parser()
    failure = frame("error", error={"type": error, "message": "no, sk-secret"}, request_id="req_1")
    assert [said("before")] == messages.feed(text(0, "before") + failure + text(1, "after"))
    assert messages.ended
    assert not messages.complete
    assert messages.feed(text(2, "later")) == []
    with pytest.raises(kind, match="anthropic/claude") as raised:
        messages.finish()
    assert (raised.value.retryable, raised.value.detail) == (retryable, "no, ***")


def test_a_conversation_that_is_too_long_within_the_stream() -> None:
    words = "prompt is too long: 210000 tokens > 200000 maximum"
    with pytest.raises(ContextOverflow):
        parse(frame("error", error={"type": "invalid_request_error", "message": words}))


@pytest.mark.parametrize(
    "payload",
    [
        b"{nonsense",
        b'{"type":7}',
        b'{"type":"content_block_start","content_block":7}',
        b'{"type":"content_block_delta","delta":{"text":"\xff"}}',
    ],
)
def test_a_frame_that_cannot_be_read(payload: bytes) -> None:
    messages = parser()
    assert [said("x")] == messages.feed(text(0, "x") + b"data: %b\n\n" % payload)
    with pytest.raises(Unavailable, match="`base_url`"):
        messages.finish()


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        begun(input_tokens=1),
        text(0, "a"),
        call(0, "c", "f", "{}"),
        frame("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 1}),
        ended("end_turn")[:40],
    ],
)
def test_a_stream_without_an_end_is_cut_off(stream: bytes) -> None:
    with pytest.raises(CutOff, match="broke off"):
        parse(stream)


def test_a_call_that_is_not_whole_is_none_when_the_stream_is_cut_off() -> None:
    messages = parser()
    stop = frame("content_block_stop", index=0)
    assert messages.feed(call(0, "c", "f", '{"a').removesuffix(stop)) == []
    with pytest.raises(CutOff):
        messages.finish()


def test_the_last_frame_needs_no_empty_line() -> None:
    stream = text(0, "a") + ended()
    assert [said("a"), usage(0, 0), stopped()] == parse(stream[:-2])


def test_a_frame_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    messages = parser()
    assert [said("a")] == messages.feed(text(0, "a"))
    assert messages.feed(b"data: " + b"x" * 100) == []
    with pytest.raises(Unavailable):
        messages.finish()


def test_complete_once_the_reason_is_known() -> None:
    messages = parser()
    end = frame("message_stop")
    messages.feed(text(0, "a"))
    assert not messages.complete
    messages.feed(ended().removesuffix(end))
    assert messages.complete
    assert not messages.ended
    messages.feed(end)
    assert messages.ended


SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
QUERY = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
CITATION = {"type": "char_location", "cited_text": "Hm"}


def test_a_thought_knows_what_came_before_it() -> None:
    stream = thinking(0, "s", "a") + text(1, "Grüße", " 👋") + call(2, "c", "f") + thinking(3, "t")
    first = {"type": "thinking", "thinking": "a", "signature": "s"}
    second = {"type": "thinking", "thinking": "", "signature": "t"}
    assert parse(stream + ended("tool_use"))[1:5] == [
        kept(first),
        said("Grüße 👋"),
        called("c", "f", "{}"),
        kept({**second, "place": {"text": 7, "calls": 1}}),
    ]


def test_a_pause_is_no_end() -> None:
    messages = parser()
    read = (
        begun(input_tokens=10, output_tokens=1)
        + thinking(0, "s", "Hm")
        + text(1, "\n")
        + block(
            2,
            {"type": "text", "text": "", "citations": []},
            {"type": "text_delta", "text": "Hm"},
            {"type": "citations_delta", "citation": CITATION},
        )
        + block(3, SEARCH, QUERY)
        + frame(
            "message_delta",
            delta={"stop_reason": "pause_turn", "container": {"id": "container_1"}},
            usage={"output_tokens": 5},
        )
        + frame("message_stop")
    )
    assert messages.feed(read)[-1] == said("\nHm")
    assert messages.finish() == []
    assert messages.paused
    assert messages.said.container == "container_1"
    assert [msgspec.json.decode(raw) for raw in messages.said.blocks] == [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "text", "text": "Hm", "citations": [CITATION]},
        {**SEARCH, "input": {"query": "x"}},
    ]
    messages.resume()
    assert not messages.paused
    assert [said("Done.")] == messages.feed(
        begun(input_tokens=20, cache_read_input_tokens=4) + text(0, "Done.")
    )
    messages.feed(ended(output_tokens=7))
    assert [usage(34, 12, 4), stopped()] == messages.finish()
    assert len(messages.said.blocks) == 4


def test_the_last_pause_is_an_end() -> None:
    messages = parser(pauses=1)
    paused = frame("message_delta", delta={"stop_reason": "pause_turn"}) + frame("message_stop")
    messages.feed(text(0, "a") + paused)
    assert messages.finish() == []
    messages.resume()
    messages.feed(text(0, "b") + paused)
    assert [stopped("length")] == messages.finish()
    assert not messages.paused


def test_a_pause_with_calls_for_us_is_an_end() -> None:
    paused = frame("message_delta", delta={"stop_reason": "pause_turn"}) + frame("message_stop")
    events = parse(call(0, "c", "f") + paused)
    assert [called("c", "f", "{}"), stopped("tool_calls")] == events


def test_arguments_of_the_providers_own_tools_that_are_broken_are_not_sent_back() -> None:
    messages = parser()
    messages.feed(block(0, SEARCH, {"type": "input_json_delta", "partial_json": '{"que'}))
    assert [msgspec.json.decode(raw) for raw in messages.said.blocks] == [SEARCH]
