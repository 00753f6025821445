"""A tool that calls another one until something is true."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import msgspec
import pytest

from aura.adapters.patterns import search
from aura.events import ToolCalled, ToolProgressed
from aura.pipeline.ports import Outcome, Tool
from aura.pipeline.waiting import Waiting
from tests.support.tools import Item, ScriptedTool
from tests.support.transcript import transcript
from tests.support.virtual import in_virtual_time


def changes(*answers: str) -> ScriptedTool:
    """A tool that gives one after the other, and the last one for ever."""
    left = list(answers)
    return ScriptedTool("look", lambda _: Outcome(left.pop(0) if len(left) > 1 else left[0]))


async def waited(tool: Tool, **arguments: object) -> list[Item]:
    waiting = Waiting(lambda: {tool.spec.name: tool}, search, anyio.current_time)
    call = ToolCalled(agent_id="one", tool_id="c", tool_name="wait_for", arguments="{}")
    return await transcript(waiting.call(call, arguments))


def outcome(tool: Tool, until: dict[str, object], **options: object) -> Outcome:
    probe = {"tool": "look", "args": {"a": 1}}

    async def work() -> Outcome:
        *_, last = await waited(tool, probe=probe, until=until, **options)
        assert isinstance(last, Outcome)
        return last

    return in_virtual_time(work)


def told(tool: Tool, until: dict[str, object], **options: object) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.json.decode(outcome(tool, until, **options).text)
    return decoded


def test_a_match() -> None:
    assert told(changes("no", "no", "it is ready"), {"matches": "read[y]"}) == {
        "reason": "matched",
        "last_observation": "it is ready",
        "elapsed_sec": 4,
        "samples": 3,
        "effective_max_wait_sec": 120,
    }


def test_no_match_any_more() -> None:
    found = told(changes("pending", "done"), {"not_matches": "pending"}, poll_sec=1)
    assert (found["reason"], found["elapsed_sec"]) == ("matched", 1)


def test_quiet() -> None:
    found = told(changes("a", "b", "b"), {"quiet_for_sec": 6})
    assert (found["reason"], found["elapsed_sec"], found["samples"]) == ("settled", 8, 5)


def test_the_time_is_up() -> None:
    found = told(changes("a"), {"matches": "b"}, max_wait_sec=5)
    assert (found["reason"], found["last_observation"], found["elapsed_sec"]) == ("timeout", "a", 5)


def test_nobody_waits_longer_than_five_minutes() -> None:
    found = told(changes("a"), {"matches": "b"}, max_wait_sec=5000, poll_sec=100)
    assert (found["effective_max_wait_sec"], found["elapsed_sec"]) == (300, 300)


class Stuck:
    """A tool that answers as often as it is told to, then never."""

    def __init__(self, answers: int) -> None:
        self._left = answers
        self.spec = changes("a").spec

    async def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Item]:
        del call, arguments
        self._left -= 1
        if self._left < 0:
            await anyio.sleep_forever()
        yield Outcome("a")


def test_a_tool_that_does_not_answer() -> None:
    assert outcome(Stuck(0), {"matches": "b"}).failure == "tool"
    found = told(Stuck(2), {"matches": "b"})
    assert (found["reason"], found["samples"], found["elapsed_sec"]) == ("timeout", 2, 120)


def fails(text: str) -> ScriptedTool:
    return ScriptedTool("look", lambda _: Outcome(text, failure="tool"))


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        (fails("no disk"), {"until": {"matches": "a"}}, "failed at call 1: no disk"),
        (changes("x" * 300_000), {"until": {"matches": "a"}}, "longer than 262144 bytes"),
        (changes("a"), {"until": {}}, "exactly one"),
        (changes("a"), {"until": {"matches": "a", "quiet_for_sec": 1}}, "exactly one"),
        (changes("a"), {"until": {"matches": "("}}, "no regular expression"),
        (changes("a"), {"until": {"matches": "a"}, "poll_sec": 120}, "poll_sec"),
        (changes("a"), {"until": {"quiet_for_sec": 200}}, "quiet_for_sec"),
        (changes("a"), {"until": {"matches": "a"}, "often": True}, "often"),
        (changes("a"), {"until": {"matches": "a"}, "poll_sec": 0}, "poll_sec"),
    ],
)
def test_what_cannot_be_waited_for(tool: Tool, arguments: dict[str, object], words: str) -> None:
    until = arguments.pop("until")
    assert isinstance(until, dict)
    found = outcome(tool, until, **arguments)
    assert found.failure is not None
    assert words in found.text


def test_a_tool_that_the_worker_does_not_have() -> None:
    async def work() -> Outcome:
        probe = {"tool": "secret"}
        *_, last = await waited(changes("a"), probe=probe, until={"matches": "a"})
        assert isinstance(last, Outcome)
        return last

    found = in_virtual_time(work)
    assert found.text == (
        "ToolCallError: the arguments of 'wait_for' do not fit: you have no tool 'secret'; you have"
        " look. Call it again."
    )


def test_each_look_is_told() -> None:
    async def work() -> list[str]:
        probe = {"tool": "look"}
        items = await waited(changes("a", "b", "c"), probe=probe, until={"matches": "c"})
        return [item.message for item in items if isinstance(item, ToolProgressed)]

    assert in_virtual_time(work) == ["look was called 1 times", "look was called 2 times"]
