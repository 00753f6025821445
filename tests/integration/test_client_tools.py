"""Tools that run on the client, driven by the loops of clients of the world, unchanged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai import OpenAI, pydantic_function_tool
from pydantic import BaseModel

from tests.support.processes import NODE_FOLDER, Processes

TOOL_SERVER = str(Path(__file__).parents[1] / "support" / "mcp" / "server.py")

AGENT = f"""
[agent]
name = "tester"
system_prompt = "Be brief."
turn_depth = 2
enable_client_tools = true
client_tool_filter = ["Order", "Clock", "Do*", "echo"]

[agent.llm]
provider = "scripted"
script = "tester.toml"

[mcp.servers.test]
transport = "stdio"
cmd = {json.dumps([sys.executable, TOOL_SERVER])}
"""

REPLIES = """
[[reply]]
when = { message = "an offer", offers = "FormatDisk" }
text = "I could format the disk."

[[reply]]
when = { message = "an offer", offers = "Order" }
text = "I could order."

[[reply]]
when = { message = "an order", offers = "Order" }
calls = [{ name = "Order", arguments = %(order)s }]

[[reply]]
when = { message = "an order", tool = "Order" }
text = "Ordered ${result}."

[[reply]]
when = { message = "two at once", offers = "Door" }
reasoning = "Both can be done at once."
text = "Let me see."
calls = [{ name = "Door", arguments = { name = "north" } }, { name = "Clock" }]

[[reply]]
when = { message = "two at once", tool = "Clock" }
text = "${result.Clock}, and ${result.Door}."

[[reply]]
when = { message = "both kinds", offers = "Order" }
text = "One moment."
calls = [
    { name = "Clock" },
    { name = "echo", arguments = { text = "of the server" } },
    { name = "Order", arguments = %(order)s },
]

[[reply]]
when = { message = "both kinds", tool = "Order" }
text = "${results}"

[[reply]]
when = { message = "the server first", offers = "echo" }
calls = [{ name = "echo", arguments = { text = "of the server" } }]

[[reply]]
when = { message = "the server first", tool = "echo" }
calls = [{ name = "Clock" }]

[[reply]]
when = { message = "the server first", tool = "Clock" }
text = "${results}"

[[reply]]
when = { message = "round after round", offers = "Clock" }
calls = [{ name = "Clock" }]

[[reply]]
when = { message = "round after round", tool = "Clock" }
calls = [
    { name = "echo", arguments = { text = "heard ${result}" } },
    { name = "Order", arguments = %(order)s },
]

[[reply]]
when = { message = "round after round", tool = "Order" }
calls = [{ name = "Door", arguments = { name = "south" } }]

[[reply]]
when = { message = "round after round", tool = "Door" }
text = "${results}"

[[reply]]
when = { message = "the server alone", offers = "Order" }
calls = [{ name = "echo", arguments = { text = "of the server" } }]

[[reply]]
when = { message = "the server alone", tool = "echo" }
text = "Heard ${result}."
"""

ORDER = """{ customer = { name = 'Zoë “Ŝ\\', tags = ["🙂", ""] }, \
count = 9007199254740991, price = 0.1, note = "a\\nb" }"""

COST = "usage = { prompt = 10, completion = 2 }"

SCRIPT = (REPLIES % {"order": ORDER}).replace("[[reply]]", f"[[reply]]\n{COST}")


class Customer(BaseModel):
    name: str
    tags: list[str]


class Order(BaseModel):
    """Order something for a customer."""

    customer: Customer
    count: int
    price: float
    note: str | None

    def run(self) -> str:
        return f"{self.count} for {self.customer.name}"


class Clock(BaseModel):
    """Tell the time."""

    def run(self) -> str:
        return "12:00"


class StuckError(Exception):
    pass


class Door(BaseModel):
    """Open a door."""

    name: str

    def run(self) -> str:
        raise StuckError(f"the {self.name} door is stuck")


TOOLS: dict[str, Any] = {"Order": Order, "Clock": Clock, "Door": Door}
REFUSED = pydantic_function_tool(Clock, name="FormatDisk")
OFFERED = [*(pydantic_function_tool(tool) for tool in TOOLS.values()), REFUSED]
COLLIDING = [pydantic_function_tool(Clock, name="echo")]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a loop came to: the answer, what was run on the client, how each request ended and
    what all of them were billed."""

    text: str | None
    ran: list[tuple[str, dict[str, Any]]]
    finishes: list[str]
    tokens: int


