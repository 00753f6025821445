"""Runs as lines: there and back, torn, damaged, and ended when nobody is left to do it."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    RunCompleted,
    RunFailed,
    TextDelta,
    ToolCalled,
    ToolCompleted,
    ToolRequested,
    TurnUsage,
    Usage,
)
from aura.runs.entry import Entry, Numbering
from aura.runs.lines import (
    INTERRUPTION,
    Unreadable,
    decoded,
    entry_line,
    entry_of,
    head_line,
    interrupted,
)
from aura.runs.log import Head
from tests.support.runs import any_event, behind, head, numbered, says, values

EVENTS = get_args(AnyEvent)

heads = st.builds(
    Head,
    **{
        each.name: values(each.type) for each in msgspec.structs.fields(Head) if each.name != "view"
    },
    view=st.sampled_from([b"{}", b'{"mode": [1, 2]}', b'"words"']).map(msgspec.Raw),
)
runs = st.lists(any_event, max_size=6).map(numbered)


@pytest.mark.parametrize("event", EVENTS)
@given(data=st.data())
def test_every_entry_comes_back_as_it_was(event: type[AnyEvent], data: st.DataObject) -> None:
    fields = {each.name: values(each.type) for each in msgspec.structs.fields(Entry)}
    entry = data.draw(st.builds(Entry, **{**fields, "event": values(event)}))
    line = entry_line(entry)
    assert line.index(b"\n") == len(line) - 1
    assert entry_of(line) == entry


@given(head=heads, entries=runs)
def test_a_run_comes_back_as_it_was(head: Head, entries: list[Entry]) -> None:
    data = head_line(head) + b"".join(map(entry_line, entries))
    assert decoded(data) == (head, entries, len(data))


def test_how_a_run_looks() -> None:
    first, last = numbered([says("Hi."), RunCompleted(reason="stop")])
    assert head_line(head("run_1")) == (
        b'{"version":1,"head":{"run_id":"run_1","request_id":"req_run_1",'
        b'"completion_id":"chatcmpl-run_1","session_id":"cs_1","agent":"one",'
        b'"model":"scripted/test","created":1767225600,"owner":"owner","stream":true,'
        b'"view":{"events":true}}}\n'
    )
    assert entry_line(first) == (
        b'{"seq":0,"at":0.0,"kind":"TextDelta","event":{"agent_id":"main","text":"Hi."},'
        b'"first":true}\n'
    )
    assert entry_line(last) == (
        b'{"seq":1,"at":0.5,"kind":"RunCompleted","event":{"reason":"stop"},'
        b'"ended":{"spoken":true}}\n'
    )


def test_a_head_is_one_line_however_its_view_is_spaced() -> None:
    spaced = msgspec.structs.replace(head("run_1"), view=msgspec.Raw(b'{\n "a": 1\n}'))
    found, entries, _ = decoded(head_line(spaced))
    assert found is not None
    assert (msgspec.json.decode(found.view), entries) == ({"a": 1}, [])


@given(entries=st.lists(any_event, max_size=3).map(numbered))
def test_a_run_torn_anywhere_is_the_beginning_of_the_run(entries: list[Entry]) -> None:
    lines = [head_line(head("run_1")), *map(entry_line, entries)]
    data = b"".join(lines)
    for length in range(len(data) + 1):
        whole = data[:length].count(b"\n")
        found, torn, readable = decoded(data[:length])
        assert found == (head("run_1") if whole else None)
        assert torn == entries[: max(0, whole - 1)]
        assert readable == sum(map(len, lines[:whole]))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"garbage", "an entry is damaged", id="no JSON"),
        pytest.param(b"", "an entry is damaged", id="nothing"),
        pytest.param(b"\0" * 20, "an entry is damaged", id="zeros"),
        pytest.param(b"\xff\xfe", "an entry is damaged", id="no text"),
        pytest.param(b'{"seq":' * 10_000, "an entry is damaged", id="deep"),
        pytest.param(b'{"event":' + b"[" * 100_000, "an entry is damaged", id="deeper"),
        pytest.param(b'{"seq":1,"at":0.0}', "an entry is damaged: .*`kind`", id="cut short"),
        pytest.param(
            b'{"seq":1,"at":0.0,"kind":"TextDelta","event":{"agent_id":"\xff","text":""}}',
            "an entry is damaged",
            id="text that is none",
        ),
        pytest.param(
            b'{"seq":1,"at":0.0,"kind":"TextDelta","event":{"agent_id":"main"}}',
            "an entry is damaged: .*`text`",
            id="another shape",
        ),
        pytest.param(
            b'{"seq":1,"at":0.0,"kind":"Dreamed","event":{}}',
            "events of the kind 'Dreamed' are not known",
            id="unknown kind",
        ),
    ],
)
def test_garbage_in_the_middle_is_an_error(line: bytes, reason: str) -> None:
    whole = [head_line(head("run_1")), *map(entry_line, numbered([says("a"), says("b")]))]
    with pytest.raises(Unreadable, match=reason):
        decoded(b"".join([*whole[:2], line, b"\n", *whole[2:]]))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{}\n", "the head is damaged"),
        (b"\xff\n", "the head is damaged"),
        (head_line(head("run_1")).replace(b":1,", b":2,", 1), "the format has version 2, not 1"),
    ],
)
def test_a_head_of_somebody_else_is_an_error(line: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(reason)):
        decoded(line)


def test_what_a_newer_version_adds_to_an_entry_is_overlooked() -> None:
    [entry] = numbered([says("Hi.")])
    line = entry_line(entry).replace(b'{"seq"', b'{"new":[1],"seq"').replace(b'"te', b'"b":1,"te')
    assert entry_of(line) == entry


CALL = {"agent_id": "main", "tool_id": "c", "tool_name": "t"}
OPEN = [
    CompletionStarted(agent_id="main", index=0),
    ToolCalled(**CALL, arguments="{}"),
    TurnUsage(agent_id="main", prompt_tokens=7, completion_tokens=3),
    ToolRequested(**CALL, arguments="{}"),
]


def test_everything_ends_with_a_run_that_was_interrupted() -> None:
    entries = numbered(OPEN)
    completed, ended, failed, usage, end = interrupted(entries)
    assert isinstance(completed.event, ToolCompleted)
    assert (completed.event.tool_id, completed.event.success) == ("c", False)
    assert completed.index == 0
    assert ended.event == CompletionEnded(agent_id="main", index=0)
    assert failed.event == INTERRUPTION
    assert isinstance(usage.event, Usage)
    assert usage.event.total_tokens == 10
    assert end.event == RunCompleted()
    assert end.ended is not None
    assert (end.ended.failed, end.ended.usage) == (INTERRUPTION, usage.event)
    assert {entry.at for entry in (completed, ended, failed, usage, end)} == {1.5}


def test_a_run_that_had_failed_does_not_fail_twice() -> None:
    failure = RunFailed(code="provider_error", message="No.", status=502, retryable=False)
    [end] = interrupted(numbered([says("Hm"), failure]))
    assert end.event == RunCompleted()
    assert end.ended is not None
    assert end.ended.failed == failure


def test_a_run_without_a_single_entry_has_an_end() -> None:
    assert [entry.event for entry in interrupted([])] == [INTERRUPTION, RunCompleted()]


@given(
    events=st.lists(
        any_event.filter(lambda event: not isinstance(event, RunCompleted)), max_size=8
    ),
    shows_calls=st.booleans(),
)
def test_the_end_is_numbered_as_if_the_run_had_gone_on(
    events: list[AnyEvent], shows_calls: bool
) -> None:
    entries = numbered(events, shows_calls=shows_calls)
    end = interrupted(entries)
    numbering = Numbering(shows_calls=shows_calls)
    for entry in entries:
        numbering.entry(entry.event, entry.at)
    assert tuple(numbering.entry(entry.event, entry.at) for entry in end) == end
    assert isinstance(end[-1].event, RunCompleted)
    assert interrupted([*entries, *end]) == ()


@given(entries=runs, after=st.integers(-1, 20))
def test_numbers_never_go_back(entries: list[Entry], after: int) -> None:
    assert behind(entries, after) == entries[len(entries) - len(behind(entries, after)) :]


def test_the_texts_of_a_run_are_its_answer() -> None:
    entries = numbered([says("Good "), says("day.")])
    _, found, _ = decoded(head_line(head("run_1")) + b"".join(map(entry_line, entries)))
    texts = [entry.event.text for entry in found if isinstance(entry.event, TextDelta)]
    assert texts == ["Good ", "day."]
