"""Our request against the one that the anthropic SDK sends for the same conversation."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest

from aura.adapters.models._anthropic_messages import Said, Settings, left_out, request_body
from aura.errors import Rejected
from aura.events import Thought, ToolCalled
from aura.pipeline.ports import Assistant, Message, Options, Prompt, ToolReply, ToolSpec, User
from tests.adapters.models.messages import kept
from tests.adapters.models.server import END, HEAD, Connection, serving

PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOL = ToolSpec("list_files", "Lists files", msgspec.Raw(msgspec.json.encode(PARAMETERS)))
OTHER = ToolSpec("now", "", msgspec.Raw(b'{"type":"object"}'))
CALL = ToolCalled(
    agent_id="main", tool_id="call_1", tool_name="list_files", arguments='{"path": "/tmp"}'
)
SIGNED = {"type": "thinking", "thinking": "Hm", "signature": "s"}
TALK: tuple[Message, ...] = (
    User("What is in /tmp?"),
    Assistant("Let me look.", (CALL,), (kept(SIGNED),)),
    ToolReply("call_1", "list_files", "a.txt", ("data:image/png;base64,BBBB",)),
    Assistant("One file: a.txt"),
    User("And here?", ("data:image/png;base64,AAAA", "https://example.org/a.png")),
)
CACHED = {"cache_control": {"type": "ephemeral"}}


def prompt(
    *messages: Message,
    system: str = "",
    tools: tuple[ToolSpec, ...] = (),
    **options: Any,
) -> Prompt:
    return Prompt(
        agent_id="main", system=system, messages=messages, tools=tools, options=Options(**options)
    )


def settings(model: str = "claude-sonnet-4-0", **given: Any) -> Settings:
    return Settings(model=model, **given)


def body(asked: Prompt, configured: Settings | None = None, said: Said | None = None) -> Any:
    return msgspec.json.decode(request_body(asked, configured or settings(), said or Said()))


def content(*messages: Message) -> list[Any]:
    """The content of the only turn, without the mark for the cache."""
    [turn] = body(prompt(*messages))["messages"]
    return [unmarked(block) for block in turn["content"]]


def unmarked(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


def marks(value: object) -> int:
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(map(marks, value.values()))
    return sum(map(marks, value)) if isinstance(value, list) else 0


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def shape(name: str) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": {"type": "object"}}}


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_request_is_the_one_of_the_sdk() -> None:
    """What is sent beside it: the key as `x-api-key`, the older version, `temperature`."""
    anthropic = pytest.importorskip("anthropic")
    seen: list[Connection] = []

    async def answer(connection: Connection) -> None:
        seen.append(connection)
        await connection.send(HEAD + END)

    async with (
        serving(answer) as url,
        httpx2.AsyncClient(trust_env=False) as http,
        anthropic.AsyncAnthropic(api_key="k", base_url=url, http_client=http) as client,
    ):
        stream = await client.messages.create(
            model="claude-sonnet-4-0",
            max_tokens=2000,
            system=[{"type": "text", "text": "Be brief.", **CACHED}],
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "What is in /tmp?"}]},
                {
                    "role": "assistant",
                    "content": [
                        SIGNED,
                        {"type": "text", "text": "Let me look."},
                        {
                            "type": "tool_use",
                            "id": "call_1",
                            "name": "list_files",
                            "input": {"path": "/tmp"},
                        },
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "call_1",
                            "content": [
                                {"type": "text", "text": "a.txt"},
                                {
                                    "type": "image",
                                    "source": {
                                        "type": "base64",
                                        "media_type": "image/png",
                                        "data": "BBBB",
                                    },
                                },
                            ],
                            **CACHED,
                        },
                    ],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "One file: a.txt"}]},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": "AAAA",
                            },
                        },
                        {
                            "type": "image",
                            "source": {"type": "url", "url": "https://example.org/a.png"},
                        },
                        {"type": "text", "text": "And here?", **CACHED},
                    ],
                },
            ],
            tools=[
                {
                    "name": "list_files",
                    "description": "Lists files",
                    "input_schema": PARAMETERS,
                    "strict": True,
                    **CACHED,
                }
            ],
            tool_choice={"type": "tool", "name": "list_files", "disable_parallel_tool_use": True},
            stop_sequences=["END"],
            output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}},
            stream=True,
            extra_body={"temperature": 0.0, "metadata": {"user_id": "u"}},
        )
        await stream.close()
    options = {
        "max_tokens": 2000,
        "temperature": 0.0,
        "stop": ("END", " "),
        "response_format": raw(shape("x")),
        "tool_choice": raw({"type": "function", "function": {"name": "list_files"}}),
        "parallel_tool_calls": False,
        "seed": 7,
    }
    tool = msgspec.structs.replace(TOOL, strict=True)
    ours = body(
        prompt(*TALK, system="Be brief.", tools=(tool,), **options),
        settings(
            temperature=0.9, max_tokens=5000, additional_params={"metadata": {"user_id": "u"}}
        ),
    )
    assert msgspec.json.decode(seen[0].body) == ours
    assert seen[0].head.startswith("POST /v1/messages ")


def test_the_least_request() -> None:
    assert body(prompt(User("Hi"))) == {
        "model": "claude-sonnet-4-0",
        "max_tokens": 64_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", **CACHED}]}],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-fable-5-2", 128_000),
        ("claude-opus-5", 128_000),
        ("claude-sonnet-4-6", 128_000),
        ("claude-opus-4-8", 128_000),
        ("claude-opus-4-5-20251101", 64_000),
        ("claude-haiku-4-5-20251001", 64_000),
        ("anthropic/claude-sonnet-4.5", 64_000),
        ("claude-sonnet-4-20250514", 64_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-opus-4@20250514", 32_000),
        ("claude-3-7-sonnet-latest", 64_000),
        ("claude-3-5-haiku-20241022", 8192),
        ("claude-3-opus-20240229", 4096),
        ("claude-unknown-9", 8192),
        ("claude-mythos-preview", 8192),
        ("kimi-k2", 8192),
    ],
)
def test_how_long_an_answer_may_get_if_nobody_says(model: str, tokens: int) -> None:
    assert body(prompt(User("Hi")), settings(model))["max_tokens"] == tokens


@pytest.mark.parametrize(("asked", "sent"), [(None, 9000), (5, 5), (50_000, 9000)])
def test_nobody_gets_more_tokens_than_the_operator_allows(asked: int | None, sent: int) -> None:
    asks = prompt(User("Hi"), max_tokens=asked)
    assert body(asks, settings(max_tokens=9000))["max_tokens"] == sent


@pytest.mark.parametrize(
    ("asked", "configured", "sent"),
    [
        (100, 90_000, 10_100),
        (20_000, 90_000, 20_000),
        (9000, 12_000, 12_000),
        (None, 12_000, 12_000),
        (None, None, 18_192),
        (100, None, 10_100),
    ],
)
def test_an_answer_has_room_beside_the_thinking(
    asked: int | None, configured: int | None, sent: int
) -> None:
    thinking = {"type": "enabled", "budget_tokens": 10_000}
    model = settings("kimi-k2", max_tokens=configured, additional_params={"thinking": thinking})
    assert body(prompt(User("Hi"), max_tokens=asked), model)["max_tokens"] == sent


def test_additional_parameters_win_shallowly() -> None:
    extra = {"max_tokens": 3, "temperature": 0.1, "tool_choice": {"type": "any"}, "x": [1]}
    sent = body(
        prompt(User("Hi"), tools=(TOOL,), temperature=0.5, max_tokens=7),
        settings(additional_params=extra),
    )
    assert {name: sent[name] for name in extra} == extra


def test_effort_and_form_are_one_parameter() -> None:
    asked = prompt(User("Hi"), response_format=raw(shape("x")))
    form = {"type": "json_schema", "schema": {"type": "object"}}
    for extra, sent in [
        ({"effort": "low"}, {"effort": "low", "format": form}),
        ({"format": None}, {"format": None}),
        (None, None),
    ]:
        configured = settings(additional_params={"output_config": extra})
        assert body(asked, configured)["output_config"] == sent


@pytest.mark.parametrize("asked", [{"type": "json_object"}, {"type": "text"}, "odd"])
def test_forms_that_this_api_does_not_know_are_left_out(asked: object) -> None:
    assert "output_config" not in body(prompt(User("Hi"), response_format=raw(asked)))


@pytest.mark.parametrize(
    ("asked", "parallel", "sent"),
    [
        (None, None, {"type": "auto"}),
        ("auto", True, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        ({"type": "odd"}, False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_which_tools_the_model_may_call(
    asked: object, parallel: bool | None, sent: dict[str, Any]
) -> None:
    choice = None if asked is None else raw(asked)
    asks = prompt(User("Hi"), tools=(TOOL,), tool_choice=choice, parallel_tool_calls=parallel)
    assert body(asks)["tool_choice"] == sent


def test_a_model_that_thinks_is_not_forced() -> None:
    asked = prompt(User("Hi"), tools=(TOOL,), tool_choice=raw("required"))
    thinks = settings(additional_params={"thinking": {"type": "adaptive"}})
    assert body(asked, thinks)["tool_choice"] == {"type": "auto"}
    assert left_out(asked.options, thinks) == ["tool_choice"]
    assert left_out(asked.options, settings()) == []


def test_without_tools_nothing_is_said_about_them() -> None:
    asked = prompt(*TALK[:3], tool_choice=raw("auto"), parallel_tool_calls=True)
    assert not {"tools", "tool_choice"} & body(asked).keys()


THINKS = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
NOT = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("chosen", "asked", "sent", "missing"),
    [
        (settings(temperature=0.2), {}, {"temperature": 0.2}, []),
        (settings(temperature=0.2, additional_params=NOT), {}, {"temperature": 0.2}, []),
        (settings(temperature=0.2), {"temperature": 1.7}, {"temperature": 1.0}, []),
        (settings(temperature=0.2), {"top_p": 0.5}, {"temperature": 0.2, "top_p": 0.5}, []),
        (
            settings("kimi-k2", temperature=0.2),
            {"top_p": 0.5},
            {"temperature": 0.2, "top_p": 0.5},
            [],
        ),
        (
            settings("claude-haiku-4-5", temperature=0.2),
            {"top_p": 0.5},
            {"top_p": 0.5},
            ["temperature"],
        ),
        (
            settings("claude-sonnet-4-6"),
            {"temperature": 0.1, "top_p": 0.5},
            {"temperature": 0.1},
            ["top_p"],
        ),
        (
            settings(temperature=0.2, additional_params=THINKS),
            {"top_p": 0.5},
            {},
            ["temperature", "top_p"],
        ),
        (settings("claude-opus-4-7", temperature=0.2), {}, {}, ["temperature"]),
        (settings("claude-mythos-preview"), {"top_p": 0.5}, {}, ["top_p"]),
        (settings("claude-sonnet-5"), {}, {}, []),
    ],
)
def test_sampling_as_far_as_the_model_takes_it(
    chosen: Settings, asked: dict[str, float], sent: dict[str, float], missing: list[str]
) -> None:
    asks = prompt(User("Hi"), **asked)
    got = body(asks, chosen)
    assert sent == {name: got[name] for name in ("temperature", "top_p") if name in got}
    assert missing == left_out(asks.options, chosen)


def test_what_is_marked_for_the_cache() -> None:
    """Of two tools the last, the system, and the ends of this request and of the one before."""
    sent = body(prompt(*TALK, system="Be brief.", tools=(TOOL, OTHER)))
    assert [marks(tool) for tool in sent["tools"]] == [0, 1]
    assert marks(sent["system"]) == 1
    assert [marks(turn) for turn in sent["messages"]] == [0, 0, 1, 0, 1]
    assert marks(sent["messages"][-1]["content"][-1]) == 1
    assert sent["tools"][1] == {"name": "now", "input_schema": {"type": "object"}, **CACHED}


def test_the_operators_own_mark_takes_the_place_of_ours() -> None:
    extra = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    sent = body(prompt(*TALK, system="s", tools=(TOOL,)), settings(additional_params=extra))
    assert marks(sent) == 3
    assert marks(sent["messages"]) == 0


def test_neighbours_of_a_role_are_one_turn() -> None:
    other = msgspec.structs.replace(CALL, tool_id="call_2")
    talk = (
        User("a"),
        User("b"),
        Assistant("", (CALL, other)),
        ToolReply("call_1", "list_files", "1"),
        ToolReply("call_2", "list_files", "2"),
        User("c"),
    )
    first, second, third = body(prompt(*talk))["messages"]
    assert [first["role"], second["role"], third["role"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in first["content"]] == ["a", "b"]
    assert [block["id"] for block in second["content"]] == ["call_1", "call_2"]
    kinds = [block["type"] for block in third["content"]]
    assert kinds == ["tool_result", "tool_result", "text"]


@pytest.mark.parametrize(
    "talk",
    [(), (User(" "),), (Assistant("Hi"), User("Ho")), (User(""), Assistant(""), User("\n"))],
)
def test_a_conversation_begins_with_something_of_the_user(talk: tuple[Message, ...]) -> None:
    first = body(prompt(*talk))["messages"][0]
    assert (first["role"], unmarked(first["content"][0])["text"]) == ("user", "(no text)")


def test_messages_without_anything_in_them_are_not_there() -> None:
    talk = (User("a"), Assistant(" "), User("b"), Assistant("", (), (kept(SIGNED),)), User("c"))
    first, second, third = body(prompt(*talk))["messages"]
    assert [len(turn["content"]) for turn in (first, second, third)] == [2, 1, 1]
    assert second["content"] == [SIGNED]


def test_thoughts_of_others_are_left_out() -> None:
    redacted = {"type": "redacted_thinking", "data": "x"}
    theirs = Thought(agent_id="main", provider="bedrock", block="{}")
    said = Assistant("Hi", (), (kept(SIGNED), theirs, kept(redacted)))
    _, turn = body(prompt(User("a"), said))["messages"]
    assert turn["content"] == [SIGNED, redacted, {"type": "text", "text": "Hi"}]


def test_thoughts_are_where_they_were() -> None:
    other = msgspec.structs.replace(CALL, tool_id="call_2")
    places = [{"text": 0, "calls": 0}, {"text": 5, "calls": 0}, {"text": 9, "calls": 1}]
    thoughts = tuple(kept({**SIGNED, "place": place}) for place in places)
    said = Assistant("First then.", (CALL, other), thoughts)
    _, turn = body(prompt(User("a"), said))["messages"]
    shown = [block.get("text") or block.get("id") or block for block in turn["content"]]
    assert shown == [SIGNED, "First", SIGNED, " the", "call_1", SIGNED, "n.", "call_2"]


@pytest.mark.parametrize(
    ("model", "tools", "there"),
    [
        ("claude-fable-5-1", (), False),
        ("claude-mythos-5-2", (), False),
        ("claude-fable-5-1", (TOOL,), True),
        ("claude-fable-5", (), True),
        ("claude-opus-5-5", (), True),
    ],
)
def test_thoughts_that_are_bound_to_tools_are_left_out_without_them(
    model: str, tools: tuple[ToolSpec, ...], there: bool
) -> None:
    sent = body(prompt(*TALK, tools=tools), settings(model))
    assert (SIGNED in sent["messages"][1]["content"]) is there


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": [1, "é"]}', {"a": [1, "é"]}),
        ("", {}),
        ("[1]", {"arguments": "[1]"}),
        ('{"a', {"arguments": '{"a'}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(
    arguments: str, sent: dict[str, Any]
) -> None:
    call = msgspec.structs.replace(CALL, arguments=arguments)
    _, turn = body(prompt(User("a"), Assistant("", (call,))))["messages"]
    assert turn["content"][0]["input"] == sent


def test_ids_of_other_providers_are_written_in_the_letters_that_are_taken() -> None:
    call = msgspec.structs.replace(CALL, tool_id="functions.f:0")
    reply = ToolReply("functions.f:0", "list_files", "")
    _, asked, given = body(prompt(User("a"), Assistant("", (call,)), reply))["messages"]
    assert asked["content"][0]["id"] == "functions_f_0"
    assert [unmarked(block) for block in given["content"]] == [
        {"type": "tool_result", "tool_use_id": "functions_f_0"}
    ]


def image(source: dict[str, str]) -> dict[str, object]:
    return {"type": "image", "source": source}


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("http://x/a.png", {"type": "url", "url": "http://x/a.png"}),
        (
            "data:image/JPG;base64,QUI=",
            {"type": "base64", "media_type": "image/jpeg", "data": "QUI="},
        ),
        (
            "data:image/gif;base64,QUI%3D",
            {"type": "base64", "media_type": "image/gif", "data": "QUI="},
        ),
        ("data:image/webp,AB", {"type": "base64", "media_type": "image/webp", "data": "QUI="}),
    ],
)
def test_images(url: str, source: dict[str, str]) -> None:
    assert content(User("", (url,))) == [image(source)]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("data:image/svg+xml;base64,AAAA", "image/svg"),
        ("ftp://x/a.png", "ftp"),
        ("data:image/png", "image/png"),
    ],
)
def test_an_image_that_cannot_be_shown(url: str, named: str) -> None:
    with pytest.raises(Rejected, match=named) as raised:
        body(prompt(User("Hi", (url,))))
    assert "AAAA" not in str(raised.value)


def test_an_image_of_a_tool_that_cannot_be_shown_is_left_out() -> None:
    reply = ToolReply("call_1", "f", "[Image]", ("data:image/svg+xml;base64,AAAA",))
    [block] = content(reply)
    assert block["content"] == "[Image]"


def test_an_answer_goes_on_after_a_pause() -> None:
    said = Said([raw({"type": "text", "text": "So far"})], "container_1")
    sent = body(prompt(User("Hi")), said=said)
    assert sent["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "So far"}],
    }
    assert (sent["container"], marks(sent["messages"])) == ("container_1", 1)
    skills = {"container": {"skills": [{"skill_id": "pdf"}]}}
    sent = body(prompt(User("Hi")), settings(additional_params=skills), said)
    assert sent["container"] == {"skills": [{"skill_id": "pdf"}], "id": "container_1"}