ARGUMENTS = {
    "customer": {"name": "Zoë “Ŝ\\", "tags": ["🙂", ""]},
    "count": 9007199254740991,
    "price": 0.1,
    "note": "a\nb",
}
ORDERED = "9007199254740991 for Zoë “Ŝ\\"

CONVERSATIONS = {
    "an order": Seen(
        f"Ordered {ORDERED}.", [("Order", ARGUMENTS)], ["tool_calls", "stop"], tokens=24
    ),
    "two at once": Seen(
        "12:00, and the north door is stuck.",
        [("Door", {"name": "north"}), ("Clock", {})],
        ["tool_calls", "stop"],
        tokens=24,
    ),
    "both kinds": Seen(
        f"12:00\nof the server\n{ORDERED}",
        [("Clock", {}), ("Order", ARGUMENTS)],
        ["tool_calls", "stop"],
        tokens=24,
    ),
    "the server first": Seen(
        "of the server\n12:00", [("Clock", {})], ["tool_calls", "stop"], tokens=36
    ),
    "round after round": Seen(
        f"12:00\nheard 12:00\n{ORDERED}\nthe south door is stuck",
        [("Clock", {}), ("Order", ARGUMENTS), ("Door", {"name": "south"})],
        ["tool_calls", "tool_calls", "tool_calls", "stop"],
        tokens=48,
    ),
    "the server alone": Seen("Heard of the server.", [], ["stop"], tokens=24),
    "an offer": Seen("I could order.", [], ["stop"], tokens=12),
}
"""What is asked, and what comes of it whoever asks."""

MODES = {
    "silent, open-web-ui, session": ("open-web-ui", "none", "cs_mine"),
    "events, open-web-ui": ("open-web-ui", "all", None),
    "events, session": ("none", "all", "cs_mine"),
    "silent": ("none", "none", None),
}


@dataclass(frozen=True, slots=True)
class Setup:
    """A server of ours, the headers of those who ask it, and clients that send them."""

    url: str
    headers: dict[str, str]
    openai: OpenAI
    langchain: ChatOpenAI


@pytest.fixture(scope="module")
def urls(shared: Processes) -> dict[str, str]:
    """A server for each way to show the results of tools."""
    files = {"agents/tester.toml": AGENT, "tester.toml": SCRIPT}
    return {
        results: shared.serve(files, "--tool-result-mode", results).url
        for results in ("none", "open-web-ui")
    }


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES)
def setup(request: pytest.FixtureRequest, urls: dict[str, str]) -> Iterator[Setup]:
    results, events, session = request.param
    url = urls[results]
    named = {"X-Chat-Session-Id": session} if session else {}
    headers = {"X-Aura-Events": events, **named}
    reached: dict[str, Any] = {
        "api_key": "none",
        "base_url": f"{url}/v1",
        "max_retries": 0,
        "default_headers": headers,
    }
    with OpenAI(**reached) as client:
        yield Setup(url, headers, client, ChatOpenAI(model="tester", **reached))


# Loops by hand


MOST_REQUESTS = 5
"""More than any conversation needs."""


class Step(NamedTuple):
    """One answer: the message to send back, its text and calls, how it ended, what it cost."""

    message: Any
    text: str | None
    calls: list[tuple[str, str, dict[str, Any]]]
    finish: str
    tokens: int


Ask = Callable[[list[Any]], Step]
Loop = Callable[[Setup, str, list[Any]], Seen]


