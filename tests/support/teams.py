"""A team whose models and tools do what a test says: that of the golden scenarios."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec

from aura.adapters.models.scripted import Call, Fault, Reply, ReplyUsage, Scripted
from aura.events import (
    COORDINATOR,
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    ServerStatus,
    TaskCompleted,
    TaskStarted,
    ToolCalled,
    TurnUsage,
    WorkerPhase,
)
from aura.pipeline.agent import Agent
from aura.pipeline.answered import answer
from aura.pipeline.compose import opened
from aura.pipeline.plan import Plan
from aura.pipeline.ports import Message, Model, Outcome, Prompt, Records, Tool, ToolSpec, User
from aura.pipeline.prompts import worker as worker_prompts
from aura.pipeline.run import Sources, open_run
from aura.pipeline.team import Policy, Team, Worker
from tests.support.sources import fixed_sources
from tests.support.tools import Item, ScriptedToolbox

COORDINATOR_COST = ReplyUsage(prompt=100, completion=10)
WORKER_COST = ReplyUsage(prompt=50, completion=5)
WINDOW = 100_000
SERVER = ServerStatus(
    server_name="mock", transport="http_streamable", status="connected", tools_count=4
)


def says(text: str, **options: Any) -> Reply:
    """A turn that only talks."""
    return Reply(text=text, **options)


def calls(*asked: Call, text: str = "", reasoning: str = "") -> Reply:
    """A turn that calls tools."""
    return Reply(text=text, reasoning=reasoning, calls=asked)


def fails(message: str, **options: Any) -> Reply:
    """A turn in which the provider fails."""
    options.setdefault("kind", "rejected")
    return Reply(error=Fault(message=message, **options))


def responds(response: str, why: str = "covered", **more: object) -> Reply:
    """The coordinator answers."""
    arguments = {"response": response, "routing_rationale": why, **more}
    return calls(Call(name="respond_directly", arguments=arguments))


def plans(goal: str, *steps: object, why: str = "r", summary: str = "p") -> Reply:
    """The coordinator plans."""
    arguments: dict[str, object] = {
        "goal": goal,
        "steps": list(steps),
        "routing_rationale": why,
        "planning_summary": summary,
    }
    return calls(Call(name="create_plan", arguments=arguments))


def asks_back(question: str, why: str = "ambiguous", **more: object) -> Reply:
    """The coordinator needs to know something."""
    arguments = {"question": question, "routing_rationale": why, **more}
    return calls(Call(name="request_clarification", arguments=arguments))


def submits(summary: str, result: str, confidence: str = "high", **more: object) -> Reply:
    """A worker hands in."""
    return calls(submission(summary, result, confidence, **more))


def submission(summary: str, result: str, confidence: str = "high", **more: object) -> Call:
    """The call for it."""
    arguments = {"summary": summary, "result": result, "confidence": confidence, **more}
    return Call(name="submit_result", arguments=arguments)


def adds(a: int, b: int, **more: object) -> Reply:
    """A worker adds."""
    return calls(Call(name="add", arguments={"a": a, "b": b, **more}))


def gets(key: str) -> Reply:
    """A worker looks something up."""
    return calls(Call(name="get", arguments={"key": key}))


def task(text: str, worker: str = "math") -> dict[str, object]:
    """A step that is a task."""
    return {"type": "task", "task": text, "worker": worker}


def parallel(*items: object) -> dict[str, object]:
    """Steps side by side."""
    return {"type": "parallel", "items": list(items)}


def chain(*steps: object) -> dict[str, object]:
    """Steps one after the other."""
    return {"type": "chain", "steps": list(steps)}


@dataclass
class Play:
    """The turns of everybody: those of the coordinator in order, those of the workers by the text
    of their task. Remembers what models were asked and tools were called with.

    A task can be `held` until another one, by its text, is completed.
    """

    coordinator: Sequence[Reply]
    workers: Mapping[str, Sequence[Reply]] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    asked: list[Prompt] = field(default_factory=list)
    called: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns: dict[str, int] = defaultdict(int)
        self._done: dict[str, anyio.Event] = {}
        self._texts: dict[int, str] = {}

    def done(self, text: str) -> anyio.Event:
        """Set once the task of this text has handed in."""
        return self._done.setdefault(text, anyio.Event())

    def asked_of(self, agent_id: str) -> list[Prompt]:
        """What the models of an agent were asked."""
        return [prompt for prompt in self.asked if prompt.agent_id == agent_id]

    async def turn(self, prompt: Prompt) -> Reply:
        """The next turn of whoever is asked."""
        self.asked.append(prompt)
        if prompt.agent_id == COORDINATOR:
            return self._next("", self.coordinator, COORDINATOR_COST)
        text = next(each for each in self.workers if task_of(prompt) == each)
        if self._turns[text] == 0 and text in self.held:
            await self.done(self.held[text]).wait()
        return self._next(text, self.workers[text], WORKER_COST)

    def _next(self, whose: str, turns: Sequence[Reply], cost: ReplyUsage) -> Reply:
        number = self._turns[whose]
        self._turns[whose] += 1
        if number >= len(turns):
            raise AssertionError(f"no turn {number + 1} for {whose or 'the coordinator'!r}")
        return msgspec.structs.replace(turns[number], usage=cost)

    def model(self, name: str) -> Model:
        """A model that takes these turns."""
        return Player(name, self)

    def tools(self, *names: str) -> tuple[Tool, ...]:
        """Tools of the server of the golden scenarios."""
        return tuple(PlayedTool(name, self) for name in names)

    def seen(self, event: AnyEvent) -> None:
        """Let go of what waits for this."""
        match event:
            case TaskStarted():
                self._texts[event.task_id] = event.description
            case TaskCompleted():
                self.done(self._texts[event.task_id]).set()
            case _:
                pass


def task_of(prompt: Prompt) -> str:
    """The text of a worker's task."""
    first = prompt.messages[0].text
    return first.partition("<task>\n")[2].partition("\n</task>")[0]


