"""Teams as configurations make them: who gets which tools, models and words."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from aura.build import open_agents
from aura.config import load
from aura.pipeline.team import Team, Worker

pytestmark = pytest.mark.anyio

DEMO = Path(__file__).parents[1] / "examples" / "demo" / "tools.py"

TEAM = """
memory_dir = "{folder}/memory"
[agent]
name = "lead"
system_prompt = "You lead."
{agent}
[agent.llm]
provider = "scripted"
script = "{folder}/script"
context_window = 64000
[mcp.servers.demo]
transport = "stdio"
cmd = ["{python}", "{demo}"]
required = true
[mcp.servers.demo.scratchpad]
"list_*" = {{ min_tokens = 100 }}
[orchestration]
enabled = true
worker_system_prompt = "Cite."
{team}
"""

WORKER = '\n[orchestration.worker.{name}]\ndescription = "d"\npreamble = "I am {name}."\n'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_blocking_calls() -> None:
    """These tests load their configuration on the event loop, before anything is served."""


@asynccontextmanager
async def built(folder: Path, team: str, agent: str = "") -> AsyncIterator[Team]:
    (folder / "script").write_text("[[reply]]\ntext = 'Hi.'\n")
    text = TEAM.format(folder=folder, python=sys.executable, demo=DEMO, team=team, agent=agent)
    (folder / "team.toml").write_text(text)
    async with open_agents(load(folder / "team.toml", {}).configs) as agents:
        made = agents.find(None).agent
        assert isinstance(made, Team)
        yield made


async def tools(worker: Worker) -> list[str]:
    with worker.agent.toolset.open({}) as toolbox:
        await toolbox.ready()
        return [tool.spec.name for tool in toolbox.tools()]


EVERYTHING = ["add", "subtract", "multiply", "divide", "list_inventory", "count_stock"]


async def test_which_tools_a_worker_gets(tmp_path: Path) -> None:
    """K11 to K13: its own filter, or that of the agent."""
    team = "".join(
        (
            WORKER.format(name="inherits"),
            WORKER.format(name="none") + "mcp_filter = []",
            WORKER.format(name="own") + 'mcp_filter = ["*_stock", "add?"]',
        )
    )
    async with built(tmp_path, team, agent='mcp_filter = ["a*", "list_*"]') as made:
        found = {worker.name: await tools(worker) for worker in made.workers}
        assert found == {
            "inherits": ["add", "list_inventory"],
            "none": [],
            "own": ["count_stock"],
        }
        assert await tools(made.anyone) == ["add", "list_inventory"]


async def test_no_more_tools_than_allowed(tmp_path: Path) -> None:
    team = "max_tools_per_worker = 2" + WORKER.format(name="one")
    with capture_logs() as logs:
        async with built(tmp_path, team) as made:
            assert await tools(made.workers[0]) == EVERYTHING[:2]
            assert await tools(made.workers[0]) == EVERYTHING[:2]
    told = [each for each in logs if "fewer tools" in each["event"]]
    assert [each["left_out"] for each in told] == [EVERYTHING[2:]]


async def test_any_number_of_tools(tmp_path: Path) -> None:
    team = "max_tools_per_worker = 0" + WORKER.format(name="one")
    async with built(tmp_path, team) as made:
        assert await tools(made.workers[0]) == EVERYTHING


async def test_what_workers_are_told(tmp_path: Path) -> None:
    """K18: what all of them are told comes before a worker's own words."""
    async with built(tmp_path, WORKER.format(name="one")) as made:
        system = made.workers[0].agent.system
        assert system.index("Cite.") < system.index("I am one.")
        assert "Cite." in made.anyone.agent.system
        assert made.coordinator.system == "You lead."


@pytest.mark.parametrize(
    ("agent", "worker", "depth"),
    [("", "", 16), ("turn_depth = 3", "", 3), ("turn_depth = 3", "turn_depth = 7", 7)],
)
async def test_the_rounds_of_a_worker(tmp_path: Path, agent: str, worker: str, depth: int) -> None:
    async with built(tmp_path, WORKER.format(name="one") + worker, agent=agent) as made:
        assert made.workers[0].agent.turn_depth == depth
        assert made.coordinator.turn_depth == 6


async def test_a_model_of_its_own(tmp_path: Path) -> None:
    llm = (
        '[orchestration.worker.one.llm]\nprovider = "openai"\nmodel = "gpt-mini"\napi_key = "k"\n'
        "context_window = 32000"
    )
    team = WORKER.format(name="one") + llm + WORKER.format(name="two")
    async with built(tmp_path, team) as made:
        one, two = made.workers
        assert (one.agent.model.name, one.agent.context_window) == ("openai/gpt-mini", 32_000)
        assert (two.agent.model.name, two.agent.context_window) == ("scripted/scripted", 64_000)
        assert one.agent.account is not two.agent.account
        assert two.agent.account is made.coordinator.account


async def test_deadlines(tmp_path: Path) -> None:
    team = (
        "[orchestration.timeouts]\nper_call_timeout_secs = 60\nworker_timeout_secs = 300\n"
        "stream_inactivity_timeout_secs = 5" + WORKER.format(name="one")
    )
    async with built(tmp_path, team) as made:
        [worker] = made.workers
        for each in (worker.agent, made.coordinator):
            assert (each.per_call_timeout, each.silence_timeout) == (60, 5)
        assert worker.seconds == 300


async def test_scratchpads_of_workers(tmp_path: Path) -> None:
    """K10: one worker has a scratchpad, the others and the coordinator have none."""
    pad = "[orchestration.worker.one.scratchpad]\nenabled = true"
    async with built(tmp_path, WORKER.format(name="one") + pad + WORKER.format(name="two")) as made:
        one, two = made.workers
        assert one.agent.scratchpads is not None
        assert two.agent.scratchpads is None
        assert made.coordinator.scratchpads is None
        for worker, limits in ((one, {"list_inventory": 100}), (two, {})):
            with worker.agent.toolset.open({}) as toolbox:
                await toolbox.ready()
                assert toolbox.limits() == limits
