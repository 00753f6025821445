"""Prompts as ConverseStream requests, held against botocore's own idea of them."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from botocore.serialize import create_serializer
from botocore.session import Session
from botocore.validate import ParamValidator

from aura.adapters.models._bedrock_messages import OPENING, Settings, request_body
from aura.events import Thought, ToolCalled
from aura.pipeline.ports import Assistant, Message, Options, Prompt, ToolReply, ToolSpec, User

PNG = base64.b64encode(b"\x89PNG pixels").decode()
PNG_URL = f"data:image/png;base64,{PNG}"
IMAGE = {"image": {"format": "png", "source": {"bytes": PNG}}}

TOOL = ToolSpec(
    name="list_files",
    description="Lists files.",
    parameters=msgspec.Raw(b'{"type":"object","properties":{"path":{"type":"string"}}}'),
)
SPEC = {
    "toolSpec": {
        "name": "list_files",
        "description": "Lists files.",
        "inputSchema": {"json": {"type": "object", "properties": {"path": {"type": "string"}}}},
    }
}


def called(tool_id: str, arguments: str = "{}", name: str = "list_files") -> ToolCalled:
    return ToolCalled(agent_id="main", tool_id=tool_id, tool_name=name, arguments=arguments)


def thought(block: str, provider: str = "bedrock") -> Thought:
    return Thought(agent_id="main", provider=provider, block=block)


SIGNED = '{"reasoningContent":{"reasoningText":{"text":"Hm.","signature":"c2ln"}}}'

TALK: tuple[Message, ...] = (
    User("List /tmp and /var.", (PNG_URL,)),
    Assistant(
        "One moment.",
        (called("a", '{"path": "/tmp"}'), called("b", '{"path": "/var", "deep": 1.50}')),
        (thought(SIGNED), thought('{"type":"thinking"}', "anthropic")),
    ),
    ToolReply("a", "list_files", "x.txt"),
    ToolReply("b", "list_files", "", (PNG_URL,)),
    Assistant("x.txt and nothing."),
    User("Thanks."),
)


def body(
    *messages: Message,
    system: str = "",
    tools: tuple[ToolSpec, ...] = (),
    options: Options | None = None,
    **settings: Any,
) -> dict[str, Any]:
    prompt = Prompt(
        agent_id="main",
        system=system,
        messages=messages,
        tools=tools,
        options=options or Options(),
    )
    return msgspec.json.decode(request_body(prompt, Settings(**settings)))


def sent(*messages: Message, **settings: Any) -> list[Any]:
    return body(*messages, tools=(TOOL,), **settings)["messages"]


def user(*content: object) -> dict[str, object]:
    return {"role": "user", "content": list(content)}


def assistant(*content: object) -> dict[str, object]:
    return {"role": "assistant", "content": list(content)}


def use(tool_id: str, given: object, name: str = "list_files") -> dict[str, object]:
    return {"toolUse": {"toolUseId": tool_id, "name": name, "input": given}}


def result(tool_id: str, *content: object) -> dict[str, object]:
    return {"toolResult": {"toolUseId": tool_id, "content": list(content)}}


FULL: dict[str, Any] = {
    "system": [{"text": "Be brief."}],
    "messages": [
        user({"text": "List /tmp and /var."}, IMAGE),
        assistant(
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
            {"text": "One moment."},
            use("a", {"path": "/tmp"}),
            use("b", {"path": "/var", "deep": 1.5}),
        ),
        user(result("a", {"text": "x.txt"}), result("b", {"text": ""}, IMAGE)),
        assistant({"text": "x.txt and nothing."}),
        user({"text": "Thanks."}),
    ],
    "inferenceConfig": {
        "maxTokens": 100,
        "temperature": 0.0,
        "topP": 0.5,
        "stopSequences": ["END"],
    },
    "toolConfig": {"tools": [SPEC], "toolChoice": {"tool": {"name": "list_files"}}},
    "outputConfig": {
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "files"}},
        }
    },
    "additionalModelRequestFields": {"top_k": 5},
}


def full() -> bytes:
    choice = msgspec.Raw(b'{"type":"function","function":{"name":"list_files"}}')
    form = b'{"type":"json_schema","json_schema":{"name":"files","schema":{"type":"object"}}}'
    options = Options(
        max_tokens=100,
        temperature=0.0,
        top_p=0.5,
        seed=7,
        stop=("END",),
        response_format=msgspec.Raw(form),
        tool_choice=choice,
        parallel_tool_calls=False,
    )
    prompt = Prompt(
        agent_id="main", system="Be brief.", messages=TALK, tools=(TOOL,), options=options
    )
    settings = Settings(
        temperature=0.9, max_tokens=500, tool_images=True, additional_params={"top_k": 5}
    )
    return request_body(prompt, settings)


def test_the_whole_conversation() -> None:
    assert msgspec.json.decode(full()) == FULL


def test_botocore_would_send_the_same() -> None:
    model = Session().get_service_model("bedrock-runtime")
    operation = model.operation_model("ConverseStream")
    parameters = {"modelId": "anthropic.claude", **with_bytes(FULL)}
    report = ParamValidator().validate(parameters, operation.input_shape)
    assert report.generate_report() == ""
    request = create_serializer("rest-json").serialize_to_request(parameters, operation)
    assert msgspec.json.decode(request["body"]) == msgspec.json.decode(full())


def with_bytes(value: Any) -> Any:
    """The value with the bytes of images, which botocore encodes itself."""
    match value:
        case {"bytes": str(data)}:
            return {"bytes": base64.b64decode(data)}
        case dict():
            return {name: with_bytes(each) for name, each in value.items()}
        case list():
            return [with_bytes(each) for each in value]
        case _:
            return value


def test_the_least_request() -> None:
    assert body(User("Hi")) == {"messages": [user({"text": "Hi"})]}


@pytest.mark.parametrize(("asked", "limit"), [(None, 9), (5, 5), (50, 9)])
def test_nobody_gets_more_tokens_than_the_operator_allows(asked: int | None, limit: int) -> None:
    request = body(User("Hi"), options=Options(max_tokens=asked), max_tokens=9)
    assert request["inferenceConfig"] == {"maxTokens": limit}


def test_a_temperature_that_was_asked_for_wins() -> None:
    assert body(User("Hi"), temperature=0.9)["inferenceConfig"] == {"temperature": 0.9}
    request = body(User("Hi"), options=Options(temperature=0.0), temperature=0.9)
    assert request["inferenceConfig"] == {"temperature": 0.0}


@pytest.mark.parametrize(
    "fields", [{"max_tokens": 3, "temperature": 1}, {"top_p": 1, "stop_sequences": ["x"]}]
)
def test_what_the_additional_parameters_say_is_not_said_twice(fields: dict[str, Any]) -> None:
    options = Options(max_tokens=1, temperature=0.5, top_p=0.5, stop=("a",))
    request = body(User("Hi"), options=options, additional_params=fields)
    assert request["additionalModelRequestFields"] == fields
    assert len(request["inferenceConfig"]) == 2


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        (b'"auto"', None),
        (b'"required"', {"any": {}}),
        (b'{"type":"function","function":{"name":"add"}}', {"tool": {"name": "add"}}),
        (b'{"type":"something_new"}', None),
    ],
)
def test_which_tools_may_be_chosen(asked: bytes, choice: object) -> None:
    options = Options(tool_choice=msgspec.Raw(asked))
    request = body(User("Hi"), tools=(TOOL,), options=options)
    assert request["toolConfig"].get("toolChoice") == choice


@pytest.mark.parametrize(
    "form", [b'{"type":"text"}', b'{"type":"json_object"}', b'{"type":"json_schema"}']
)
def test_a_form_of_the_answer_that_bedrock_does_not_know(form: bytes) -> None:
    options = Options(response_format=msgspec.Raw(form))
    assert "outputConfig" not in body(User("Hi"), options=options)


def test_a_tool_without_words() -> None:
    tool = msgspec.structs.replace(TOOL, description="")
    (spec,) = body(User("Hi"), tools=(tool,))["toolConfig"]["tools"]
    assert spec["toolSpec"].keys() == {"name", "inputSchema"}


RETOLD = [
    user({"text": "List /tmp and /var."}, IMAGE),
    assistant(
        {
            "text": 'One moment.\n[called list_files with {"path": "/tmp"}]\n'
            '[called list_files with {"path": "/var", "deep": 1.50}]'
        }
    ),
    user({"text": "[list_files answered]\nx.txt"}, {"text": "[list_files answered]\n"}),
    assistant({"text": "x.txt and nothing."}),
    user({"text": "Thanks."}),
]


def test_without_tools_the_calls_are_retold() -> None:
    assert body(*TALK) == {"messages": RETOLD}


def test_forbidden_tools_are_not_offered() -> None:
    options = Options(tool_choice=msgspec.Raw(b'"none"'))
    assert body(*TALK, tools=(TOOL,), options=options) == {"messages": RETOLD}


def test_images_of_tools_are_only_retold_to_those_who_see() -> None:
    retold = body(*TALK, tool_images=True)["messages"][2]
    assert retold["content"][-1] == IMAGE
    assert sent(*TALK)[2] == user(result("a", {"text": "x.txt"}), result("b", {"text": ""}))


def test_results_and_what_a_user_says_then_are_one_message() -> None:
    talk = (Assistant("", (called("a"),)), ToolReply("a", "list_files", "x"), User("Stop."))
    assert sent(User("Hi"), *talk) == [
        user({"text": "Hi"}),
        assistant(use("a", {})),
        user(result("a", {"text": "x"}), {"text": "Stop."}),
    ]


def test_nothing_empty_is_sent() -> None:
    talk = (User("Hi"), Assistant(" \n"), User(""), Assistant("", (), (thought(SIGNED),)))
    assert body(*talk, User("You?"), system=" ") == {
        "messages": [user({"text": "Hi"}, {"text": "You?"})]
    }


def test_a_conversation_begins_with_a_user() -> None:
    assert sent(Assistant("Welcome!"), User("Hi")) == [
        user({"text": OPENING}),
        assistant({"text": "Welcome!"}),
        user({"text": "Hi"}),
    ]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        (" ", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": ', {"arguments": '{"a": '}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_arguments_are_an_object(arguments: str, given: object) -> None:
    assert sent(User("Hi"), Assistant("", (called("a", arguments),)))[1] == assistant(
        use("a", given)
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("functions.add:0", "functions.add:0"),
        ("call/1 ä", "call_1__"),
        ("x" * 70 + "y", "x" * 63 + "y"),
        ("", "_"),
    ],
)
def test_ids_of_other_providers_are_made_to_fit(theirs: str, ours: str) -> None:
    talk = sent(User("Hi"), Assistant("", (called(theirs),)), ToolReply(theirs, "list_files", "x"))
    assert talk[1:] == [assistant(use(ours, {})), user(result(ours, {"text": "x"}))]


@pytest.mark.parametrize(
    ("url", "image"),
    [
        ("data:image/jpg;base64,QUJD", ("jpeg", "QUJD")),
        ("DATA:image/JPEG;base64,QUJD", ("jpeg", "QUJD")),
        ("data:image/gif;name=a;base64,QUJD", ("gif", "QUJD")),
        ("data:image/webp;base64,QUI%2B", ("webp", "QUI+")),
        ("data:image/png,A%00B", ("png", "QQBC")),
    ],
)
def test_images_are_bytes(url: str, image: tuple[str, str]) -> None:
    kind, data = image
    block = {"image": {"format": kind, "source": {"bytes": data}}}
    assert sent(User("", (url,))) == [user(block)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.org/a.png", "https://example.org/a.png"),
        ("data:image/svg+xml,<svg/>", "only PNG, JPEG, GIF and WebP"),
        ("data:image/png", "only PNG, JPEG, GIF and WebP"),
    ],
)
def test_an_image_that_cannot_be_sent_is_spoken_of(url: str, words: str) -> None:
    ((first, second),) = (message["content"] for message in sent(User("Look", (url,))))
    assert first == {"text": "Look"}
    assert words in second["text"]
