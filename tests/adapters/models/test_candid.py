"""What a provider said of its failure, for those who debug."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aura.adapters.models.candid import MOST_SAID, Candid
from aura.build import open_agents
from aura.config import load
from aura.errors import RateLimited
from aura.events import AnyEvent, RunFailed, TextDelta
from aura.pipeline.answered import answer
from aura.pipeline.compose import Failure, settled
from aura.pipeline.ports import Prompt, User
from aura.pipeline.run import open_run
from tests.adapters.models.server import Connection, serving
from tests.support.sources import fixed_sources
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

PROMPT = Prompt(agent_id="main", system="", messages=(User("Hi"),))
HI = TextDelta(agent_id="main", text="Hi")


@dataclass(frozen=True)
class Failing:
    """A model that says something and fails."""

    error: Exception
    name: str = "openai/gpt"
    most_tools: int | None = 128

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        yield HI
        raise self.error


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("", "Too fast."),
        ("quota of team-7", "Too fast. The provider said: quota of team-7"),
        ("x" * 501, f"Too fast. The provider said: {'x' * (MOST_SAID - 1)}…"),
    ],
)
async def test_an_error_holds_the_words_of_the_provider(detail: str, told: str) -> None:
    error = RateLimited("Too fast.", detail=detail, upstream_status=429, retry_after=3.0)
    model = Candid(Failing(error))
    first, failed = await transcript(settled(model.stream(PROMPT)))
    assert (model.name, model.most_tools, first) == ("openai/gpt", 128, HI)
    assert isinstance(failed, Failure)
    assert isinstance(failed.error, RateLimited)
    assert str(failed.error) == told
    assert (failed.error.upstream_status, failed.error.retry_after) == (429, 3.0)


async def test_other_errors_are_none_of_its_business() -> None:
    error = KeyError("x")
    *_, failed = await transcript(settled(Candid(Failing(error)).stream(PROMPT)))
    assert failed == Failure(error)


@pytest.fixture
def no_blocking_calls() -> None:
    """Configurations are loaded on the event loop, before anything is served."""


AGENT = """
[agent]
name = "A"
system_prompt = "p"
[agent.llm]
provider = "openai"
model = "m"
api_key = "sk-very-secret"
base_url = "{url}"
"""
BODY = b'{"error":{"message":"no such model for sk-very-secret on node-3"}}'


@pytest.mark.parametrize("shown", [True, False])
async def test_a_client_is_told_only_if_that_is_wanted_and_never_a_key(
    shown: bool, tmp_path: Path
) -> None:
    async def refuse(connection: Connection) -> None:
        head = f"HTTP/1.1 400 X\r\nContent-Length: {len(BODY)}\r\n\r\n"
        await connection.send(head.encode() + BODY)

    async with serving(refuse) as url:
        (tmp_path / "a.toml").write_text(AGENT.format(url=url))
        agents = open_agents(load(tmp_path, {}).configs, provider_details=shown)
        async with agents as [served], open_run(sources=fixed_sources()) as run:
            events = await transcript(answer(served.agent, [User("Hi")], run))
    [failed] = [event for event in events if isinstance(event, RunFailed)]
    assert ("no such model for *** on node-3" in failed.message) is shown
    assert "sk-very-secret" not in str(events)
