"""Our request against the one that the openai SDK sends for the same conversation."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import openai
import pytest

from aura.adapters.models._openai_messages import Settings, request
from aura.events import ToolCalled
from aura.pipeline.ports import (
    NO_TOOL,
    Assistant,
    Message,
    Options,
    Prompt,
    ToolReply,
    ToolSpec,
    User,
)

PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOL = ToolSpec("list_files", "Lists files", msgspec.Raw(msgspec.json.encode(PARAMETERS)))
CALL = ToolCalled(
    agent_id="main", tool_id="call_1", tool_name="list_files", arguments='{"path": 1}'
)
TALK: tuple[Message, ...] = (
    User("What is in /tmp?"),
    Assistant("", (CALL,)),
    ToolReply("call_1", "list_files", "a.txt"),
    Assistant("One file: a.txt"),
    User("And here?", ("data:image/png;base64,AAAA", "https://example.org/a.png")),
)


def body(
    *messages: Message,
    system: str = "",
    tools: tuple[ToolSpec, ...] = (),
    options: Options | None = None,
    official: bool = True,
    model: str = "gpt-5.2",
    **settings: Any,
) -> dict[str, Any]:
    prompt = Prompt(
        agent_id="main",
        system=system,
        messages=messages,
        tools=tools,
        options=options or Options(),
    )
    sent, _ = request(prompt, Settings(model=model, official=official, **settings))
    return msgspec.json.decode(sent)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("model", "own"),
    [
        ("gpt-4.1", {"temperature": 0.0, "top_p": 0.5, "stop": ["END"]}),
        ("gpt-5.2", {"reasoning_effort": "low"}),
    ],
)
async def test_the_request_is_the_one_of_the_sdk(model: str, own: dict[str, Any]) -> None:
    """The same is asked of both models; each takes its `own`, and the rest."""
    seen: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.content)
        return httpx2.Response(200, text="data: [DONE]\n\n")

    transport = httpx2.MockTransport(answer)
    async with openai.AsyncOpenAI(
        api_key="k", http_client=httpx2.AsyncClient(transport=transport)
    ) as client:
        stream = await client.chat.completions.create(
            model=model,
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is in /tmp?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "list_files", "arguments": '{"path": 1}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "a.txt"},
                {"role": "assistant", "content": "One file: a.txt"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "And here?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                    ],
                },
            ],
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "list_files",
                        "description": "Lists files",
                        "parameters": PARAMETERS,
                    },
                }
            ],
            tool_choice={"type": "function", "function": {"name": "list_files"}},
            parallel_tool_calls=False,
            seed=7,
            max_completion_tokens=100,
            response_format={"type": "json_object"},
            stream=True,
            stream_options={"include_usage": True, "include_obfuscation": False},
            extra_body={"verbosity": "low"},
            **own,
        )
        await stream.close()
    choice = msgspec.Raw(b'{"type":"function","function":{"name":"list_files"}}')
    options = Options(
        max_tokens=100,
        temperature=0.0,
        top_p=0.5,
        seed=7,
        stop=("END",),
        response_format=msgspec.Raw(b'{"type":"json_object"}'),
        tool_choice=choice,
        parallel_tool_calls=False,
    )
    ours = body(
        *TALK,
        model=model,
        system="Be brief.",
        tools=(TOOL,),
        options=options,
        temperature=0.9,
        max_tokens=500,
        reasoning_effort="low",
        additional_params={"verbosity": "low"},
    )
    assert msgspec.json.decode(seen[0]) == ours


def test_the_least_request() -> None:
    assert body(User("Hi")) == {
        "model": "gpt-5.2",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
    }


def test_a_compatible_server_is_sent_what_it_knows() -> None:
    sent = body(User("Hi"), official=False, max_tokens=9)
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["max_tokens"] == 9
    assert "max_completion_tokens" not in sent


@pytest.mark.parametrize(("asked", "sent"), [(None, 9), (5, 5), (50, 9)])
def test_nobody_gets_more_tokens_than_the_operator_allows(asked: int | None, sent: int) -> None:
    options = Options(max_tokens=asked)
    assert body(User("Hi"), options=options, max_tokens=9)["max_completion_tokens"] == sent


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("official", [True, False])
def test_a_limit_of_the_additional_parameters_is_the_only_one(limit: str, official: bool) -> None:
    sent = body(
        User("Hi"),
        official=official,
        options=Options(max_tokens=1),
        max_tokens=2,
        additional_params={limit: 3},
    )
    assert {limit: 3} == {name: sent[name] for name in sent if name.startswith("max_")}


def test_additional_parameters_win_shallowly() -> None:
    sent = body(
        User("Hi"),
        reasoning_effort="low",
        additional_params={"reasoning_effort": "none", "stream_options": {"x": 1}},
    )
    assert sent["reasoning_effort"] == "none"
    assert sent["stream_options"] == {"x": 1}


def test_without_tools_nothing_is_said_about_them() -> None:
    options = Options(tool_choice=msgspec.Raw(b'"auto"'), parallel_tool_calls=True)
    assert (
        not {"tools", "tool_choice", "parallel_tool_calls"}
        & body(User("Hi"), options=options).keys()
    )


def test_tools_that_may_not_be_called_are_only_shown_where_that_is_heeded() -> None:
    options = Options(tool_choice=NO_TOOL)
    [sent] = body(User("Hi"), tools=(TOOL,), options=options)["tools"]
    assert sent["function"]["name"] == TOOL.name
    others = body(User("Hi"), tools=(TOOL,), options=options, official=False)
    assert not {"tools", "tool_choice"} & others.keys()


def test_an_image_without_words() -> None:
    (message,) = body(User("", ("u",)))["messages"]
    assert message["content"] == [{"type": "image_url", "image_url": {"url": "u"}}]


@pytest.mark.parametrize("strict", [True, False])
def test_strictness_is_asked_for_as_it_was_brought(strict: bool) -> None:
    tool = msgspec.structs.replace(TOOL, strict=strict)
    [sent] = body(User("Hi"), tools=(tool,))["tools"]
    assert sent["function"]["strict"] is strict
    [sent] = body(User("Hi"), tools=(TOOL,))["tools"]
    assert "strict" not in sent["function"]


def test_images_of_tools_follow_the_results_of_their_round() -> None:
    other = msgspec.structs.replace(CALL, tool_id="call_2")
    talk = (
        User("?"),
        Assistant("", (CALL, other)),
        ToolReply("call_1", "list_files", "[Image]", ("data:1", "data:2")),
        ToolReply("call_2", "list_files", "none"),
        Assistant("I see."),
        User("Go on."),
    )
    *_, first, second, pictures, said, _ = body(*talk, tool_images=True)["messages"]
    assert [first["role"], second["role"], said["role"]] == ["tool", "tool", "assistant"]
    assert pictures["role"] == "user"
    note, *shown = pictures["content"]
    assert note["text"] == "The images in the result of the call call_1 of list_files:"
    assert [part["image_url"]["url"] for part in shown] == ["data:1", "data:2"]
    roles = [message["role"] for message in body(*talk)["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]


def test_images_of_the_last_round_come_at_the_end() -> None:
    reply = ToolReply("call_1", "list_files", "[Image]", ("data:1",))
    *_, last = body(User("?"), Assistant("", (CALL,)), reply, tool_images=True)["messages"]
    assert [part["type"] for part in last["content"]] == ["text", "image_url"]
