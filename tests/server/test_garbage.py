"""What a run leaves behind in memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import partial

import pytest

from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import Stream
from aura.pipeline.ports import User
from aura.pipeline.run import Run
from aura.runs.live import LiveRun
from aura.server.drain import Drain
from aura.server.modes import Mode
from tests.support.agents import agent, asks, says
from tests.support.asgi import Client, call
from tests.support.serving import Response, task
from tests.support.sources import fixed_sources
from tests.support.tools import gives

pytestmark = pytest.mark.anyio

OF_A_RUN = (Run, LiveRun, Stream)
"""What is made for one run alone, and holds on to everything else of it."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing is collected in the test: what is in a cycle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def scene(name: str) -> Agent:
    look = gives("look", "a.txt", steps=2)
    return {
        "plain": agent(says("Hi.", reasoning="A greeting.")),
        "tools": agent(asks("look", "look", text="Looking."), says("Done."), tools=(look,)),
    }[name]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
@pytest.mark.parametrize("name", ["plain", "tools"])
async def test_a_run_that_is_over_leaves_nothing_to_the_collector(name: str, stream: bool) -> None:
    """Else hundreds of runs a second, each with its conversation, would wait for the collector."""
    before = kept()
    asked = partial(answer, scene(name), (User("?"),))
    wanted = task(asked, model="scripted/test", stream=stream, mode=Mode(events=True))
    client = await call(Response(task=wanted, drain=Drain(), sources=fixed_sources()), Client())
    assert client.status == 200
    del asked, wanted, client
    assert kept() == before


def kept() -> list[str]:
    return sorted(type(each).__name__ for each in gc.get_objects() if isinstance(each, OF_A_RUN))