def looped(ask: Ask, messages: list[Any], reply: Callable[[str, str], Any]) -> Seen:
    """Ask, run what is asked for, ask again."""
    seen = Seen(None, [], [], 0)
    for _ in range(MOST_REQUESTS):
        step = ask(messages)
        seen = Seen(
            step.text,
            [*seen.ran, *((name, arguments) for _, name, arguments in step.calls)],
            [*seen.finishes, step.finish],
            seen.tokens + step.tokens,
        )
        if not step.calls:
            break
        messages.append(step.message)
        messages.extend(reply(each, run(name, given)) for each, name, given in step.calls)
    return seen


def run(name: str, arguments: dict[str, Any]) -> str:
    try:
        return str(TOOLS[name](**arguments).run())
    except StuckError as error:
        return str(error)


def openai_loop(ask: Callable[..., Step]) -> Loop:
    def loop(setup: Setup, question: str, tools: list[Any]) -> Seen:
        def asked(messages: list[Any]) -> Step:
            completions = setup.openai.chat.completions
            return ask(completions, model="tester", messages=messages, tools=tools)

        def reply(tool_id: str, result: str) -> Any:
            return {"role": "tool", "tool_call_id": tool_id, "content": result}

        return looped(asked, [{"role": "user", "content": question}], reply)

    return loop


def python_json(completions: Any, **request: Any) -> Step:
    return python_step(completions.create(**request))


def python_parse(completions: Any, **request: Any) -> Step:
    return parsed_step(completions.parse(**request))


def python_helper(completions: Any, **request: Any) -> Step:
    with completions.stream(**request) as stream:
        return parsed_step(stream.get_final_completion())


def python_chunks(completions: Any, **request: Any) -> Step:
    text, finish, tokens = "", "", 0
    calls: dict[int, dict[str, Any]] = {}
    for chunk in completions.create(**request, stream=True):
        tokens += chunk.usage.total_tokens if chunk.usage else 0
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or ():
                function = {"name": piece.function.name, "arguments": ""}
                call = {"id": piece.id, "type": piece.type, "function": function}
                known = calls.setdefault(piece.index, call)["function"]
                known["arguments"] += piece.function.arguments or ""
    message = {"role": "assistant", "content": text or None, "tool_calls": list(calls.values())}
    asked = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in calls.values()
    ]
    return Step(message, text, asked, finish, tokens)


def python_step(completion: Any) -> Step:
    (choice,) = completion.choices
    calls = [
        (call.id, call.function.name, json.loads(call.function.arguments))
        for call in choice.message.tool_calls or ()
    ]
    tokens = completion.usage.total_tokens
    return Step(choice.message, choice.message.content, calls, choice.finish_reason, tokens)


def parsed_step(completion: Any) -> Step:
    """The same, of a completion whose calls the SDK has turned into instances of the models."""
    step = python_step(completion)
    parsed = [call.function.parsed_arguments for call in step.message.tool_calls or ()]
    assert parsed == [TOOLS[name](**arguments) for _, name, arguments in step.calls]
    return step


def langchain_loop(ask: Callable[[Any, list[BaseMessage]], Any]) -> Loop:
    def loop(setup: Setup, question: str, tools: list[Any]) -> Seen:
        model = setup.langchain.bind_tools(tools)

        def asked(messages: list[Any]) -> Step:
            message = ask(model, messages)
            calls = [(call["id"], call["name"], call["args"]) for call in message.tool_calls]
            finish = message.response_metadata["finish_reason"]
            tokens = message.usage_metadata["total_tokens"]
            return Step(message, message.content, calls, finish, tokens)

        def reply(tool_id: str, result: str) -> Any:
            return ToolMessage(result, tool_call_id=tool_id)

        return looped(asked, [HumanMessage(question)], reply)

    return loop


def langchain_stream(model: Any, messages: list[BaseMessage]) -> Any:
    first, *more = model.stream(messages)
    return sum(more, first)


def langchain_invoke(model: Any, messages: list[BaseMessage]) -> Any:
    return model.invoke(messages)


