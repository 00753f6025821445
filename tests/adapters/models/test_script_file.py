"""Script files: one that works, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aura.adapters.models.scripted import Scripted, load_script
from aura.errors import ScriptError
from aura.events import AnyEvent, TextDelta, ToolCalled
from aura.pipeline.compose import opened
from aura.pipeline.ports import Assistant, Message, Prompt, ToolReply, ToolSpec, User

pytestmark = pytest.mark.anyio

ADD = ToolSpec("add", "Adds", msgspec.Raw(b"{}"))
CALL = ToolCalled(agent_id="main", tool_id="call_1", tool_name="add", arguments="{}")


def prompt(*messages: Message, agent: str = "main", tools: tuple[ToolSpec, ...] = ()) -> Prompt:
    return Prompt(agent_id=agent, system="", messages=messages, tools=tools)


async def play(model: Scripted, asked: Prompt) -> list[AnyEvent]:
    async with opened(model.stream(asked)) as events:
        return [event async for event in events]


async def text(model: Scripted, *messages: Message, **options: object) -> str:
    events = await play(model, prompt(*messages, **options))  # type: ignore[arg-type]
    return "".join(event.text for event in events if isinstance(event, TextDelta))


SCRIPT = """
[[reply]]
when = { message = '(?i)add (\\d+) and (\\d+)', offers = "add" }
reasoning = "Two numbers."
calls = [{ name = "add", arguments = { a = "${1:json}", b = "${2:json}" } }]

[[reply]]
when = { tool = "add" }
text = "That is ${result}."
usage = { prompt = 10, completion = 4 }

[[reply]]
text = "Hello."
delay = 0
"""


def written(directory: Path, script: str) -> Path:
    path = directory / "demo.toml"
    path.write_text(script)
    return path


@pytest.fixture
def demo(tmp_path: Path) -> Scripted:
    script = load_script(written(tmp_path, SCRIPT))
    return Scripted(script.replies, path=script.path)


async def test_a_script_file(demo: Scripted) -> None:
    events = await play(demo, prompt(User("Add 2 and 3"), tools=(ADD,)))
    assert events[1] == ToolCalled(
        agent_id="main", tool_id="call_1", tool_name="add", arguments='{"a":2,"b":3}'
    )
    assert await text(demo, User("x"), ToolReply("1", "add", "5")) == "That is 5."
    assert await text(demo, User("Hi")) == "Hello."
    with pytest.raises(ScriptError, match=r"demo\.toml: no reply to the result '5' of 'sub'"):
        await text(demo, User("x"), Assistant("", (CALL,)), ToolReply("1", "sub", "5"))


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("reply = 3", "no \\[\\[reply\\]\\]"),
        ("", "no \\[\\[reply\\]\\]"),
        ("x = 1\n[[reply]]", "unknown key 'x'"),
        ("[[reply]", "cannot read the script"),
        ("[[reply]]\ntext = 'a'\n[[reply]]\ntxt = 'b'", "reply 2: .*unknown field `txt`"),
        ("[[reply]]\nwhen = { message = '(' }", "reply 1: when.message is no regular"),
        ("[[reply]]\nwhen = { result = '[' }", "reply 1: when.result is no regular"),
        ("[[reply]]\nwhen = { message = 'a' }\ntext = '${1}'", "unknown placeholder '\\$\\{1\\}'"),
        ("[[reply]]\ntext = '${who}'", "unknown placeholder .*results, result.TOOL"),
        ("[[reply]]\ntext = '${message:json}'", "only works in the arguments"),
        (
            "[[reply]]\ncalls = [{ name = 'f', arguments = { a = ['x ${message:json}'] } }]",
            "the whole argument",
        ),
        ("[[reply]]\ndelay = -1", "cannot be negative"),
        ("[[reply]]\nerror = { kind = 'odd' }", "reply 1: .*Invalid enum value 'odd'"),
    ],
)
def test_mistakes_name_the_file_and_the_reply(tmp_path: Path, script: str, says: str) -> None:
    path = written(tmp_path, script)
    with pytest.raises(ScriptError, match=says) as raised:
        load_script(path)
    assert "demo.toml" in str(raised.value)


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"cannot read the script .*none\.toml"):
        load_script(tmp_path / "none.toml")
