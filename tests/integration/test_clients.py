"""Clients of the world, unchanged, against a server of ours whose model and tools are theirs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from langchain_openai import ChatOpenAI
from openai import OpenAI
from openai.types import CompletionUsage

from tests.support.processes import NODE_FOLDER, Processes, Running, everything_over_stdio

TEXT = "One moment.\n\nThe tool was heard: “hello from the tool”. Nothing was lost on the way 🙂."
USAGE = {"prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130}

AGENT = """
[agent]
name = "tester"
system_prompt = "Be brief."

[agent.llm]
provider = "openai"
model = "gpt-test"
api_key = "not-a-key"
base_url = "{model}/v1"

[mcp.servers.everything]
{tools}
"""

STDIO = 'transport = "stdio"\ncmd = {command}'
HTTP = 'transport = "http_streamable"\nurl = "{url}/mcp"'

MODES = {
    "events, stdio": ("stdio", "true", "none"),
    "silent, open-web-ui, stdio": ("stdio", "false", "open-web-ui"),
    "events, open-web-ui, http": ("http", "true", "open-web-ui"),
}


@dataclass(frozen=True, slots=True)
class Setup:
    """A server of ours, and the model behind it."""

    aura: Running
    model: Running
    node: str

    def heard(self, question: str) -> list[dict[str, Any]]:
        """The requests that reached the model about this question."""
        journal = httpx2.get(f"{self.model.url}/__aimock/journal").json()
        asked = [entry["body"] for entry in journal]
        return [body for body in asked if _said(body, "user") == [question]]


def _said(body: dict[str, Any], role: str) -> list[str]:
    return [message["content"] for message in body["messages"] if message["role"] == role]


@pytest.fixture(scope="session")
def model(shared: Processes, node: str) -> Running:
    return shared.aimock(node, NODE_FOLDER / "replies.json")


@pytest.fixture(scope="session", params=MODES.values(), ids=MODES)
def setup(request: pytest.FixtureRequest, shared: Processes, model: Running, node: str) -> Setup:
    transport, events, results = request.param
    if transport == "stdio":
        tools = STDIO.format(command=json.dumps(everything_over_stdio(node)))
    else:
        tools = HTTP.format(url=shared.everything(node).url)
    files = {"agents/tester.toml": AGENT.format(model=model.url, tools=tools)}
    options = ("--aura-custom-events", events, "--tool-result-mode", results)
    return Setup(shared.serve(files, *options), model, node)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client made of the answer."""

    text: str | None
    finish: str | None
    usage: dict[str, int]


def openai(url: str) -> OpenAI:
    return OpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)


def counted(usage: CompletionUsage | None) -> dict[str, int]:
    return {} if usage is None else {name: getattr(usage, name) for name in USAGE}


def python_raw(setup: Setup, question: str) -> Seen:
    text, finish, usage = "", None, None
    stream = openai(setup.aura.url).chat.completions.create(
        model="tester", messages=[{"role": "user", "content": question}], stream=True
    )
    for chunk in stream:
        assert isinstance(chunk.choices, list)
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return Seen(text, finish, counted(usage))


def python_helper(setup: Setup, question: str) -> Seen:
    with openai(setup.aura.url).chat.completions.stream(
        model="tester", messages=[{"role": "user", "content": question}]
    ) as stream:
        stream.until_done()
        completion = stream.get_final_completion()
    return python_summary(completion)


def python_json(setup: Setup, question: str) -> Seen:
    return python_summary(
        openai(setup.aura.url).chat.completions.create(
            model="tester", messages=[{"role": "user", "content": question}]
        )
    )


def python_summary(completion: Any) -> Seen:
    (choice,) = completion.choices
    return Seen(choice.message.content, choice.finish_reason, counted(completion.usage))


def langchain(setup: Setup) -> ChatOpenAI:
    url = f"{setup.aura.url}/v1"
    return ChatOpenAI(model="tester", api_key="none", base_url=url, max_retries=0)


def langchain_stream(setup: Setup, question: str) -> Seen:
    first, *more = langchain(setup).stream(question)
    return langchain_summary(sum(more, first))


def langchain_invoke(setup: Setup, question: str) -> Seen:
    return langchain_summary(langchain(setup).invoke(question))


def langchain_summary(message: Any) -> Seen:
    names = {
        "prompt_tokens": "input_tokens",
        "completion_tokens": "output_tokens",
        "total_tokens": "total_tokens",
    }
    usage = {name: message.usage_metadata[theirs] for name, theirs in names.items()}
    return Seen(message.content, message.response_metadata["finish_reason"], usage)


def javascript(script: str, way: str) -> Callable[[Setup, str], Seen]:
    def ask(setup: Setup, question: str) -> Seen:
        ran = subprocess.run(
            [setup.node, script, setup.aura.url, question, way],
            cwd=NODE_FOLDER,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        seen = json.loads(ran.stdout)
        assert seen["failure"] is None
        assert seen.get("without_choices", 0) == 0
        usage = {name: seen["usage"][name] for name in USAGE}
        return Seen(seen["text"], seen["finish"], usage)

    return ask


CLIENTS = {
    "openai python, chunks": python_raw,
    "openai python, helper": python_helper,
    "openai python, JSON": python_json,
    "openai js, chunks": javascript("openai.mjs", "raw"),
    "openai js, helper": javascript("openai.mjs", "stream"),
    "openai js, JSON": javascript("openai.mjs", "json"),
    "AI SDK, streamText": javascript("ai.mjs", "stream"),
    "AI SDK, generateText": javascript("ai.mjs", "generate"),
    "langchain, stream": langchain_stream,
    "langchain, invoke": langchain_invoke,
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_gets_the_whole_answer_of_a_run_with_a_tool(
    setup: Setup, name: str, request: pytest.FixtureRequest
) -> None:
    question = f"Please echo for {request.node.name}."

    assert CLIENTS[name](setup, question) == Seen(TEXT, "stop", USAGE)

    first, second = setup.heard(question)
    assert _said(first, "tool") == []
    assert _said(second, "tool") == ["Echo: hello from the tool"]


def test_langchain_counts_usage_once_when_it_asks_for_it(setup: Setup) -> None:
    first, *more = langchain(setup).stream("Please echo, and count.", stream_usage=True)

    assert langchain_summary(sum(more, first)) == Seen(TEXT, "stop", USAGE)


def test_a_runner_of_client_tools_leaves_those_of_the_server_alone(setup: Setup) -> None:
    ask = javascript("openai.mjs", "runner")

    assert ask(setup, "Please echo for a runner.") == Seen(TEXT, "stop", USAGE)


def test_a_response_format_reaches_the_model(setup: Setup) -> None:
    completion = openai(setup.aura.url).chat.completions.create(
        model="tester",
        messages=[{"role": "user", "content": "How is the weather?"}],
        response_format={"type": "json_object"},
    )

    assert json.loads(completion.choices[0].message.content) == {"weather": "fine"}
