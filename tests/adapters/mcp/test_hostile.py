"""Servers that do what no server should: runs go on, memory is bounded, the log stays readable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import anyio
import msgspec
import psutil
import pytest
import structlog

import aura
from aura.adapters.mcp.bodies import MOST_BYTES
from aura.adapters.mcp.link import Link
from aura.adapters.mcp.listing import LONGEST_SCHEMA, MOST_TOOLS
from aura.adapters.mcp.results import LONGEST_ERROR
from aura.adapters.mcp.servers import HttpServer
from aura.adapters.mcp.toolbox import Choice, McpToolbox, Told
from aura.adapters.models import openai
from aura.events import (
    AnyEvent,
    McpStatus,
    RunCompleted,
    ServerStatus,
    TextDelta,
    ToolCompleted,
    ToolProgressed,
)
from aura.oneshot import progress_line
from aura.pipeline.agent import Agent
from aura.pipeline.compose import opened
from aura.pipeline.ports import Prompt
from tests.support.agents import recorded
from tests.support.mcp.links import Notes, listed
from tests.support.processes import environment

pytestmark = pytest.mark.anyio

HOSTILE = str(Path(__file__).parents[2] / "support" / "mcp" / "hostile.py")
PATIENCE = 100.0
"""Seconds after which something has gone wrong; a flood takes a quarter of them."""

MEGABYTE = 1_000_000

CONFIG = """
[agent]
name = "victim"
system_prompt = ""
max_parallel_tool_calls = {parallel}
[agent.llm]
provider = "scripted"
script = {script}
[mcp.servers.hostile]
{server}
{options}
[mcp.servers.sound]
transport = "http_streamable"
url = "http://127.0.0.1:{sound}/mcp"
"""

SCRIPT = """
[[reply]]
when = {{ message = "^after$" }}
calls = [{{ name = "after" }}]
[[reply]]
when = {{ message = "^after$", tool = "after" }}
text = "${{result}}"
[[reply]]
calls = [{calls}]
[[reply]]
calls = [{{ name = "echo", arguments = {{ text = "alive" }} }}]
[[reply]]
text = "${{result.echo}}"
"""
"""Asked anything but `after` the model makes the calls, one of the sound server, and ends."""

Entry: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Victim:
    """An agent with a hostile server and a sound one, what its model sees, and its log."""

    agent: Agent
    prompts: list[Prompt]
    entries: list[Entry]
    log: Any

    @asynccontextmanager
    async def asked(self, question: str = "?") -> AsyncIterator[AsyncIterator[AnyEvent]]:
        async with aura.open_run(log=self.log) as run:
            stream = aura.answer(self.agent, [aura.User(question)], run)
            with anyio.fail_after(PATIENCE):
                async with opened(stream) as events:
                    yield events

    async def answered(self, question: str = "?") -> Answered:
        async with self.asked(question) as events:
            return Answered([event async for event in events])

    @property
    def offered(self) -> list[str]:
        return [tool.name for tool in self.prompts[0].tools]

    @property
    def complaints(self) -> list[Entry]:
        """What the log says about the hostile server to somebody who only wants to know of
        trouble."""
        return [
            entry
            for entry in self.entries
            if entry.get("mcp_server") == "hostile" and entry["log_level"] not in ("debug", "info")
        ]


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole run."""

    events: list[AnyEvent]

    def alive(self) -> None:
        """The run went on to the end, with the help of the sound server."""
        assert self.events[-1] == RunCompleted(reason="stop")
        assert [e.text for e in self.events if isinstance(e, TextDelta)] == ["alive"]

    @property
    def results(self) -> dict[str, ToolCompleted]:
        """How each call ended; calls of one tool end once."""
        ends = [event for event in self.events if isinstance(event, ToolCompleted)]
        results = {end.tool_name: end for end in ends}
        assert len(results) == len(ends)
        return results

    @property
    def status(self) -> ServerStatus:
        """The hostile server as clients see it."""
        [status] = [event for event in self.events if isinstance(event, McpStatus)]
        return next(each for each in status.servers if each.server_name == "hostile")


