"""A team with real processes: provider and tools that others wrote, and an SDK as the client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from aura.pipeline.ports import Outcome
from tests.support.eventually import eventually
from tests.support.mcp.links import PATIENCE, connected, result
from tests.support.mcp.processes import over_http, serving
from tests.support.processes import Processes, Running, everything_over_stdio
from tests.support.wire import frames

TEAM = """
memory_dir = "memory"
[agent]
name = "team"
system_prompt = "You lead a team."
[agent.llm]
provider = "openai"
model = "gpt-test"
api_key = "none"
base_url = "{model}/v1"
[mcp.servers.everything]
transport = "stdio"
cmd = {command}
required = true
[orchestration]
enabled = true
[orchestration.timeouts]
per_call_timeout_secs = 60
[orchestration.worker.echoes]
description = "Echoes"
preamble = "You echo."
mcp_filter = ["echo"]
[orchestration.worker.sums]
description = "Adds"
preamble = "You add."
mcp_filter = ["get-sum", "get_sum"]
[orchestration.worker.sums.llm]
provider = "openai"
model = "gpt-small"
api_key = "none"
base_url = "{model}/v1"
context_window = 32000
"""


def asked_for(tool: str, **arguments: object) -> dict[str, object]:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    call = {"id": f"call_{tool}", "name": tool, "arguments": arguments}
    return {"toolCalls": [call], "usage": usage}


def fixture(said: str, response: dict[str, object], **match: object) -> dict[str, object]:
    return {"match": {"userMessage": said, **match}, "response": response}


def handed_in(text: str) -> dict[str, object]:
    return asked_for("submit_result", summary=text, result=text, confidence="high")


STEPS = [
    {
        "type": "parallel",
        "items": [
            {"type": "task", "task": "Echo hello", "worker": "echoes"},
            {"type": "task", "task": "Add 17 and 25", "worker": "sums"},
        ],
    },
    {"type": "task", "task": "Echo both results", "worker": "echoes"},
]
ANSWER = "The sum is 42, said “hello” 🙂. " * 20
FIXTURES = [
    fixture(
        "<request>",
        asked_for(
            "create_plan",
            goal="Hello and a sum",
            steps=STEPS,
            routing_rationale="tools are needed",
            planning_summary="Two things at once, then both.",
        ),
    ),
    fixture(
        "Iteration 1 of",
        asked_for(
            "respond_directly", response=ANSWER, routing_rationale="done", summary="It is 42"
        ),
    ),
    fixture("Echo both", asked_for("echo", message="hello, 42"), hasToolResult=False),
    fixture("Echo both", handed_in("hello, 42"), toolResultContains="hello, 42"),
    fixture("Echo hello", asked_for("echo", message="hello"), hasToolResult=False),
    fixture("Echo hello", handed_in("hello"), toolResultContains="hello"),
    fixture("Add 17", asked_for("get-sum", a=17, b=25), hasToolResult=False),
    fixture("Add 17", handed_in("42"), toolResultContains="42"),
]


@pytest.fixture(scope="module")
def team(shared: Processes, node: str, tmp_path_factory: pytest.TempPathFactory) -> Running:
    replies = tmp_path_factory.mktemp("team") / "replies.json"
    replies.write_text(json.dumps({"fixtures": FIXTURES}))
    model = shared.aimock(node, replies)
    text = TEAM.format(model=model.url, command=json.dumps(everything_over_stdio(node)))
    return shared.serve({"agents/team.toml": text}, "--aura-custom-events", "true")


def client(server: Running) -> OpenAI:
    return OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0)


ASKED: list[Any] = [{"role": "user", "content": "Say hello and add 17 and 25"}]


def test_the_sdk_reads_the_answer_of_a_team(team: Running) -> None:
    text, finish = "", None
    for chunk in client(team).chat.completions.create(model="team", messages=ASKED, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert (text, finish) == (ANSWER, "stop")


def test_the_sdk_gets_the_whole_answer_of_a_team(team: Running) -> None:
    answer = client(team).chat.completions.create(model="team", messages=ASKED)
    assert answer.choices[0].message.content == ANSWER
    assert answer.usage is not None
    assert answer.usage.total_tokens == 8 * 110


def test_what_happens_in_a_team(team: Running) -> None:
    body = {"stream": True, "messages": ASKED, "tools": [TOOL]}
    headers = {"x-chat-session-id": "wired"}
    answer = httpx2.post(f"{team.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    told = [frame.data for frame in frames(answer.content) if "type" in frame.data]
    ended = [
        (each["task_id"], each["success"], each["result"])
        for each in told
        if each["type"] == "aura.orchestrator.task_completed"
    ]
    assert sorted(ended) == [(0, True, "hello"), (1, True, "42"), (2, True, "hello, 42")]
    called = [
        each["tool_call_id"]
        for each in told
        if each["type"] == "aura.orchestrator.tool_call_completed" and each["success"]
    ]
    assert {"task0_echo_0", "task2_echo_0"} <= set(called)
    models = [each["model"] for each in told if each.get("parent_agent_id") and "model" in each]
    assert {"openai/gpt-test", "openai/gpt-small"} <= set(models)
    assert not [frame for frame in frames(answer.content) if _asks_for_tools(frame.data)]
    assert "tools" in answer.headers["x-aura-ignored"]
    shown = answer.content
    assert shown.index(b"The sum is 42") < shown.index(b"aura.orchestrator.direct_answer")


TOOL = {"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}


def _asks_for_tools(data: object) -> bool:
    return isinstance(data, dict) and any(
        "tool_calls" in choice["delta"] for choice in data.get("choices", ())
    )


def test_the_workers_of_a_team_are_no_secret(team: Running) -> None:
    [agent] = httpx2.get(f"{team.url}/aura/info").json()["agents"]
    assert agent["workers"] == [
        {"name": "echoes", "description": "Echoes"},
        {"name": "sums", "description": "Adds", "model": "openai/gpt-small"},
    ]


HANGING = """
[agent]
name = "team"
system_prompt = "You lead a team."
[agent.llm]
provider = "scripted"
script = "team.toml"
[mcp.servers.test]
transport = "http_streamable"
url = "http://127.0.0.1:{port}/mcp"
required = true
[orchestration]
enabled = true
[orchestration.worker.one]
description = "Waits"
preamble = "You wait."
[orchestration.worker.two]
description = "Waits, too"
preamble = "You wait."
"""

SCRIPT = """
[[reply]]
when = {{ agent = "coordinator" }}
[[reply.calls]]
name = "create_plan"
[reply.calls.arguments]
goal = "Wait"
routing_rationale = "r"
planning_summary = "p"
[[reply.calls.arguments.steps]]
type = "parallel"
items = [
    {{ type = "task", task = "Wait one", worker = "one" }},
    {{ type = "task", task = "Wait two", worker = "two" }},
]
[[reply]]
when = {{ agent = "one" }}
calls = [{{ name = "hang", arguments = {{ name = "{name} 1" }} }}]
[[reply]]
when = {{ agent = "two" }}
calls = [{{ name = "hang", arguments = {{ name = "{name} 2" }} }}]
"""


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["leave", "cancel"])
async def test_a_wave_that_is_cut_off_reaches_every_call(processes: Processes, how: str) -> None:
    with serving() as (_, port):
        name = f"wave {how}"
        files = {"agents/t.toml": HANGING.format(port=port), "team.toml": SCRIPT.format(name=name)}
        server = processes.serve(files, "--aura-custom-events", "true")
        told = b""
        async with (
            httpx2.AsyncClient(timeout=PATIENCE) as http,
            http.stream(
                "POST",
                f"{server.url}/v1/chat/completions",
                json={"stream": True, "messages": [{"role": "user", "content": "Wait"}]},
            ) as answer,
        ):
            async for part in answer.aiter_bytes():
                told += part
                if told.count(b"event: aura.progress") >= 2:
                    break
            if how == "cancel":
                run = answer.headers["x-aura-run-id"]
                await http.post(f"{server.url}/aura/runs/{run}/cancel")
        async with connected(over_http(port)) as link:
            for number in (1, 2):
                each = f"{name} {number}"
                assert await result(link, "interruption", name=each) == Outcome(each)


@pytest.mark.anyio
async def test_the_record_of_a_run(team: Running) -> None:
    headers = {"x-chat-session-id": "kept"}
    body = {"messages": ASKED}
    url = f"{team.url}/v1/chat/completions"
    async with httpx2.AsyncClient(timeout=60) as http:
        answer = await http.post(url, json=body, headers=headers)
    folder = Path(f"/proc/{team.pid}/cwd/memory/kept") / answer.headers["x-aura-run-id"]

    def ended() -> bool:
        manifest = json.loads((folder / "manifest.json").read_text())
        return (manifest["status"], manifest["outcome"]) == ("success", "3/3 tasks completed")

    await eventually(ended)
