"""Conversations as bodies of requests for Ollama."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aura.adapters.models._ollama_messages import Settings, request_body
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
from tests.adapters.models.chunks import called

PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}}
TOOL = ToolSpec("look", "Looks", msgspec.Raw(msgspec.json.encode(PARAMETERS)))
PNG = "data:image/png;base64,QUJD"


def body(
    *messages: Message,
    system: str = "",
    tools: tuple[ToolSpec, ...] = (),
    options: Options | None = None,
    **settings: Any,
) -> Any:
    prompt = Prompt(
        agent_id="main",
        system=system,
        messages=messages or (User("Hi"),),
        tools=tools,
        options=options or Options(),
    )
    return msgspec.json.decode(request_body(prompt, Settings(model="qwen3:8b", **settings)))


def test_the_least_request() -> None:
    assert body(User("Hi")) == {
        "model": "qwen3:8b",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }


def test_everything_that_can_be_asked_for() -> None:
    options = Options(
        max_tokens=50,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop=("END",),
        response_format=msgspec.Raw(b'{"type":"json_object"}'),
        tool_choice=msgspec.Raw(b'"required"'),
        parallel_tool_calls=False,
    )
    sent = body(system="Be brief.", tools=(TOOL,), options=options, temperature=1.0, max_tokens=40)
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent["options"] == {
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["END"],
        "num_predict": 40,
    }
    assert sent["format"] == "json"
    function = {"name": "look", "description": "Looks", "parameters": PARAMETERS}
    assert sent["tools"] == [{"type": "function", "function": function}]


def test_the_schema_of_the_answer() -> None:
    form = b'{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}'
    assert body(options=Options(response_format=msgspec.Raw(form)))["format"] == {"type": "object"}


def test_tools_that_may_not_be_called_are_left_out() -> None:
    assert "tools" not in body(tools=(TOOL,), options=Options(tool_choice=NO_TOOL))


def test_additional_parameters_go_where_ollama_reads_them() -> None:
    """B40, and what the original gets wrong: `keep_alive` and `format` are no options."""
    given = {
        "num_ctx": 4096,
        "num_predict": 256,
        "think": "high",
        "keep_alive": "10m",
        "format": "json",
        "options": {"top_k": 5},
    }
    sent = body(max_tokens=9, temperature=0.7, additional_params=given)
    assert sent["options"] == {
        "temperature": 0.7,
        "num_ctx": 4096,
        "num_predict": 256,
        "top_k": 5,
    }
    assert (sent["think"], sent["keep_alive"], sent["format"]) == ("high", "10m", "json")


def test_a_conversation_with_calls() -> None:
    talk = (
        User("Look", (PNG,)),
        Assistant("Looking.", (called("a", "look", '{"path":"ä"}'), called("b", "look", ""))),
        ToolReply("a", "look", "one", (PNG,)),
        ToolReply("b", "look", "two"),
        Assistant("Done."),
    )
    assert body(*talk)["messages"] == [
        {"role": "user", "content": "Look", "images": ["QUJD"]},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": "a", "function": {"name": "look", "arguments": {"path": "ä"}}},
                {"id": "b", "function": {"name": "look", "arguments": {}}},
            ],
        },
        {
            "role": "tool",
            "tool_name": "look",
            "tool_call_id": "a",
            "content": "one",
            "images": ["QUJD"],
        },
        {"role": "tool", "tool_name": "look", "tool_call_id": "b", "content": "two"},
        {"role": "assistant", "content": "Done."},
    ]


DEEP = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("[1", {"arguments": "[1"}), ("  ", {}), (DEEP, {"arguments": DEEP})],
    ids=["broken", "blank", "deep"],
)
def test_arguments_that_are_no_object_are_shown_in_one(text: str, shown: object) -> None:
    _, said = body(User("?"), Assistant("", (called("a", "look", text),)))["messages"]
    assert said["tool_calls"][0]["function"]["arguments"] == shown


def test_an_image_elsewhere_is_spoken_of() -> None:
    [message] = body(User("Look", ("https://example.com/a.png", PNG)))["messages"]
    assert message == {
        "role": "user",
        "content": "Look\n[The image at https://example.com/a.png is left out.]",
        "images": ["QUJD"],
    }