BY_HAND = {
    "openai python, chunks": openai_loop(python_chunks),
    "openai python, helper": openai_loop(python_helper),
    "openai python, JSON": openai_loop(python_json),
    "openai python, parse": openai_loop(python_parse),
    "langchain, stream": langchain_loop(langchain_stream),
    "langchain, invoke": langchain_loop(langchain_invoke),
}


@pytest.mark.parametrize("question", CONVERSATIONS)
@pytest.mark.parametrize("name", BY_HAND)
def test_a_loop_by_hand(setup: Setup, name: str, question: str) -> None:
    assert BY_HAND[name](setup, question, OFFERED) == CONVERSATIONS[question]


@pytest.mark.parametrize("name", BY_HAND)
def test_a_name_that_the_server_has_itself_is_a_bad_request(setup: Setup, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        BY_HAND[name](setup, "an order", COLLIDING)

    assert caught.value.code == "tool_name_collision"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "JSON"])
def test_a_tool_that_the_filter_refuses_is_named(setup: Setup, stream: bool) -> None:
    answer = setup.openai.chat.completions.with_raw_response.create(
        model="tester",
        messages=[{"role": "user", "content": "an offer"}],
        tools=OFFERED,
        stream=stream,
    )

    assert answer.headers["x-aura-ignored"] == "tools[FormatDisk]"


def test_calls_add_up_as_the_guide_of_openai_adds_them(setup: Setup) -> None:
    """The first piece of a call is kept, and then added like every other."""
    calls: dict[int, Any] = {}
    for chunk in setup.openai.chat.completions.create(
        model="tester",
        messages=[{"role": "user", "content": "an order"}],
        tools=OFFERED,
        stream=True,
    ):
        for piece in (each for choice in chunk.choices for each in choice.delta.tool_calls or ()):
            kept = calls.setdefault(piece.index, piece)
            kept.function.arguments += piece.function.arguments

    assert [json.loads(call.function.arguments) for call in calls.values()] == [ARGUMENTS]


# Loops of the SDKs


BY_SDK = {
    "openai js, runTools, stream": ("client_tools_openai.mjs", "stream"),
    "openai js, runTools, JSON": ("client_tools_openai.mjs", "json"),
    "AI SDK, streamText": ("client_tools_ai.mjs", "stream"),
    "AI SDK, generateText": ("client_tools_ai.mjs", "generate"),
}

BAD_REQUESTS = {
    "client_tools_openai.mjs": "BadRequestError",
    "client_tools_ai.mjs": "AI_APICallError",
}
"""What each SDK calls an answer of status 400."""


@pytest.fixture(scope="module")
def told(setup: Setup, node: str) -> dict[str, Any]:
    """What each script says to everything, by way and question."""
    return {script: javascript(setup, node, script) for script in BAD_REQUESTS}


def javascript(setup: Setup, node: str, script: str) -> Any:
    questions = [*((question, OFFERED) for question in CONVERSATIONS), ("a collision", COLLIDING)]
    job = {"url": setup.url, "headers": setup.headers, "questions": questions}
    ran = subprocess.run(
        [node, script, json.dumps(job)],
        cwd=NODE_FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("question", CONVERSATIONS)
@pytest.mark.parametrize("name", BY_SDK)
def test_the_loop_of_an_sdk(told: dict[str, Any], name: str, question: str) -> None:
    script, way = BY_SDK[name]
    seen = told[script][way][question]

    assert "failure" not in seen
    ran = [(tool, arguments) for tool, arguments in seen["ran"]]
    assert Seen(**seen | {"ran": ran}) == CONVERSATIONS[question]


@pytest.mark.parametrize("name", BY_SDK)
def test_a_name_that_the_server_has_itself_is_an_error_of_the_sdk(
    told: dict[str, Any], name: str
) -> None:
    script, way = BY_SDK[name]

    failure = {"kind": BAD_REQUESTS[script], "status": 400, "code": "tool_name_collision"}
    assert told[script][way]["a collision"] == {"ran": [], "failure": failure}
