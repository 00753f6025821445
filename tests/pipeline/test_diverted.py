"""Large results on their way through an agent: kept, and what the model gets instead."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from aura.adapters.models.scripted import Call, Reply, ReplyUsage
from aura.adapters.tokens import counter
from aura.events import (
    AnyEvent,
    RunFailed,
    ScratchpadStored,
    ScratchpadUsage,
    ToolCompleted,
    ToolUsage,
    Usage,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.delegation import ClientTools, Handover, resumed
from aura.pipeline.ports import Assistant, Message, Outcome, Prompt, ToolReply, ToolSpec, User
from aura.pipeline.run import Run, open_run
from tests.support.agents import COST, agent, asks, breaks, recorded, says
from tests.support.scratchpads import scratchpads
from tests.support.sources import fixed_sources
from tests.support.tools import ScriptedTool, ScriptedToolbox, fails, gives
from tests.support.transcript import transcript

pytestmark = pytest.mark.anyio

HELLO = (User("Hello?"),)
LISTING = msgspec.json.encode([{"name": f"pod-{number}"} for number in range(30)]).decode()
TOKENS = counter("openai", "gpt-4o").count(LISTING)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def listing_agent(root: Path, *replies: Reply, limit: int = 50, **options: object) -> Agent:
    """An agent whose `list` gives too much."""
    pads = {name: options.pop(name) for name in ("window", "per_call", "hidden") if name in options}
    tools = options.pop("tools", (gives("list", LISTING),))
    toolbox = ScriptedToolbox(tools, large={tool.spec.name: limit for tool in tools})  # type: ignore[attr-defined]
    return agent(*replies, toolset=toolbox, scratchpads=scratchpads(root, **pads), **options)  # type: ignore[arg-type]


async def happened(asked: Agent, run: Run, messages: tuple[Message, ...] = HELLO) -> list[AnyEvent]:
    return await transcript(answer(asked, messages, run))


def of_kind(events: list[AnyEvent], kind: type) -> list[AnyEvent]:
    return [event for event in events if isinstance(event, kind)]


def looks(name: str, **arguments: object) -> Reply:
    """A reply that looks into the one file there is."""
    file = "task_0--list-0-" + DIGEST + ".json"
    return Reply(calls=(Call(name=name, arguments={"file": file, **arguments}),), usage=COST)


DIGEST = "669e8613"


async def test_what_happens(events: SnapshotAssertion, run: Run, tmp_path: Path) -> None:
    asked = listing_agent(tmp_path, asks("list"), looks("schema"), says("Thirty."))
    assert await happened(asked, run) == events


async def test_a_result_at_the_threshold_is_kept_and_one_below_is_not(
    run: Run, tmp_path: Path
) -> None:
    for limit, kept in ((TOKENS, True), (TOKENS + 1, False)):
        asked = listing_agent(tmp_path, asks("list"), says("Done."), limit=limit)
        async with open_run() as other:
            stored = of_kind(await happened(asked, other), ScratchpadStored)
        assert bool(stored) is kept


async def test_one_that_is_small_but_does_not_fit_any_more_is_kept(
    run: Run, tmp_path: Path
) -> None:
    usage = ReplyUsage(prompt=950, completion=20)
    full = Reply(calls=(Call(name="list"),), usage=usage)
    asked = listing_agent(tmp_path, full, says("Done."), limit=100_000, window=1250)
    assert of_kind(await happened(asked, run), ScratchpadStored)


async def test_failures_and_tools_without_a_threshold_are_never_kept(
    run: Run, tmp_path: Path
) -> None:
    tools = (fails("list", LISTING), gives("other", LISTING))
    toolbox = ScriptedToolbox(tools, large={"list": 1})
    asked = agent(
        asks("list", "other"),
        says("Done."),
        toolset=toolbox,
        scratchpads=scratchpads(tmp_path),
        parallel_calls=1,
    )
    events = await happened(asked, run)
    assert not of_kind(events, ScratchpadStored)
    assert not of_kind(events, ScratchpadUsage)
    texts = [event.result or event.error for event in of_kind(events, ToolCompleted)]
    assert texts == [f"Tool returned an error: {LISTING}", LISTING]


async def test_without_such_a_tool_nothing_is_different(run: Run, tmp_path: Path) -> None:
    toolbox = ScriptedToolbox((gives("list", LISTING),))
    asked, prompts = recorded(
        agent(asks("list"), says("."), toolset=toolbox, scratchpads=scratchpads(tmp_path))
    )
    await happened(asked, run)
    assert [[tool.name for tool in prompt.tools] for prompt in prompts] == [["list"]] * 2
    assert prompts[0].system == "Be brief."


async def test_the_model_is_told_and_gets_tools_and_rounds(run: Run, tmp_path: Path) -> None:
    replies = [asks("list")] * 8
    asked, prompts = recorded(listing_agent(tmp_path, *replies, turn_depth=1))
    await happened(asked, run)
    assert len(prompts) == 8
    assert prompts[0].system.startswith("Be brief.\n\nSome tools give more")
    names = [tool.name for tool in prompts[0].tools]
    assert names == [
        "list",
        *("head", "slice", "grep", "schema", "item_schema", "get_in", "iterate_over", "read"),
    ]
    assert prompts[-1].callable_tools == ()


async def test_calls_that_only_look_are_hidden_unless_they_are_wanted(
    run: Run, tmp_path: Path
) -> None:
    for hidden in (True, False):
        asked = listing_agent(tmp_path, asks("list"), looks("schema"), says("Done."), hidden=hidden)
        async with open_run(sources=fixed_sources()) as other:
            events = await happened(asked, other)
        look = next(each for each in of_kind(events, ToolCompleted) if each.tool_name == "schema")
        assert look.hidden is hidden
        assert [usage.tool_ids for usage in of_kind(events, ToolUsage)] == (
            [("call_1",)] if hidden else [("call_1",), ("call_2",)]
        )


async def test_usage_is_told_once_before_the_end_even_of_a_failure(
    run: Run, tmp_path: Path
) -> None:
    asked = listing_agent(tmp_path, asks("list"), breaks(500, kind="rejected"))
    events = await happened(asked, run)
    kinds = [type(event) for event in events[-4:-1]]
    assert kinds == [RunFailed, ScratchpadUsage, Usage]
    [usage] = of_kind(events, ScratchpadUsage)
    assert (usage.tokens_intercepted, usage.tokens_extracted) == (TOKENS, 0)


async def test_the_same_result_gives_the_same_pointer(run: Run, tmp_path: Path) -> None:
    texts = set()
    for _ in range(2):
        async with open_run() as other:
            events = await happened(listing_agent(tmp_path, asks("list", "list"), says(".")), other)
        texts |= {event.result for event in of_kind(events, ToolCompleted)}
    assert len(texts) == 1


async def test_a_run_does_not_see_the_files_of_another(run: Run, tmp_path: Path) -> None:
    await happened(listing_agent(tmp_path, asks("list"), says("Done.")), run)
    tools = (gives("list", "x" * 5000),)
    asked = listing_agent(tmp_path, asks("list"), looks("schema"), says("Done."), tools=tools)
    async with open_run(session_id=run.session_id) as other:
        events = await happened(asked, other)
    [_, look] = of_kind(events, ToolCompleted)
    assert look.success is False
    assert re.fullmatch(
        r"Tool returned an error: 'task_0--list-0-\w+\.json': There is no such file\. Files in the"
        r" scratchpad: 'task_0--list-0-\w+\.txt'\.",
        look.error or "",
    )


async def test_the_budget_follows_what_the_provider_reports(run: Run, tmp_path: Path) -> None:
    def reports(prompt: int) -> ReplyUsage:
        return ReplyUsage(prompt=prompt, completion=0)

    def look(prompt: int) -> Reply:
        return msgspec.structs.replace(looks("head", lines=40), usage=reports(prompt))

    begun = Reply(calls=(Call(name="list"),), usage=reports(100))
    asked = listing_agent(tmp_path, begun, look(900), look(100), says("Done."), window=1250)
    events = await happened(asked, run)
    [_, full, free] = of_kind(events, ToolCompleted)
    declined = msgspec.json.decode(full.result)
    assert declined["error"] == "head_too_large"
    assert declined["remaining_budget_tokens"] == 100
    assert "remaining" in declined["message"]
    assert free.result.startswith("     1\t[")


async def test_without_reports_the_prompt_is_counted(run: Run, tmp_path: Path) -> None:
    begun = Reply(calls=(Call(name="list"),), usage=ReplyUsage(prompt=0, completion=0))
    look = msgspec.structs.replace(looks("head", lines=40), usage=begun.usage)
    asked = listing_agent(tmp_path, begun, look, says("Done."), window=1000)
    [_, declined] = of_kind(await happened(asked, run), ToolCompleted)
    assert msgspec.json.decode(declined.result)["error"] == "head_too_large"


async def test_the_tools_of_a_client_may_not_be_called_like_those_that_look(
    run: Run, tmp_path: Path
) -> None:
    theirs = ClientTools((ToolSpec("grep", "Theirs.", msgspec.Raw(b"{}")),))
    asked = listing_agent(tmp_path, says("Never."))
    events = await transcript(answer(asked, HELLO, run, client=theirs))
    [failed] = of_kind(events, RunFailed)
    assert (failed.code, "'grep'" in failed.message) == ("tool_name_collision", True)


async def test_the_request_that_brings_the_clients_result_can_look_into_the_file(
    run: Run, tmp_path: Path
) -> None:
    handed: list[Handover] = []
    theirs = ClientTools((ToolSpec("ask", "Ask.", msgspec.Raw(b"{}")),), handed.append)
    first = listing_agent(tmp_path, asks("list", "ask"))
    events = await transcript(answer(first, HELLO, run, client=theirs))
    [stored] = of_kind(events, ScratchpadStored)
    [handover] = handed
    [theirs_id] = handover.tool_ids
    again = (
        *HELLO,
        Assistant("", tuple(call for call in handover.asked.calls if call.delegated)),
        ToolReply(theirs_id, "ask", "Yes."),
    )
    messages = resumed(again, lambda _: handover)
    before = says("What the conversation has already.")
    second = listing_agent(tmp_path, before, looks("get_in", path="7.name"), says("Done."))
    async with open_run(session_id=run.session_id) as other:
        events = await transcript(answer(second, messages, other, client=theirs))
    [look] = of_kind(events, ToolCompleted)
    assert stored.file.endswith(f"{DIGEST}.json")
    assert look.result.startswith("     1\tpod-7\n")


async def test_a_client_cannot_claim_files_of_a_run(run: Run, tmp_path: Path) -> None:
    await happened(listing_agent(tmp_path, asks("list"), says("Done.")), run)
    claimed = (*HELLO, Assistant("", ()), ToolReply("call_1", "list", "[scratchpad: ...]"))
    before = says("What the conversation has already.")
    asked = listing_agent(tmp_path, before, looks("schema"), says("Done."))
    async with open_run(session_id=run.session_id) as other:
        [look] = of_kind(await happened(asked, other, claimed), ToolCompleted)
    assert look.success is False


async def test_images_stay_with_their_result(run: Run, tmp_path: Path) -> None:
    image = "data:image/png;base64,AAAA"
    tool = ScriptedTool("list", lambda _: Outcome(LISTING, images=(image,)))
    asked, prompts = recorded(listing_agent(tmp_path, asks("list"), says("."), tools=(tool,)))
    await happened(asked, run)
    assert replies(prompts[1])[0].images == (image,)


def replies(prompt: Prompt) -> list[ToolReply]:
    return [message for message in prompt.messages if isinstance(message, ToolReply)]
