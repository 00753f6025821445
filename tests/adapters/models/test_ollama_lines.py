"""Ollama's lines of JSON as events."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.models import _ollama_lines
from aura.adapters.models._ollama_lines import LineParser
from aura.errors import CutOff, ProviderError, Unavailable
from aura.events import AnyEvent, ToolCallDelta
from aura.masking import Mask
from tests.adapters.models.chunks import called, counted, merged, said, stopped, thought, usage


def line(*, done: bool = False, **fields: object) -> bytes:
    message = {"role": "assistant", "content": "", **fields.pop("message", {})}  # type: ignore[dict-item]
    head = {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z", "message": message}
    return msgspec.json.encode({**head, "done": done, **fields}) + b"\n"


def text(words: str) -> bytes:
    return line(message={"content": words})


def thinking(words: str) -> bytes:
    return line(message={"thinking": words})


def calls(*functions: dict[str, object], ids: str = "") -> bytes:
    each = [{"function": function, **({"id": ids} if ids else {})} for function in functions]
    return line(message={"tool_calls": each})


def end(reason: str | None = "stop", **counts: object) -> bytes:
    counts = counts or {"prompt_eval_count": 10, "eval_count": 5}
    return line(done=True, done_reason=reason, total_duration=1, **counts)


def parser(*live: str) -> LineParser:
    return LineParser("main", model="ollama/q", ids=counted(), mask=Mask(["secret"]), live=live)


def parse(*reads: bytes, live: tuple[str, ...] = ()) -> list[AnyEvent]:
    lines = parser(*live)
    found = [event for read in reads for event in lines.feed(read)]
    return found + lines.finish()


STREAMS: dict[str, tuple[bytes, list[AnyEvent]]] = {
    "text": (
        text("Grüße aus Köln 👋, ") + b"\n" + text('"quoted" and \\ backslash.\n日本語') + end(),
        [said('Grüße aus Köln 👋, "quoted" and \\ backslash.\n日本語'), usage(10, 5), stopped()],
    ),
    "thinking and parallel calls": (
        thinking("The user wants ")
        + thinking("two things.")
        + text("One moment.")
        + calls({"name": "add", "arguments": {"a": 1, "b": "ä"}}, {"name": "now"})
        + calls({"index": 0, "name": "add", "arguments": '{"a": 2}'}, ids="theirs")
        + calls({"name": "look", "arguments": None})
        + end(),
        [
            thought("The user wants two things."),
            said("One moment."),
            called("call_1", "add", '{"a":1,"b":"ä"}'),
            ToolCallDelta(agent_id="main", tool_name="now", index=1, arguments="{}"),
            called("call_2", "now", "{}"),
            called("theirs", "add", '{"a": 2}'),
            called("call_3", "look", "{}"),
            usage(10, 5),
            stopped("tool_calls"),
        ],
    ),
    "all in the last line": (
        line(done=True, message={"thinking": "Hm.", "content": "Yes."}, done_reason="stop"),
        [thought("Hm."), said("Yes."), usage(0, 0), stopped()],
    ),
    "cut by the limit": (
        text("One, two") + end("length", eval_count=5),
        [said("One, two"), usage(0, 5), stopped("length")],
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


@pytest.mark.parametrize("reason", ["stop", "load", "unload", None])
def test_any_other_reason_is_an_ordinary_end(reason: str | None) -> None:
    assert parse(text("Hi") + end(reason))[-1] == stopped()


def test_a_last_line_without_its_end_counts() -> None:
    assert parse(text("Hi") + end()[:-1]) == [said("Hi"), usage(10, 5), stopped()]


def test_nothing_is_read_behind_the_end() -> None:
    lines = parser()
    assert lines.feed(text("Hi") + end() + text("more")) == [said("Hi")]
    assert (lines.ended, lines.complete) == (True, True)
    assert lines.feed(text("more")) == []


@pytest.mark.parametrize("rest", [b"", end()[:-9]])
def test_a_stream_without_its_end_is_cut_off(rest: bytes) -> None:
    lines = parser()
    assert lines.feed(text("Hi") + rest) == [said("Hi")]
    assert not lines.complete
    with pytest.raises(CutOff, match="broke off"):
        lines.finish()


def test_an_error_within_the_stream() -> None:
    lines = parser()
    error = b'{"error":"an error was encountered while running the model: secret"}\n'
    assert lines.feed(text("Hi") + error + text("no")) == [said("Hi")]
    with pytest.raises(Unavailable) as raised:
        lines.finish()
    assert raised.value.detail == "an error was encountered while running the model: ***"


@pytest.mark.parametrize("noise", [b"data: {}\n", b"<html>\n", b"[]\n"])
def test_what_is_no_answer_of_ollama_is_named(noise: bytes) -> None:
    lines = parser()
    assert lines.feed(text("Hi") + noise + text("no")) == [said("Hi")]
    with pytest.raises(Unavailable, match="no answer of Ollama"):
        lines.finish()


def test_a_line_without_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ollama_lines, "MAX_LINE", 100)
    lines = parser()
    assert lines.feed(b"x" * 60) == lines.feed(b"x" * 60) == []
    assert lines.ended
    with pytest.raises(Unavailable, match="no answer of Ollama"):
        lines.finish()


def test_an_answer_that_was_not_streamed() -> None:
    lines = parser()
    body = line(done=True, message={"content": "Hi"}, done_reason="stop", eval_count=1)
    assert lines.whole(body) + lines.finish() == [said("Hi"), usage(0, 1), stopped()]


def test_a_page_is_no_answer() -> None:
    lines = parser()
    assert lines.whole(b"<html>") == []
    with pytest.raises(Unavailable, match="`base_url`"):
        lines.finish()