@dataclass(frozen=True)
class Player:
    """A model whose turns are those of a play."""

    name: str
    play: Play
    most_tools: int | None = None

    async def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        reply = await self.play.turn(prompt)
        said = Scripted([reply], name=self.name).stream(_first(prompt))
        async with opened(said) as events:
            async for event in events:
                yield event


def _first(prompt: Prompt) -> Prompt:
    """The prompt as the first one of a conversation: a script of one reply has no other."""
    return msgspec.structs.replace(prompt, messages=prompt.messages[:1])


@dataclass(frozen=True)
class PlayedTool:
    """`add` and `mul` calculate, `get` looks up, and `slow` takes forever."""

    name: str
    play: Play

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, f"The tool {self.name}.", msgspec.Raw(b'{"type":"object"}'))

    async def call(self, call: ToolCalled, arguments: dict[str, object]) -> AsyncIterator[Item]:
        self.play.called.append((self.name, arguments))
        if self.name == "slow":
            await anyio.sleep_forever()
        yield TOOLS[self.name](arguments)


def _number(operation: Callable[[int, int], int]) -> Callable[[dict[str, Any]], Outcome]:
    return lambda given: Outcome(str(operation(given["a"], given["b"])))


TOOLS: dict[str, Callable[[dict[str, Any]], Outcome]] = {
    "add": _number(lambda a, b: a + b),
    "mul": _number(lambda a, b: a * b),
    "get": lambda given: Outcome(f"value:{given['key']}"),
    "long": lambda given: Outcome("x" * int(given["size"])),
    "refuses": lambda _: Outcome("Tool returned an error: no", failure="tool"),
}


def golden(play: Play, *, records: Records | None = None, **policy: Any) -> Team:
    """The team of the golden scenarios: `math` adds and multiplies, `lookup` looks up."""
    everything = ("add", "mul", "get", "slow")
    coordinator = Agent(
        model=play.model("openai/gpt-test"),
        system="You coordinate.",
        toolset=ScriptedToolbox(),
        turn_depth=6,
        context_window=WINDOW,
        agent_id=COORDINATOR,
    )
    return Team(
        agent_id="Golden",
        coordinator=coordinator,
        workers=(
            worker(
                play, "math", "Arithmetic", ("add", "mul"), model="openai/gpt-mini", window=32_000
            ),
            worker(play, "lookup", "Lookups", ("get", "slow", "long", "refuses")),
        ),
        anyone=worker(play, "", "", everything),
        toolset=ScriptedToolbox(play.tools(*everything), servers=(SERVER,)),
        policy=Policy(**policy),
        records=records,
    )


def worker(
    play: Play,
    name: str,
    description: str,
    tools: Sequence[str],
    *,
    model: str = "openai/gpt-test",
    window: int = WINDOW,
    **options: Any,
) -> Worker:
    """A worker with some of the tools."""
    return Worker(
        name=name,
        description=description,
        agent=Agent(
            model=play.model(model),
            system=worker_prompts.system(f"You do {name}." if name else ""),
            toolset=ScriptedToolbox(play.tools(*tools)),
            turn_depth=8,
            context_window=window,
            agent_id=name,
            **options,
        ),
    )


UNSEEN = (CompletionStarted, CompletionEnded, TurnUsage, WorkerPhase)
"""What happens within a turn; where tasks run side by side, its order is nobody's promise."""


def shown(events: Sequence[AnyEvent]) -> list[AnyEvent]:
    """The events whose order is promised."""
    return [event for event in events if not isinstance(event, UNSEEN)]


def requests(play: Play, agent_id: str) -> list[tuple[list[str], str]]:
    """What an agent was asked each time: the tools that it was offered, and the last message."""
    return [
        ([tool.name for tool in prompt.tools], prompt.messages[-1].text)
        for prompt in play.asked_of(agent_id)
    ]


async def played(
    play: Play,
    team: Team,
    *said: Message,
    session_id: str = "s1",
    owner: str = "",
    sources: Sources | None = None,
    limit: float = 0.0,
    plan: Plan | None = None,
) -> list[AnyEvent]:
    """Everything that happens while the team answers, by default the message `Q`."""
    sources = sources or fixed_sources()
    happened: list[AnyEvent] = []
    async with (
        open_run(session_id=session_id, sources=sources, owner=owner, limit=limit) as run,
        opened(answer(team, said or (User("Q"),), run, plan=plan)) as events,
    ):
        async for event in events:
            happened.append(event)
            play.seen(event)
    return happened
