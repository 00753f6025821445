"""The pure parts of the server: requests, modes, the folded answer, the moments of a response."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.catalog import Catalog, Served
from aura.errors import RequestError
from aura.events import AnyEvent, RunCompleted, TextDelta, ToolCompleted
from aura.pipeline.ports import Assistant, User
from aura.runs.entry import Entry, Numbering
from aura.runs.log import Head
from aura.server.admission import Admission
from aura.server.asked import (
    ChatMessage,
    Part,
    ignored_fields,
    options,
    parsed_request,
)
from aura.server.conversation import conversation, dropped_roles
from aura.server.frames import Frames
from aura.server.modes import Mode, mode
from aura.server.settings import Settings
from aura.server.timing import HOLD, KEEPALIVE_EVERY, SHORTEST_WAIT, Timing
from tests.support.agents import agent
from tests.support.wire import frames, text

ALL = frozenset({"max_tokens", "temperature", "stop", "response_format", "seed", "top_p"})


TIMING = {"begun": 0.0, "streaming": True, "longest_write": 60.0}
HEAD = Head(
    run_id="run_1",
    request_id="req_1",
    completion_id="chatcmpl-1",
    session_id="cs_1",
    agent="one",
    model='m"\n',
    created=0,
    owner="owner",
    stream=True,
    view=msgspec.Raw(b"{}"),
)


def asked(**fields: object) -> bytes:
    return msgspec.json.encode({"messages": [{"role": "user", "content": "x"}], **fields})


def user(content: object) -> ChatMessage:
    return msgspec.convert({"role": "user", "content": content}, ChatMessage)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not valid JSON"),
        (b"{", 400, "not valid JSON"),
        (b'{"messages": [{"role": "\xff"}]}', 400, "not valid JSON"),
        (b'{"messages": [], "x": ' + b"[" * 100_000, 400, "not valid JSON"),
        (b"{}", 422, "missing required field `messages`"),
        (b'{"messages": 1}', 422, "$.messages"),
        (b'{"messages": [], "stream": "true"}', 422, "$.stream"),
        (b'{"messages": [], "metadata": {"a": 1}}', 422, "$.metadata"),
        (b'{"messages": [], "max_tokens": 0}', 422, "$.max_tokens"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes, status: int, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        parsed_request(body)
    assert status == caught.value.status
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([ChatMessage("assistant", "a")], "must be from the user, but its role is 'assistant'"),
        ([user([Part("input_audio")])], "messages[0].content[0]: a part of type 'input_audio'"),
        ([user([Part("text")])], "a part of type 'text'"),
    ],
)
def test_a_conversation_that_cannot_be_continued_is_refused(
    messages: list[ChatMessage], words: str
) -> None:
    with pytest.raises(RequestError) as caught:
        conversation(messages, tools=False)
    assert words in str(caught.value)


def test_a_conversation_keeps_what_the_agent_may_see() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://h/i.png"}}
    messages = [
        ChatMessage("system", "Be rude."),
        ChatMessage("user", "  "),
        ChatMessage("assistant", None),
        ChatMessage("assistant", "Yes?"),
        ChatMessage("tool", "a.txt", tool_call_id="c"),
        user([{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"}, image]),
    ]
    expected = (Assistant("Yes?"), User("What is this?", ("https://h/i.png",)))
    assert expected == conversation(messages, tools=False)
    assert dropped_roles(messages, tools=False) == ("system", "tool")


def test_an_empty_question_is_still_a_question() -> None:
    assert (User(""),) == conversation([user("")], tools=False)


def test_fields_without_effect_are_named_in_their_order() -> None:
    body = asked(temperature=1, n=2, max_tokens=5, model="m", seed=None, tool_choice="none")
    assert ignored_fields(body, frozenset({"max_tokens"}), tools=False) == (
        "temperature",
        "n",
        "tool_choice",
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"stop": "x"}, {"stop": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop": ["x", "y"]}),
        ({"temperature": 0}, {"temperature": 0.0}),
        (
            {"response_format": {"type": "json_object"}},
            {"response_format": {"type": "json_object"}},
        ),
        ({}, {}),
    ],
)
def test_allowed_overrides_reach_the_model(
    fields: dict[str, object], expected: dict[str, object]
) -> None:
    found = options(parsed_request(asked(**fields)), ALL)
    assert expected == msgspec.json.decode(msgspec.json.encode(found))


def test_what_is_not_allowed_does_not() -> None:
    found = options(parsed_request(asked(temperature=1, max_tokens=5)), frozenset())
    assert msgspec.json.encode(found) == b"{}"


@pytest.mark.parametrize(
    ("settings", "headers", "expected"),
    [
        ({}, {}, (False, False, False)),
        ({"aura_custom_events": True}, {}, (True, False, False)),
        ({"aura_emit_reasoning": True}, {}, (False, False, False)),
        ({"aura_custom_events": True, "aura_emit_reasoning": True}, {}, (True, True, False)),
        ({"aura_custom_events": True}, {"x-aura-events": "none"}, (False, False, False)),
        ({}, {"x-aura-events": "All"}, (True, True, False)),
        ({}, {"x-aura-events": "reasoning"}, (False, True, False)),
        ({}, {"x-aura-event-frames": "bare"}, (False, False, True)),
        ({"aura_event_frames": "bare"}, {"x-aura-event-frames": "merged"}, (False, False, False)),
    ],
)
def test_headers_win_over_settings(
    settings: dict[str, object], headers: dict[str, str], expected: tuple[bool, bool, bool]
) -> None:
    found = mode(msgspec.structs.replace(Settings(), **settings), headers)
    assert expected == (found.events, found.reasoning, found.bare)


def test_a_header_with_an_unknown_word_is_refused() -> None:
    with pytest.raises(RequestError, match="x-aura-events is 'some', but must be one of all"):
        mode(Settings(), {"x-aura-events": "some"})


@pytest.mark.parametrize(
    ("timing", "now", "expected"),
    [
        ({}, HOLD - 0.01, None),
        ({}, HOLD, "release"),
        ({"streaming": False}, HOLD, None),
        ({"wrote": 1.0}, KEEPALIVE_EVERY, None),
        ({"wrote": 1.0}, KEEPALIVE_EVERY + 1, "keepalive"),
        ({"wrote": 1.0, "writing_since": 2.0}, 61.0, None),
        ({"wrote": 1.0, "writing_since": 2.0}, 62.0, "stalled"),
        ({"wrote": 1.0, "writing_since": 2.0, "longest_write": 0.0}, 1e9, None),
        ({"hold": 0.0}, 0.0, "release"),
    ],
)
def test_what_is_due(timing: dict[str, float], now: float, expected: str | None) -> None:
    assert expected == Timing(**{**TIMING, **timing}).due(now)


MOMENTS = st.one_of(st.none(), st.integers(0, 1000))


@given(
    streaming=st.booleans(),
    longest_write=st.integers(0, 100),
    wrote=MOMENTS,
    writing=MOMENTS,
    now=st.integers(0, 2000),
)
def test_nothing_becomes_due_before_it_is_looked_for(
    streaming: bool, longest_write: int, wrote: float | None, writing: float | None, now: float
) -> None:
    timing = Timing(
        begun=0.0,
        streaming=streaming,
        longest_write=longest_write,
        wrote=wrote,
        writing_since=writing,
    )
    moment = timing.next(now)
    assert now < moment <= now + KEEPALIVE_EVERY
    if timing.due(now) is None and moment > now + SHORTEST_WAIT:
        assert timing.due(now + (moment - now) * 0.99) is None


def framed(*, limit: int = 0, bare: bool = False) -> Frames:
    mode = Mode(events=True, bare=bare, result_limit=limit, tool_results="open-web-ui")
    return Frames(HEAD, mode)


def entries(*events: AnyEvent) -> list[Entry]:
    numbering = Numbering(shows_calls=True)
    return [numbering.entry(event, 0.0) for event in events]


@given(pieces=st.lists(st.text(), max_size=5))
def test_any_text_survives_the_wire(pieces: list[str]) -> None:
    writing = framed()
    events = [*(TextDelta(agent_id="main", text=piece) for piece in pieces), RunCompleted()]
    body = b"".join(writing.render(entry) for entry in entries(*events))
    assert "".join(pieces) == text(body)


@given(result=st.text(), limit=st.integers(0, 20), bare=st.booleans())
def test_a_result_is_cut_in_characters_and_stays_json(result: str, limit: int, bare: bool) -> None:
    event = ToolCompleted(
        agent_id="main", tool_id="c", tool_name="t", duration_ms=0, success=True, result=result
    )
    [frame] = frames(framed(limit=limit, bare=bare).render(*entries(event)))
    whole = not limit or len(result) <= limit
    assert frame.data["result"] == (result if whole else result[:limit] + "... [truncated]")


def catalog(*names: tuple[str, str], default: str | None = None) -> Catalog:
    made = [
        Served(id=id_, name=name, agent=agent(), created=0, owned_by="me", model="m")
        for id_, name in names
    ]
    return Catalog(tuple(made), default=default)


TWO = (("desk", "Desk Agent"), ("Night", "Night"))


@pytest.mark.parametrize(
    ("names", "default", "wanted", "expected"),
    [
        pytest.param(TWO, None, "desk", "desk", id="J01"),
        pytest.param(TWO, None, "Night", "Night", id="J02"),
        pytest.param(TWO, None, "night", "model_not_found", id="J03"),
        pytest.param(TWO, None, "Desk Agent", "desk", id="J04"),
        pytest.param(TWO, "desk", None, "desk", id="J05"),
        pytest.param(TWO, None, None, "missing_required_parameter", id="J06"),
        pytest.param(TWO, "desk", "Night", "Night", id="J07"),
        pytest.param(TWO, "desk", "ghost", "model_not_found", id="J08"),
        pytest.param(TWO[:1], None, "anything", "desk", id="J09"),
        pytest.param(TWO[:1], None, None, "desk", id="J10"),
        pytest.param(TWO, "desk", "", "model_not_found", id="empty"),
        pytest.param((("a", "Bot"), ("b", "Bot")), None, "Bot", "model_not_found", id="ambiguous"),
    ],
)
def test_which_agent_a_request_means(
    names: tuple[tuple[str, str], ...], default: str | None, wanted: str | None, expected: str
) -> None:
    try:
        found = catalog(*names, default=default).find(wanted).id
    except RequestError as error:
        found = str(error.code)
    assert expected == found


def test_no_more_requests_than_allowed_are_admitted() -> None:
    admission = Admission(most=2, most_each=1)
    with admission.slot("a"):
        with pytest.raises(RequestError, match="--max-concurrent-requests-per-token"):
            admission.slot("a").__enter__()
        with admission.slot("b"), pytest.raises(RequestError, match=r"--max-concurrent-requests\)"):
            admission.slot("c").__enter__()
    with admission.slot("a"), admission.slot("c"):
        pass