Victims: TypeAlias = Callable[..., AbstractAsyncContextManager[Victim]]


@pytest.fixture(scope="module")
def hostile_port() -> Iterator[int]:
    command = [sys.executable, HOSTILE, "--http"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def configured(tmp_path: Path, hostile_port: int, http_port: int) -> Callable[..., Path]:
    def configured(
        offer: str, *calls: str, over: str = "http", parallel: int = 2, **options: object
    ) -> Path:
        """A configuration whose hostile server lists `offer`, and whose model makes the calls."""
        if over == "http":
            url = f"http://127.0.0.1:{hostile_port}/{offer}"
            server = f'transport = "http_streamable"\nurl = "{url}"'
        else:
            cmd = json.dumps([sys.executable, HOSTILE, offer])
            server = f'transport = "stdio"\ncmd = {cmd}'
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
        script, path = tmp_path / "script", tmp_path / "agent.toml"
        script.write_text(SCRIPT.format(calls=", ".join(map(call, calls))))
        path.write_text(
            CONFIG.format(
                script=json.dumps(str(script)),
                server=server,
                options=lines,
                sound=http_port,
                parallel=parallel,
            )
        )
        return path

    return configured


@pytest.fixture
def victim(configured: Callable[..., Path]) -> Victims:
    @asynccontextmanager
    async def victim(*given: str, **options: object) -> AsyncIterator[Victim]:
        capture = structlog.testing.LogCapture()
        log = structlog.wrap_logger(
            None, [capture], wrapper_class=structlog.make_filtering_bound_logger(0)
        )
        configs = aura.load(configured(*given, **options)).configs
        async with aura.open_agents(configs, log=log) as agents:
            agent, prompts = recorded(agents.find(None).agent)
            yield Victim(agent, prompts, capture.entries, log)

    return victim


def call(text: str) -> str:
    """A call of a script; arguments stand behind the name."""
    name, _, arguments = text.partition("=")
    return f'{{ name = "{name}", arguments = {arguments or "{}"} }}'


def flood(count: int, size: int) -> str:
    return f"flood={{ count = {count}, size = {size} }}"


def resident() -> float:
    """Megabytes of memory that this process takes."""
    return float(psutil.Process().memory_info().rss) / MEGABYTE


class Peak:
    """Megabytes that Python objects took at most since the block began."""

    def __enter__(self) -> Self:
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.megabytes = tracemalloc.get_traced_memory()[1] / MEGABYTE
        tracemalloc.stop()


both_ways = pytest.mark.parametrize("over", ["http", "stdio"])


async def test_every_page_of_a_long_list_is_offered_in_its_order(victim: Victims) -> None:
    async with victim("many", "tool_299") as agent:
        told = await agent.answered()
    told.alive()
    expected = [f"tool_{number}" for number in range(300)]
    assert [name for name in agent.offered if name.startswith("tool_")] == expected
    assert told.results["tool_299"].result == "tool_299 (5 lists)"
    assert agent.complaints == []


def test_openai_itself_gets_as_many_as_it_takes() -> None:
    log = Notes()
    link = Link(HttpServer(name="a", url="http://127.0.0.1/"))
    link.connected(tuple(listed(f"tool_{number}") for number in range(300)))
    box = McpToolbox([link], Choice(most=openai.MOST_TOOLS), told=Told(log))
    expected = [f"tool_{number}" for number in range(128)]
    assert [tool.spec.name for tool in box.tools()] == expected
    [(_, event, facts)] = log.entries
    assert "mcp_filter" in event
    assert facts["left_out"] == [f"tool_{number}" for number in range(128, 300)]


async def test_a_list_without_an_end_is_cut_off(victim: Victims) -> None:
    async with victim("endless", "tool_0") as agent:
        told = await agent.answered()
    told.alive()
    assert told.status.tools_count == MOST_TOOLS
    [complaint] = agent.complaints
    assert "the list is too long" in complaint["why"]


@pytest.mark.parametrize("offer", ["circular", "repeated"])
async def test_a_list_that_goes_round_in_circles_ends_with_the_first(
    victim: Victims, offer: str
) -> None:
    async with victim(offer, "fine", connect_timeout_secs=2) as agent:
        told = await agent.answered()
    told.alive()
    assert told.status.status == "connected"
    assert "goes round in circles" in agent.complaints[-1]["why"]
    assert len(agent.complaints) <= 2


async def test_a_schema_that_is_too_large_costs_its_tool_alone(victim: Victims) -> None:
    async with victim("large", "fine") as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["fine"].success
    assert "large" not in agent.offered
    [complaint] = agent.complaints
    assert complaint["tool"] == "large"
    assert f"more than {LONGEST_SCHEMA}" in complaint["why"]


async def test_a_list_that_is_too_large_as_a_whole_is_cut_off(victim: Victims) -> None:
    async with victim("heavy", "fine") as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["fine"].success
    assert 30 < told.status.tools_count < 60  # 8 MB, at 200 kB each
    [complaint] = agent.complaints
    assert complaint["tool"] == f"tool_{told.status.tools_count - 1}"
    assert "the list is too long" in complaint["why"]


async def test_pages_of_large_schemas_are_not_all_kept(victim: Victims) -> None:
    with Peak() as peak:
        async with victim("thick", "tool_0") as agent:
            told = await agent.answered()
    told.alive()
    # 200 MB were to be had, and what may be kept of it is 8 MB; a page takes a few times 5 MB.
    assert peak.megabytes < 100


@pytest.mark.parametrize("offer", ["wide", "crowded"])
async def test_large_schemas_are_no_reason_to_miss_the_deadline(
    victim: Victims, offer: str
) -> None:
    async with victim(offer, "fine") as agent:
        told = await agent.answered()
    told.alive()
    assert told.status.status == "connected"
    assert told.results["fine"].success


async def test_a_schema_that_is_nested_too_deeply_is_the_reason_given(victim: Victims) -> None:
    async with victim("deep", "fine") as agent:
        told = await agent.answered()
    told.alive()
    assert told.status.status == "failed"
    assert "recursion limit" in (told.status.reason or "")
    assert len(agent.complaints) == 1


async def test_a_schema_that_is_nested_deeply_is_offered(victim: Victims) -> None:
    async with victim("nested", "nested") as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["nested"].success


@pytest.mark.parametrize(("offer", "thing"), [("shapeless", "inputSchema"), ("nameless", "name")])
async def test_what_is_no_tool_is_named(victim: Victims, offer: str, thing: str) -> None:
    async with victim(offer, "fine") as agent:
        told = await agent.answered()
    told.alive()
    if told.status.status == "failed":
        assert thing in (told.status.reason or "")
    else:
        assert told.results["fine"].success
    assert thing in str(agent.complaints)
    assert len(agent.complaints) == 1


async def test_a_tool_that_is_listed_twice_is_offered_once(victim: Victims) -> None:
    async with victim("twice", "fine") as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["fine"].success
    assert agent.offered.count("fine") == 1
    [complaint] = agent.complaints
    assert (complaint["tool"], "listed twice" in complaint["why"]) == ("fine", True)


async def test_tools_whose_names_come_to_the_same_each_get_their_own_calls(victim: Victims) -> None:
    async with victim("alike", "a_b", "hostile_a_b") as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["a_b"].result == "a b (1 lists)"
    assert told.results["hostile_a_b"].result == "a_b (1 lists)"


async def test_many_tools_that_go_by_another_name_do_not_fill_the_log(victim: Victims) -> None:
    async with victim("renamed", "group_299") as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["group_299"].result == "group/299 (1 lists)"
    assert 1 <= len(agent.complaints) < 30


async def test_odd_names_are_cleaned_for_models_and_short_in_the_log(victim: Victims) -> None:
    async with victim("scribbled", "tool_31mred__0m", "two_lines", 64 * "n") as agent:
        told = await agent.answered()
    told.alive()
    assert [result.success for result in told.results.values()] == 4 * [True]
    assert max(len(repr(complaint)) for complaint in agent.complaints) < 1000


async def test_a_description_that_is_too_long_is_no_reason_to_fail(victim: Victims) -> None:
    async with victim("wordy", "wordy") as agent:
        told = await agent.answered()
    told.alive()
    assert told.status.status == "connected"


NO_ANSWERS = {
    "page": "text/html",
    "image": "image/png",
    "unlabelled": "content type",
    "eventless": "without a response",
    "eventful": "parse",
    "empty": "parse",
    "silent": "without a response",
    "accepted": "202",
    "void": "content type",
    "broken": "parse",
    "broken_event": "parse",
    "latin": "parse",
    "latin_event": "without a response",
    "word": "parse",
    "wrapped": "invalid result",
    "list": "parse",
}
"""Tools whose answer is not what it says, and what has to be said of it."""


async def test_answers_that_are_none_are_one_error_each(victim: Victims) -> None:
    async with victim("plain", "after", *NO_ANSWERS, "fine", call_timeout_secs=10) as agent:
        told = await agent.answered()
    told.alive()
    errors = {tool: told.results[tool].error or "" for tool in NO_ANSWERS}
    assert [tool for tool, words in NO_ANSWERS.items() if words not in errors[tool]] == []
    assert max(map(len, errors.values())) < LONGEST_ERROR + 200
    assert told.results["fine"].success
    assert told.results["after"].result == "after"


@pytest.mark.parametrize("tool", ["short", "zipped"])
async def test_an_answer_that_breaks_off_costs_no_other_call(victim: Victims, tool: str) -> None:
    """`after` is under way meanwhile, and ends when `fine` has."""
    async with victim("plain", "after", tool, "fine", call_timeout_secs=10) as agent:
        told = await agent.answered()
    told.alive()
    assert (told.results[tool].error or "").startswith("ToolCallError: ")
    assert told.results["fine"].success
    assert told.results["after"].result == "after"


@pytest.mark.parametrize(
    ("over", "tool"), [("http", "misaddressed"), ("stdio", "misaddressed"), ("stdio", "broken")]
)
async def test_an_answer_to_nobody_is_waited_for_until_the_deadline(
    victim: Victims, over: str, tool: str
) -> None:
    async with victim("plain", tool, over=over, call_timeout_secs=0.5) as agent:
        told = await agent.answered()
        again = await agent.answered()
    told.alive()
    again.alive()
    assert "did not answer within 0.5 seconds" in (told.results[tool].error or "")


async def test_a_child_that_does_not_write_utf_8_can_be_called_again(victim: Victims) -> None:
    options = {"over": "stdio", "parallel": 1, "call_timeout_secs": 2}
    async with victim("plain", "latin", "fine", **options) as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["fine"].success


async def test_the_log_says_whose_answer_was_none(victim: Victims) -> None:
    async with victim("plain", "page") as agent:
        told = await agent.answered()
    told.alive()
    assert [complaint for complaint in agent.complaints if complaint.get("tool") == "page"]


async def test_content_that_is_not_what_it_says_is_told_as_it_is(victim: Victims) -> None:
    expected = {
        "painted": "[Image: image/png (16)]",
        "smeared": "[Image: image/png (3)]",
        "sung": "[Audio: audio/wav (3)]",
        "encrypted": "[Binary resource: file:///r (not valid UTF-8)]",
        "scrambled": "[Binary resource: file:///r (invalid base64)]",
    }
    async with victim("plain", *expected) as agent:
        told = await agent.answered()
    told.alive()
    assert {tool: told.results[tool].result for tool in expected} == expected
    assert not any(result.images for result in told.results.values())


async def test_content_of_an_unknown_kind_is_an_error(victim: Victims) -> None:
    async with victim("plain", "unheard_of") as agent:
        told = await agent.answered()
    told.alive()
    assert "invalid result" in (told.results["unheard_of"].error or "")


def in_order(progress: list[ToolProgressed], most: int) -> bool:
    """Whether these are some of the reports of a flood, as they came."""
    steps = [int(event.message.partition(" ")[0]) for event in progress]
    return steps == sorted(set(steps)) and 0 < len(steps) <= most


@pytest.mark.parametrize(("over", "count"), [("http", 2_500), ("stdio", 100_000)])
async def test_a_flood_of_progress_does_not_wait_for_a_slow_reader(
    victim: Victims, over: str, count: int
) -> None:
    """A reader that takes one report, and the next when another run found the flood to be over."""
    size = 100 * MEGABYTE // count
    async with victim("plain", flood(count, size), over=over) as agent, agent.asked() as events:
        rest: list[AnyEvent] = []
        async for event in events:
            rest.append(event)
            if isinstance(event, ToolProgressed):
                break
        before = resident()
        await agent.answered("after")
        grown = resident() - before
        rest.extend([event async for event in events])
    told = Answered(rest)
    told.alive()
    assert told.results["flood"].result == "flooded"
    # Some of it may still be on its way over HTTP; far from all that was sent is kept.
    assert in_order([e for e in rest if isinstance(e, ToolProgressed)], count // 2)
    # 100 MB were sent, and the reports that are kept of it hold less than 2 MB.
    assert grown < 40


@both_ways
async def test_a_flood_of_progress_leaves_nothing_behind_a_fast_reader(
    victim: Victims, over: str
) -> None:
    count, size = 2_500, 40_000
    progress: list[ToolProgressed] = []
    memory: list[float] = []
    async with victim("plain", flood(count, size), over=over) as agent, agent.asked() as events:
        others: list[AnyEvent] = []
        async for event in events:
            if isinstance(event, ToolProgressed):
                progress.append(msgspec.structs.replace(event, message=event.message[:10]))
                memory.append(resident())
            else:
                others.append(event)
    told = Answered(others)
    told.alive()
    assert told.results["flood"].result == "flooded"
    assert in_order(progress, count)
    # 100 MB were sent; what is under way at any time are some buffers of it.
    assert max(memory) - memory[0] < 40


@both_ways
async def test_progress_in_numbers_that_are_none_is_left_out(victim: Victims, over: str) -> None:
    async with victim("plain", "absurd", over=over) as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["absurd"].result == "absurd"
    progress = [event for event in told.events if isinstance(event, ToolProgressed)]
    assert {event.tool_id for event in progress} == {told.results["absurd"].tool_id}
    assert all(event.percent is None or 0 <= event.percent <= 100 for event in progress)
    assert "7/100" in [event.message for event in progress]
    assert "8/100" not in [event.message for event in progress]


@both_ways
async def test_progress_in_a_number_that_is_too_large_does_not_end_the_connection(
    victim: Victims, over: str
) -> None:
    async with victim("plain", "astronomic", over=over) as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["astronomic"].result == "astronomic"
    assert agent.complaints == []


@both_ways
async def test_notices_by_the_thousand_are_let_pass(victim: Victims, over: str) -> None:
    async with victim("plain", "chatter", "fine", over=over, parallel=1) as agent:
        before = resident()
        told = await agent.answered()
        grown = resident() - before
    told.alive()
    assert told.results["chatter"].result == "chatter"
    # 1000 times it was said that the list had changed: it is asked for twice a second at most.
    lists = int((told.results["fine"].result or "").split("(")[1].split()[0])
    assert 1 <= lists < 30
    assert grown < 40  # they are 2 MB
    assert agent.complaints == []


@both_ways
async def test_every_question_of_a_server_is_answered(victim: Victims, over: str) -> None:
    async with victim("plain", "questions", over=over) as agent:
        told = await agent.answered()
    told.alive()
    answers = json.loads(told.results["questions"].result or "")
    assert answers.pop("ping") == "{}"
    assert len(answers) == 4
    assert all(isinstance(code, int) and code < 0 for code in answers.values())


async def test_a_refusal_is_no_loss_whatever_its_number(victim: Victims) -> None:
    async with victim("plain", "refused") as agent:
        told = await agent.answered()
    told.alive()
    assert told.results["refused"].error == "ToolCallError: Tool execution failed: not today"


@pytest.mark.parametrize("tool", ["complaint", "lament"])
@both_ways
async def test_an_error_of_10_mb_is_its_head_and_its_tail(
    victim: Victims, over: str, tool: str
) -> None:
    async with victim("plain", tool, over=over) as agent:
        told = await agent.answered()
    told.alive()
    error = told.results[tool].error or ""
    assert len(error) < LONGEST_ERROR + 200
    assert ": headx" in error
    assert "[tool error truncated: " in error
    assert error.endswith("xtail")


async def test_a_result_of_50_mb_is_passed_on_in_a_few_copies(victim: Victims) -> None:
    async with victim("plain", "long", call_timeout_secs=10) as agent:
        with Peak() as peak:
            told = await agent.answered()
    told.alive()
    assert len(told.results["long"].result or "") == 50 * MEGABYTE
    # Read, joined, split, as text, parsed, checked, and one to spare: each a copy.
    assert peak.megabytes < 7 * 50


async def test_an_answer_that_grows_without_end_is_given_up(victim: Victims) -> None:
    """200 MB of nothing, in a megabyte that is compressed."""
    async with victim("plain", "bomb") as agent:
        with Peak() as peak:
            told = await agent.answered()
    told.alive()
    assert not told.results["bomb"].success
    assert peak.megabytes < 2.5 * MOST_BYTES / MEGABYTE  # one, and its parts


def logged(path: Path, **streams: Any) -> subprocess.Popen[str]:
    """The program itself, asked one question; its log is the standard error."""
    command = [sys.executable, "-m", "aura", "run", "--events", "-c", str(path), "?"]
    return subprocess.Popen(
        command, cwd=path.parent, env=environment(), text=True, stdout=subprocess.PIPE, **streams
    )


@pytest.mark.timeout(30)
def test_what_a_server_says_is_a_few_lines_of_the_log(configured: Callable[..., Path]) -> None:
    path = configured("scribbled", "gibberish", over="stdio")
    with logged(path, stderr=subprocess.PIPE) as process:
        out, log = process.communicate()
    assert '"type":"run_completed"' in out
    assert "gibberish" in out
    lines = log.splitlines()
    assert 1 <= len(lines) < 30
    assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.timeout(30)
def test_what_a_server_says_does_nothing_to_a_terminal(configured: Callable[..., Path]) -> None:
    path = configured("scribbled", "two_lines", over="stdio")
    ours, theirs = os.openpty()
    with logged(path, stderr=theirs) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: read(ours), b"")).decode()
        os.close(ours)
        out, _ = process.communicate()
    assert '"type":"run_completed"' in out
    assert r"two\nlines" in shown
    assert "\x1b[31mred" not in shown


def test_progress_is_one_plain_line_for_whoever_waits() -> None:
    event = ToolProgressed(
        agent_id="main", tool_id="call_1", phase="mcp_progress", message="\x1b[31mred\nline"
    )
    line = progress_line(event) or ""
    assert "red" in line
    assert line.isprintable()


def read(terminal: int) -> bytes:
    """What is shown next; nothing when nobody writes any more."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
