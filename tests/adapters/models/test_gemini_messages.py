"""Conversations as bodies of requests for Gemini."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aura.adapters.models._gemini_messages import OPENING, UNSIGNED, Settings, request_body
from aura.events import Thought
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

PARAMETERS = {"type": "object", "properties": {"path": {"type": ["string", "null"]}}}
TOOL = ToolSpec("look", "Looks", msgspec.Raw(msgspec.json.encode(PARAMETERS)))
TRUTH = {"type": "boolean"}
BARE = ToolSpec("now", "", msgspec.Raw(b'{"type":"object"}'))
FORM = msgspec.Raw(
    b'{"type":"json_schema","json_schema":{"name":"n","schema":'
    b'{"type":"object","properties":{"a":{"type":["integer","null"]}}}}}'
)


def body(
    *messages: Message,
    system: str = "",
    tools: tuple[ToolSpec, ...] = (),
    options: Options | None = None,
    model: str = "gemini-2.5-pro",
    **settings: Any,
) -> Any:
    prompt = Prompt(
        agent_id="main",
        system=system,
        messages=messages or (User("Hi"),),
        tools=tools,
        options=options or Options(),
    )
    return msgspec.json.decode(request_body(prompt, Settings(model=model, **settings)))


def contents(*messages: Message, **more: Any) -> Any:
    return body(*messages, **more)["contents"]


def thought(block: dict[str, object], provider: str = "gemini") -> Thought:
    return Thought(agent_id="main", provider=provider, block=msgspec.json.encode(block).decode())


def test_the_least_request() -> None:
    assert body(User("Hi")) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_everything_that_can_be_asked_for() -> None:
    options = Options(
        max_tokens=50,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop=("END",),
        response_format=FORM,
        tool_choice=msgspec.Raw(b'"auto"'),
        parallel_tool_calls=False,
    )
    sent = body(system="Be brief.", options=options, temperature=1.0, max_tokens=40)
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert sent["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "seed": 7,
        "maxOutputTokens": 40,
        "stopSequences": ["END"],
        "responseMimeType": "application/json",
        "responseSchema": {
            "type": "object",
            "properties": {"a": {"type": "integer", "nullable": True}},
        },
    }


def test_json_without_a_schema() -> None:
    options = Options(response_format=msgspec.Raw(b'{"type":"json_object"}'))
    assert body(options=options)["generationConfig"] == {"responseMimeType": "application/json"}


def test_what_is_configured() -> None:
    """B33: the original sends neither."""
    sent = body(temperature=0.1, max_tokens=300)
    assert sent["generationConfig"] == {"temperature": 0.1, "maxOutputTokens": 300}


@pytest.mark.parametrize(
    "given",
    [
        {"generationConfig": {"topK": 5, "thinkingConfig": {"thinkingBudget": 0}}},
        {"generation_config": {"top_k": 5, "thinking_config": {"thinkingBudget": 0}}},
        {"topK": 5, "thinking_config": {"thinkingBudget": 0}},
    ],
)
def test_additional_parameters_reach_the_generation(given: dict[str, Any]) -> None:
    settings = {"safety_settings": [], "cachedContent": "c", **given}
    sent = body(temperature=0.1, additional_params=settings)
    assert sent["generationConfig"] == {
        "temperature": 0.1,
        "topK": 5,
        "thinkingConfig": {"thinkingBudget": 0},
    }
    assert (sent["safetySettings"], sent["cachedContent"]) == ([], "c")


def test_additional_parameters_win() -> None:
    sent = body(temperature=0.1, additional_params={"generationConfig": {"temperature": 2}})
    assert sent["generationConfig"] == {"temperature": 2}


def test_tools_with_schemas_that_are_taken() -> None:
    [tools] = body(tools=(TOOL, BARE))["tools"]
    path = {"type": "string", "nullable": True}
    assert tools["functionDeclarations"] == [
        {
            "name": "look",
            "description": "Looks",
            "parameters": {"type": "object", "properties": {"path": path}},
        },
        {"name": "now", "description": "now"},
    ]


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        (
            {"oneOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": TRUTH}}]},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": TRUTH}},
        ),
        ({"type": ["string", "number"]}, None),
    ],
)
def test_parameters_are_one_object(schema: Any, sent: Any) -> None:
    tool = msgspec.structs.replace(TOOL, parameters=msgspec.Raw(msgspec.json.encode(schema)))
    [tools] = body(tools=(tool,))["tools"]
    assert tools["functionDeclarations"][0].get("parameters") == sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (b'"auto"', None),
        (b'"none"', {"mode": "NONE"}),
        (b'"required"', {"mode": "ANY"}),
        (
            b'{"type":"function","function":{"name":"look"}}',
            {"mode": "ANY", "allowedFunctionNames": ["look"]},
        ),
    ],
)
def test_which_tools_may_be_called(choice: bytes, sent: Any) -> None:
    options = Options(tool_choice=msgspec.Raw(choice))
    config = body(tools=(TOOL,), options=options).get("toolConfig")
    assert config == (sent and {"functionCallingConfig": sent})
    assert "toolConfig" not in body(options=options)


@pytest.mark.parametrize(
    ("model", "choice", "formed", "tools"),
    [
        ("gemini-2.5-pro", None, False, True),
        ("gemini-2.5-pro", NO_TOOL, True, False),
        ("gemini-3-pro-preview", None, True, True),
        ("gemini-3-pro-preview", NO_TOOL, True, True),
    ],
)
def test_a_form_for_the_answer_beside_tools(
    model: str, choice: msgspec.Raw | None, formed: bool, tools: bool
) -> None:
    """Models before the third refuse both together."""
    options = Options(response_format=FORM, tool_choice=choice)
    sent = body(tools=(TOOL,), options=options, model=model)
    assert ("responseSchema" in sent.get("generationConfig", {})) is formed
    assert ("tools" in sent) is tools


def test_a_conversation_with_calls() -> None:
    talk = (
        User("Look twice"),
        Assistant(
            "Looking.",
            (
                msgspec.structs.replace(called("a", "look", '{"path":"ä"}'), signature="c2ln"),
                called("b", "look", ""),
            ),
        ),
        ToolReply("a", "look", "one"),
        ToolReply("b", "look", "12345678901234567890", ("data:image/png;base64,QUJD",)),
        Assistant("Done."),
        User("Thanks"),
    )
    call = {"id": "a", "name": "look", "args": {"path": "ä"}}
    assert contents(*talk) == [
        {"role": "user", "parts": [{"text": "Look twice"}]},
        {
            "role": "model",
            "parts": [
                {"text": "Looking."},
                {"functionCall": call, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "b", "name": "look", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "look", "response": {"output": "one"}}},
                {
                    "functionResponse": {
                        "id": "b",
                        "name": "look",
                        "response": {"output": "12345678901234567890"},
                    }
                },
                {"text": "The images in the result of the call b of look:"},
                {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
            ],
        },
        {"role": "model", "parts": [{"text": "Done."}]},
        {"role": "user", "parts": [{"text": "Thanks"}]},
    ]


@pytest.mark.parametrize(
    ("model", "signed"),
    [
        ("gemini-2.5-pro", None),
        ("gemini-3-flash", UNSIGNED),
        ("gemini-flash-latest", UNSIGNED),
    ],
)
def test_calls_that_nobody_signed(model: str, signed: str | None) -> None:
    """Newer models refuse them: of calls made together the first needs a signature."""
    talk = (User("?"), Assistant("", (called("a", "look", "{}"), called("b", "look", "{}"))))
    first, second = contents(*talk, model=model)[1]["parts"]
    assert first.get("thoughtSignature") == signed
    assert "thoughtSignature" not in second


def test_arguments_that_are_no_object_are_shown_in_one() -> None:
    [part] = contents(User("?"), Assistant("", (called("a", "look", "[1"),)))[1]["parts"]
    assert part["functionCall"]["args"] == {"arguments": "[1"}


def test_thoughts_of_this_provider_are_put_back_where_they_were() -> None:
    thoughts = (
        thought({"text": "", "thoughtSignature": "of the text"}),
        thought({"text": "Hm.", "thought": True, "thoughtSignature": "s"}),
        thought({"type": "thinking"}, "anthropic"),
    )
    talk = (User("?"), Assistant("Yes.", (called("a", "look", "{}"),), thoughts))
    kinds = [
        part.get("thoughtSignature") or part.get("text") or "call"
        for part in contents(*talk)[1]["parts"]
    ]
    assert kinds == ["s", "Yes.", "of the text", "call"]


def test_what_is_empty_is_left_out_and_neighbours_are_one() -> None:
    talk = (Assistant(" "), User("a"), User(""), Assistant(""), User("b"))
    assert contents(*talk) == [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]


def test_a_conversation_begins_with_a_question() -> None:
    first, second = contents(Assistant("Hello."), User("Hi"))[:2]
    assert first == {"role": "user", "parts": [{"text": OPENING}]}
    assert second["role"] == "model"


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("data:image/png;base64,QUJD", {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}),
        ("data:image/webp,%41BC", {"inlineData": {"mimeType": "image/webp", "data": "QUJD"}}),
        (
            "data:image/gif;base64,QUJD",
            {"text": "[An image is left out: only PNG, JPEG, WebP, HEIC and HEIF can be shown.]"},
        ),
        (
            "https://example.com/a.png?x=1",
            {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png?x=1"}},
        ),
        (
            "https://example.com/a",
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a"}},
        ),
    ],
)
def test_images(url: str, part: object) -> None:
    assert contents(User("", (url,))) == [{"role": "user", "parts": [part]}]
