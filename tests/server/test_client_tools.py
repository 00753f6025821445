"""Tools of the client over HTTP: what is taken, what is shown, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from aura.events import ToolCalled
from aura.pipeline.delegation import Handover
from aura.pipeline.ports import Assistant, ToolReply
from aura.server.handovers import LIFETIME, MOST_BYTES, Caller, Handovers
from tests.server.test_routes import CHAT, client, served
from tests.support.agents import agent, asks, recorded, says
from tests.support.tools import gives
from tests.support.wire import frames

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def tool(name: str, **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


USER = {"role": "user", "content": "Hello?"}
SHELL = tool("shell", description="Run.", parameters={"type": "object"})


def asked(**fields: Any) -> dict[str, Any]:
    return {"messages": [USER], "tools": [SHELL], **fields}


def opted_in(*replies: Any, names: tuple[str, ...] = (), **options: Any) -> tuple[Any, Any]:
    """A served agent that takes tools of clients, all or some, and the prompts of its model."""
    asking, prompts = recorded(agent(*replies, **options))
    return served("a", agent=asking, takes_tool=lambda n: not names or n in names), prompts


def calls_of(chunks: list[Any]) -> list[dict[str, Any]]:
    choices = [choice for chunk in chunks for choice in chunk.data["choices"]]
    return [call for choice in choices for call in choice["delta"].get("tool_calls", ())]


async def test_a_json_answer_has_the_calls() -> None:
    one, _ = opted_in(asks("shell"))
    async with client(one) as http:
        answer = (await http.post(CHAT, json=asked())).json()
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "shell", "arguments": "{}"}}
        ],
    }
    assert answer["usage"]["total_tokens"] == 15


@pytest.mark.parametrize("mode", ["none", "open-web-ui", "aura"])
async def test_arguments_are_whole_in_every_mode_and_calls_of_ours_are_not_shown(
    mode: str,
) -> None:
    one, _ = opted_in(asks("look", "shell", text="So."), tools=(gives("look", "x"),))
    async with client(one, tool_result_mode=mode) as http:
        answer = await http.post(CHAT, json=asked(stream=True))
    *chunks, done = frames(answer.content)
    assert done.data == "[DONE]"
    begun, rest = calls_of(chunks)
    assert (begun["index"], begun["type"]) == (0, "function")
    assert begun["function"] == {"name": "shell", "arguments": ""}
    assert rest == {"index": 0, "function": {"arguments": "{}"}}
    reasons = [c["finish_reason"] for chunk in chunks for c in chunk.data["choices"]]
    assert [reason for reason in reasons if reason] == ["tool_calls"]


async def test_events_of_a_clients_call_end_with_the_request() -> None:
    one, _ = opted_in(asks("look", "shell"), tools=(gives("look", "x"),))
    async with client(one, aura_custom_events=True) as http:
        answer = await http.post(CHAT, json=asked(stream=True))
    events = [frame for frame in frames(answer.content) if frame.event]
    told = [(e.event, e.data["tool_name"]) for e in events if "tool_name" in e.data]
    assert sorted(told) == [
        ("aura.tool_complete", "look"),
        ("aura.tool_requested", "look"),
        ("aura.tool_requested", "shell"),
        ("aura.tool_start", "look"),
    ]


def follow_up(message: dict[str, Any], result: str) -> list[dict[str, Any]]:
    [call] = message["tool_calls"]
    return [USER, message, {"role": "tool", "tool_call_id": call["id"], "content": result}]


@pytest.mark.parametrize("named", [None, "cs_mine"])
async def test_what_our_tools_gave_is_there_in_the_follow_up(named: str | None) -> None:
    one, prompts = opted_in(
        asks("look", "shell", text="So."), says("Done."), tools=(gives("look", "a.txt"),)
    )
    session = {"x-chat-session-id": named} if named else {}
    async with client(one) as http:
        first = (await http.post(CHAT, json=asked(), headers=session)).json()
        messages = follow_up(first["choices"][0]["message"], "root")
        second = (await http.post(CHAT, json=asked(messages=messages), headers=session)).json()
    assert second["choices"][0]["message"]["content"] == "Done."
    _, said, *replies = prompts[-1].messages
    assert [call.tool_name for call in said.calls] == ["look", "shell"]
    assert [(r.tool_name, r.text) for r in replies] == [("look", "a.txt"), ("shell", "root")]


@pytest.mark.parametrize(
    "other",
    [{"x-chat-session-id": "cs_other"}, {"authorization": "Bearer other"}],
    ids=["session", "token"],
)
async def test_nobody_else_gets_what_our_tools_gave(other: dict[str, str]) -> None:
    one, prompts = opted_in(asks("look", "shell"), says("."), tools=(gives("look", "secret"),))
    async with client(one, auth_tokens=("mine", "other")) as http:
        mine = {"authorization": "Bearer mine", "x-chat-session-id": "cs_mine"}
        first = (await http.post(CHAT, json=asked(), headers=mine)).json()
        messages = follow_up(first["choices"][0]["message"], "root")
        await http.post(CHAT, json=asked(messages=messages), headers=mine | other)
    _, said, *replies = prompts[-1].messages
    assert isinstance(said, Assistant)
    assert [call.tool_name for call in said.calls] == ["shell"]
    assert [(r.tool_name, r.text) for r in replies] == [("shell", "root")]


async def test_a_conversation_goes_on_in_its_order() -> None:
    one, prompts = opted_in(*[says(".")] * 3)
    call = {"id": "c", "type": "function", "function": {"name": "shell", "arguments": '{"a":1}'}}
    messages = [
        {"role": "system", "content": "no"},
        USER,
        {"role": "assistant", "content": "Let me.", "tool_calls": [call, {**call, "id": "d"}]},
        {"role": "tool", "tool_call_id": "d", "content": [{"type": "text", "text": "two"}]},
        {"role": "tool", "tool_call_id": "c", "content": None},
        {"role": "assistant", "content": "Well."},
        {"role": "user", "content": "And?"},
    ]
    async with client(one) as http:
        answer = await http.post(CHAT, json={"messages": messages})
    assert answer.headers["x-aura-ignored"] == "messages[role=system]"
    kinds = [type(message).__name__ for message in prompts[0].messages]
    assert kinds == ["User", "Assistant", "ToolReply", "ToolReply", "Assistant", "User"]
    _, said, second, first, *_ = prompts[0].messages
    assert [(c.tool_id, c.arguments) for c in said.calls] == [("c", '{"a":1}'), ("d", '{"a":1}')]
    assert (second, first) == (ToolReply("d", "shell", "two"), ToolReply("c", "shell", ""))


async def test_only_tools_that_the_filter_lets_through_are_offered() -> None:
    one, prompts = opted_in(says("."), names=("shell",))
    async with client(one) as http:
        with capture_logs() as logs:
            answer = await http.post(CHAT, json=asked(tools=[SHELL, tool("format_disk")]))
    assert [spec.name for spec in prompts[0].tools] == ["shell"]
    assert bytes(prompts[0].tools[0].parameters) == b'{"type":"object"}'
    assert answer.headers["x-aura-ignored"] == "tools[format_disk]"
    assert ("format_disk",) in [entry.get("ignored_tools") for entry in logs]


async def test_what_a_client_asks_for_in_vain_is_only_what_would_change_something() -> None:
    one, prompts = opted_in(says("."))
    strict = tool("x", strict=True, parameters={"type": "object"})
    always = {"tool_choice": "auto", "parallel_tool_calls": True, "n": 1}
    async with client(one) as http:
        answer = await http.post(CHAT, json=asked(tools=[strict], **always))
        other = await http.post(CHAT, json=asked(tool_choice="required", n=2))
    assert "x-aura-ignored" not in answer.headers
    assert prompts[0].tools[0].strict is True
    assert other.headers["x-aura-ignored"] == "tool_choice, n"


async def test_an_agent_that_did_not_opt_in_ignores_them_and_says_so() -> None:
    asking, prompts = recorded(agent(says(".")))
    async with client(served("a", agent=asking)) as http:
        answer = await http.post(CHAT, json=asked(tools=[{"anything": 1}]))
    assert prompts[0].tools == ()
    assert answer.headers["x-aura-ignored"] == "tools"


ASKED = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "shell"}}]}
ANSWERED = {"role": "tool", "tool_call_id": "c", "content": "x"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0]: only tools of type 'function'"),
        ({"tools": [{"function": {"name": "x"}}]}, "tools[0] has the wrong shape"),
        ({"tools": [SHELL, SHELL]}, "tools[1]: there is another tool named 'shell'"),
        ({"tools": [tool("run me")]}, "tools[0]: the name 'run me' must be 1 to 64"),
        ({"tools": [tool("x", parameters=[])]}, "tools[0]: `parameters` must be"),
        ({"messages": [USER, ANSWERED]}, "messages[1]: a tool message must answer a call"),
        ({"messages": [USER, ASKED, ANSWERED, ANSWERED]}, "tool_call_id is 'c'"),
        ({"messages": [USER, ASKED, USER]}, "messages[1]: no tool message answers the call 'c'"),
        (
            {"messages": [USER, {**ASKED, "tool_calls": ASKED["tool_calls"] * 2}]},
            "its role is 'assistant'",
        ),
        (
            {"messages": [USER, {**ASKED, "tool_calls": ASKED["tool_calls"] * 2}, ANSWERED]},
            "messages[1].tool_calls[1]: the id 'c' is there twice",
        ),
        ({"messages": [USER, ASKED]}, "or the result of a tool, but its role is 'assistant'"),
    ],
)
async def test_what_no_model_could_work_with_is_refused(fields: dict[str, Any], words: str) -> None:
    one, prompts = opted_in(says("."))
    async with client(one) as http:
        answer = await http.post(CHAT, json=asked(**fields))
    assert (answer.status_code, prompts) == (400, [])
    assert words in answer.json()["error"]["message"]


async def test_a_result_for_an_agent_that_did_not_opt_in_is_refused_with_the_remedy() -> None:
    async with client(served("a")) as http:
        answer = await http.post(CHAT, json=asked(messages=[USER, ASKED, ANSWERED]))
    assert answer.status_code == 400
    assert "`enable_client_tools = true`" in answer.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_name_that_the_agent_has_itself_is_a_400(stream: bool) -> None:
    one, _ = opted_in(says("."), tools=(gives("shell", "x"),))
    async with client(one) as http:
        answer = await http.post(CHAT, json=asked(stream=stream))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "tool_name_collision")
    assert error["type"] == "invalid_request_error"


def handed(tool_id: str, text: str = "") -> Handover:
    call = ToolCalled(
        agent_id="main", tool_id=tool_id, tool_name="t", arguments="{}", delegated=True
    )
    return Handover((), Assistant(text, (call,)), ())


def test_turns_are_kept_for_an_hour_after_their_last_use() -> None:
    now = 0.0
    kept = Handovers(lambda: now)
    me = Caller("token", "a", "cs_1")
    kept.keep(handed("used"), caller=me)
    kept.keep(handed("unused"), caller=me)
    now = LIFETIME - 1
    assert kept.find("used", caller=me) == handed("used")
    now = LIFETIME + 1
    assert kept.find("unused", caller=me) is None
    assert kept.find("used", caller=me) == handed("used")


def test_the_oldest_turns_give_way_when_there_is_too_much_to_keep() -> None:
    kept = Handovers(lambda: 0.0)
    me = Caller("token", "a", "cs_1")
    half = "x" * (MOST_BYTES // 2)
    for name in ("one", "two", "three"):
        kept.keep(handed(name, half), caller=me)
    found = [name for name in ("one", "two", "three") if kept.find(name, caller=me)]
    assert found == ["three"]
