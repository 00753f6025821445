"""From TOML to agents, the composition root, and one-shot questions."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

import aura
from aura.build import open_agents, problems
from aura.config import load
from aura.errors import ConfigError, RequestError
from aura.events import (
    CompletionDelayed,
    McpStatus,
    RunCompleted,
    ServerStatus,
    SessionInfo,
    TextDelta,
)
from aura.oneshot import ask, event_line
from aura.pipeline.compose import opened
from tests.support.agents import agent, asks, breaks, says
from tests.support.mcp.processes import SCRIPT as SERVER
from tests.support.sources import fixed_sources
from tests.support.tools import gives
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

AGENT = """
[agent]
name = "{name}"
system_prompt = "Be brief."
context = ["Fact one.", "Fact two."]
turn_depth = 2
description = "Says hi"
{more}
[agent.llm]
provider = "scripted"
script = "{folder}/script"
context_window = 1000
"""

SCRIPT = """
[[reply]]
text = "Hi."
"""


@pytest.fixture
def no_blocking_calls() -> None:
    """These tests load their configuration on the event loop, before anything is served."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script").write_text(SCRIPT)
    (tmp_path / "a.toml").write_text(AGENT.format(name="A", folder=tmp_path, more=""))
    return tmp_path


async def test_a_configuration_becomes_an_agent_under_its_id(folder: Path) -> None:
    more = 'alias = "b"\nhidden = true\nparallel_tool_calls = false\ncreated_at = 1700000000999'
    (folder / "b.toml").write_text(AGENT.format(name="B", folder=folder, more=more))
    async with open_agents(load(folder).configs, sources=fixed_sources()) as catalog:
        first, second = catalog
        assert (first.id, first.created, first.owned_by) == ("A", 1767225600, "scripted")
        assert (second.id, second.created, second.hidden) == ("b", 1700000000, True)
        assert [served.id for served in catalog.visible()] == ["A"]
        assert first.agent.system == "Be brief.\n\nFact one.\n\nFact two."
        assert (first.agent.turn_depth, first.agent.context_window) == (2, 1000)
        assert (first.agent.parallel_calls, second.agent.parallel_calls) == (8, 1)
        with pytest.raises(RequestError, match="you must provide a model parameter"):
            catalog.find(None)


LLM = """
[agent]
name = "{name}"
system_prompt = ""
per_call_timeout_secs = 60
[agent.llm]
provider = "openai"
model = "{name}"
api_key = "{key}"
max_concurrent_calls = {most}
"""


async def test_agents_with_the_same_credentials_share_an_account(tmp_path: Path) -> None:
    for name, key, most in (("a", "k", 8), ("b", "k", 2), ("c", "k", 0), ("d", "other", 0)):
        (tmp_path / f"{name}.toml").write_text(LLM.format(name=name, key=key, most=most))
    async with open_agents(load(tmp_path).configs) as catalog:
        first, *others, stranger = [served.agent for served in catalog]
    assert [first.account] * 2 == [each.account for each in others]
    assert stranger.account is not first.account
    assert (first.account.slots.max_value, stranger.account.slots) == (2, None)
    assert first.per_call_timeout == 60


async def test_models_that_share_a_script_take_turns(folder: Path) -> None:
    for name in "ab":
        text = AGENT.format(name=name, folder=folder, more="") + "max_concurrent_calls = 1\n"
        (folder / f"{name}.toml").write_text(text)
    async with open_agents(load(folder).configs) as (first, second), aura.open_run() as run:
        asked = [aura.answer(each.agent, [aura.User("?")], run) for each in (first, second)]
        async with opened(asked[0]) as answering, opened(asked[1]) as waiting:
            while not isinstance(await anext(answering), TextDelta):
                pass
            heard = [await anext(waiting) for _ in range(3)]
        assert heard[2] == CompletionDelayed(agent_id="main", index=0, reason="busy", attempt=1)


async def test_an_agent_answers_in_a_program_of_its_own(folder: Path) -> None:
    async with aura.open_agents(aura.load(folder / "a.toml").configs) as agents:
        served = agents.find(None)
        async with aura.open_run() as run:
            happened = await transcript(aura.answer(served.agent, [aura.User("Hello?")], run))
    assert SessionInfo(model="scripted/scripted", model_context_limit=1000) == happened[0]
    assert RunCompleted(reason="stop") == happened[-1]


async def test_a_server_that_cannot_be_reached_is_reported_and_stops_nothing(
    folder: Path,
) -> None:
    server = '[mcp.servers.gone]\ntransport = "stdio"\ncmd = ["/no/such/program"]\n'
    config = folder / "a.toml"
    config.write_text(config.read_text() + server)
    with capture_logs():
        async with aura.open_agents(aura.load(config).configs) as agents, aura.open_run() as run:
            asked = aura.answer(agents.find(None).agent, [aura.User("Hello?")], run)
            happened = await transcript(asked)
    status = ServerStatus(
        server_name="gone",
        transport="stdio",
        status="failed",
        tools_count=0,
        reason="Connection failed: its command was not found",
    )
    assert McpStatus(servers=(status,)) in happened
    assert RunCompleted(reason="stop") == happened[-1]


