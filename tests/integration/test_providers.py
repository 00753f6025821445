"""One conversation with all six providers: each is a table of TOML, its server is a double that
others wrote, and what happens is the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aura.build import open_agents
from aura.config import load
from aura.errors import CutOff, ProviderError, RateLimited, Rejected, Unavailable
from aura.events import (
    AnyEvent,
    ReasoningDelta,
    RunCompleted,
    SessionInfo,
    TextDelta,
    Thought,
    ToolCalled,
    ToolCompleted,
    ToolRequested,
    ToolStarted,
    ToolUsage,
    TurnUsage,
    Usage,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Failure, settled
from aura.pipeline.ports import Outcome, Prompt, User
from aura.pipeline.run import open_run
from tests.support.processes import Processes, Running
from tests.support.sources import fixed_sources
from tests.support.tools import ScriptedTool, ScriptedToolbox
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

TABLES = {
    "openai": 'api_key = "k"\nmodel = "gpt-5.2"\nbase_url = "{url}/v1"',
    "anthropic": 'api_key = "k"\nmodel = "claude-sonnet-4-0"\nbase_url = "{url}"',
    "bedrock": 'model = "eu.anthropic.claude-sonnet-4-5-v1:0"\nregion = "eu-central-1"\n'
    'profile = "work"\nbase_url = "{url}"',
    "gemini": 'api_key = "k"\nmodel = "gemini-2.5-flash"\nbase_url = "{url}"',
    "ollama": 'model = "qwen3:8b"\nbase_url = "{url}"',
    "openrouter": 'api_key = "k"\nmodel = "vendor/model"\nbase_url = "{url}/api/v1"',
}
AGENT = (
    '[agent]\nname = "A"\nsystem_prompt = "Be brief."\n[agent.llm]\nmax_tokens = 5000\n'
    'context_window = 200000\nprovider = "{provider}"\n'
)

LONG = "Grüße 👋, “quoted” and \\ backslash.\n" * 5
CITIES = [{"city": "Köln"}, {"city": "Oslo"}]
ARGUMENTS = {"city": 'Köln 👋\n"quoted" \\ ', "days": list(range(60)), "deep": {"a": [None, -1.5]}}
USAGE = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}


def call(number: int, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"toolu_{number}", "name": "weather", "arguments": arguments}


def told(message: str, status: int) -> dict[str, Any]:
    error = {"type": "api_error", "message": message, "code": str(status)}
    return {"response": {"error": error, "status": status}}


SAID: dict[str, dict[str, Any]] = {
    "talk": {"response": {"content": LONG, "usage": USAGE}, "chunkSize": 7},
    "think": {"response": {"content": "Yes.", "reasoning": "Hm, well.", "usage": USAGE}},
    "one city": {"response": {"content": "One moment.", "toolCalls": [call(1, CITIES[0])]}},
    "two cities": {"response": {"toolCalls": [call(1, CITIES[0]), call(2, CITIES[1])]}},
    "long arguments": {"response": {"toolCalls": [call(1, ARGUMENTS)]}, "chunkSize": 1},
    "too long": {"response": {"content": "Half an ans", "finishReason": "length"}},
    "nothing": {"response": {"content": ""}},
    "unknown key": told("who are you", 401),
    "hurry": told("slow down", 429),
    "busy": told("busy", 503),
    "cut": {"response": {"content": LONG}, "latency": 20, "chunkSize": 9, "truncateAfterChunks": 5},
    "broken": {"response": {"content": "x"}, "chaos": {"malformedRate": 1}},
}


def fixtures() -> list[dict[str, Any]]:
    after = [
        {
            "match": {"userMessage": word, "hasToolResult": True},
            "response": {"content": "It rains.", "usage": USAGE},
        }
        for word in SAID
    ]
    first = [
        {"match": {"userMessage": word, "hasToolResult": False}, **said}
        for word, said in SAID.items()
    ]
    return [*after, *first]


@pytest.fixture(scope="session")
def double(shared: Processes, node: str, tmp_path_factory: pytest.TempPathFactory) -> Running:
    replies: Path = tmp_path_factory.mktemp("providers") / "replies.json"
    replies.write_bytes(msgspec.json.encode({"fixtures": fixtures()}))
    return shared.aimock(node, replies)


@asynccontextmanager
async def opened_agent(provider: str, url: str, folder: Path) -> AsyncIterator[Agent]:
    """The agent of a file, with a tool that tells the weather."""
    file = folder / f"{provider}.toml"
    file.write_text(AGENT.format(provider=provider) + TABLES[provider].format(url=url))
    tool = ScriptedTool("weather", lambda given: Outcome(f"rain in {given['city']}"))
    async with open_agents(load(file, {}).configs) as [served]:
        assert isinstance(served.agent, Agent)
        yield replace(served.agent, toolset=ScriptedToolbox((tool,)))


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[work]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.delenv("AWS_PROFILE", raising=False)


async def happened(agent: Agent, question: str) -> list[AnyEvent]:
    async with open_run(sources=fixed_sources()) as run:
        return await transcript(answer(agent, [User(question)], run))


def text(events: Sequence[AnyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def alike(events: Sequence[AnyEvent]) -> list[Any]:
    """What happened, without what may differ: ids, what was billed, the name of the model, what a
    provider wants back, and into how many pieces a text was cut."""
    out: list[Any] = []
    numbers: dict[str, int] = {}
    for event in events:
        match event:
            case Thought() | TurnUsage() | ToolUsage() | Usage() | SessionInfo():
                continue
            case TextDelta() if out and out[-1][0] == "text":
                out[-1] = ("text", out[-1][1] + event.text)
            case TextDelta():
                out.append(("text", event.text))
            case ReasoningDelta() if out and out[-1][0] == "thought":
                out[-1] = ("thought", out[-1][1] + event.content)
            case ReasoningDelta():
                out.append(("thought", event.content))
            case ToolCalled() | ToolRequested() | ToolStarted() | ToolCompleted():
                fields = msgspec.to_builtins(event)
                fields["tool_id"] = numbers.setdefault(event.tool_id, len(numbers))
                fields.pop("signature", None)
                if "arguments" in fields and isinstance(fields["arguments"], str):
                    fields["arguments"] = msgspec.json.decode(fields["arguments"])
                out.append((type(event).__name__, fields))
            case _:
                out.append((type(event).__name__, event))
    return out


UNSAID = {"ollama": {"think", "too long"}}
"""What the double does not say in a provider's own words."""


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    "question", ["talk", "think", "one city", "two cities", "long arguments", "too long", "nothing"]
)
async def test_the_same_happens_whoever_answers(
    question: str, double: Running, tmp_path: Path
) -> None:
    seen = {}
    for provider in TABLES:
        if question not in UNSAID.get(provider, ()):
            async with opened_agent(provider, double.url, tmp_path) as agent:
                seen[provider] = alike(await happened(agent, question))
    assert len(seen) >= len(TABLES) - 1
    assert seen == dict.fromkeys(seen, seen["openai"])


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("provider", TABLES)
async def test_what_each_of_them_tells(provider: str, double: Running, tmp_path: Path) -> None:
    async with opened_agent(provider, double.url, tmp_path) as agent:
        talk = await happened(agent, "talk")
        assert text(talk) == LONG
        assert talk[-1] == RunCompleted(reason="stop")
        [billed] = [event for event in talk if isinstance(event, TurnUsage)]
        if provider != "ollama":  # of which the double bills nothing
            assert (billed.prompt_tokens, billed.completion_tokens) == (40, 10)
        [info] = [event for event in talk if isinstance(event, SessionInfo)]
        assert info.model.startswith(f"{provider}/")
        assert info.model_context_limit == 200_000
        asked = await happened(agent, "long arguments")
        [call] = [event for event in asked if isinstance(event, ToolCalled)]
        assert msgspec.json.decode(call.arguments) == ARGUMENTS
        cut = await happened(agent, "too long")
        assert cut[-1] == RunCompleted(reason="stop" if provider == "ollama" else "length")


FAILURES: dict[str, tuple[type[ProviderError], int | None]] = {
    "unknown key": (Rejected, 401),
    "hurry": (RateLimited, 429),
    "busy": (Unavailable, 503),
    "cut": (CutOff, None),
    "broken": (Unavailable, None),
}


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("question", FAILURES)
@pytest.mark.parametrize("provider", TABLES)
async def test_a_failure_is_what_it_is(
    provider: str, question: str, double: Running, tmp_path: Path
) -> None:
    """Asked once: an agent would ask again where that may help."""
    prompt = Prompt(agent_id="main", system="", messages=(User(question),))
    async with opened_agent(provider, double.url, tmp_path) as agent:
        *events, failed = await transcript(settled(agent.model.stream(prompt)))
    assert isinstance(failed, Failure)
    assert isinstance(failed.error, ProviderError)
    assert (type(failed.error), failed.error.upstream_status) == FAILURES[question]
    assert LONG.startswith(said := text(events))  # type: ignore[arg-type]
    assert bool(said) is (question == "cut")