async def test_a_required_server_that_cannot_be_reached_stops_the_start(folder: Path) -> None:
    server = '[mcp.servers.gone]\ntransport = "stdio"\ncmd = ["/no/such/program"]\n'
    config = folder / "a.toml"
    config.write_text(config.read_text() + server + "required = true\n")
    with capture_logs(), pytest.raises(ConfigError) as caught:
        async with aura.open_agents(aura.load(config).configs):
            pytest.fail("it started")
    [problem] = caught.value.problems
    assert (problem.file, problem.path) == (str(config), "mcp.servers.gone")
    assert "its command was not found" in problem.message


STDIO = """
[mcp.servers.test]
transport = "stdio"
cmd = ["{python}", "{script}"]
env = {{ WHOSE = "test" }}
{more}
"""


def with_child(folder: Path, reply: str, more: str = "") -> Path:
    """The agent of the folder with a real server beside it, and what it says."""
    (folder / "script").write_text(reply)
    config = folder / "a.toml"
    server = STDIO.format(python=sys.executable, script=SERVER, more=more)
    config.write_text(config.read_text() + server)
    return config


async def test_a_child_per_request_is_a_child_of_its_own(folder: Path) -> None:
    reply = '[[reply]]\ncalls = [{ name = "process" }]\n[[reply]]\ntext = "${result}"\n'
    config = with_child(folder, reply, "per_request = true")
    before = psutil.Process().children()
    seen: set[str] = set()
    async with aura.open_agents(aura.load(config).configs) as agents:
        assert psutil.Process().children() == before
        for _ in range(2):
            async with aura.open_run() as run:
                asked = aura.answer(agents.find(None).agent, [aura.User("?")], run)
                seen |= {e.text for e in await transcript(asked) if isinstance(e, TextDelta)}
    assert len(seen) == 2
    assert all(not psutil.pid_exists(int(process)) for process in seen)


async def test_files_below_the_root_can_be_read(folder: Path) -> None:
    (folder / "note.txt").write_text("buy milk")
    call = '{ name = "read_file", arguments = { path = "note.txt" } }'
    (folder / "script").write_text(
        f'[[reply]]\ncalls = [{call}]\n[[reply]]\ntext = "${{result}}"\n'
    )
    config = folder / "a.toml"
    config.write_text(config.read_text() + f'[tools]\nfilesystem = true\nroot = "{folder}"\n')
    async with aura.open_agents(aura.load(config).configs) as agents, aura.open_run() as run:
        asked = aura.answer(agents.find(None).agent, [aura.User("?")], run)
        assert "buy milk" in "".join(
            e.text for e in await transcript(asked) if isinstance(e, TextDelta)
        )


def test_a_root_that_is_no_directory_is_a_problem_of_its_configuration(folder: Path) -> None:
    config = folder / "a.toml"
    config.write_text(config.read_text() + '[tools]\nfilesystem = true\nroot = "/no/such"\n')
    [problem] = problems(load(config).configs)
    assert problem.path == "tools.root"
    assert "No such file or directory" in problem.message


async def test_an_error_of_the_program_leaves_as_it_is(folder: Path) -> None:
    with pytest.raises(KeyError):
        async with aura.open_agents(aura.load(folder).configs):
            raise KeyError


def test_an_unusable_script_is_a_problem_of_its_configuration(folder: Path) -> None:
    (folder / "script").write_text("[[reply]]\nsays = 1\n")
    [problem] = problems(load(folder).configs)
    assert (problem.path, problem.line) == ("agent.llm.script", 11)
    assert "reply 1" in problem.message


BEDROCK = """
[agent]
name = "B"
system_prompt = "Be brief."
[agent.llm]
provider = "bedrock"
model = "claude"
region = "eu-central-1"
"""


async def test_a_package_that_is_not_installed_is_named_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "b.toml"
    file.write_text(BEDROCK)
    monkeypatch.setitem(sys.modules, "botocore", None)  # what an import finds is: nothing
    configs = load(file).configs
    [problem] = problems(configs)
    assert (problem.path, problem.line) == ("agent.llm.provider", 6)
    assert "pip install 'aura[bedrock]'" in problem.message
    with pytest.raises(ConfigError, match="botocore"):
        async with open_agents(configs):
            pass


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        aura.nothing  # noqa: B018


async def test_a_question_is_answered_on_paper() -> None:
    out, reported = io.StringIO(), []
    asking = agent(
        asks("look", text="Looking."), says("Done."), tools=(gives("look", "x", steps=1),)
    )
    assert await ask(asking, "?", events=False, out=out, report=reported.append) == 0
    assert out.getvalue() == "Looking.\n\nDone.\n"
    assert reported == ["… look", "  1 of 1 (100 %)", "✓ look (0.0 s)"]


async def test_a_question_that_fails_says_why() -> None:
    reported: list[str] = []
    out = io.StringIO()
    code = await ask(
        agent(breaks(401, message="No.")), "?", events=False, out=out, report=reported.append
    )
    assert (code, reported) == (1, ["failed (provider_rejected): No."])


async def test_events_are_lines_of_json() -> None:
    out = io.StringIO()
    await ask(agent(says("Hi.")), "?", events=True, out=out, report=lambda _: None)
    lines = out.getvalue().splitlines()
    assert lines[0] == '{"type":"aura.session_info","seq":0,"model":"scripted/test"}'
    assert lines[-1] == '{"type":"run_completed","seq":7,"reason":"stop"}'
    assert event_line(RunCompleted(), 3) == '{"type":"run_completed","seq":3}'
