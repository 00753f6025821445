"""A team: an immutable value, built once, that every request shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aura.events import PlannedTask
from aura.pipeline.agent import Agent
from aura.pipeline.plan import Plan, Rules, explicit
from aura.pipeline.ports import Model, Records, Toolset
from aura.pipeline.waiting import Compile

ToolsInPlanning = Literal["none", "summary", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """An agent for tasks, under the name that plans use. `description` is for the coordinator,
    `seconds` bounds a whole task, 0 for no limit."""

    name: str
    description: str
    agent: Agent
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When results go to files of their own, in characters, and how much of them stays.

    `output` and `output_seconds` are for the tools of workers, where 0 means every output and no
    limit of time.
    """

    result: int = 4000
    summary: int = 2000
    output: int = 500
    output_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarding:
    """After how many calls with the same outcome a worker is told, and after how many it is
    stopped; 0 for never."""

    nudge: int = 3
    block: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a team may do.

    `attempts` are those to get a decision out of the coordinator. `streams_answer` says that its
    answer is shown while it is being written, `answers_on_exhaustion` that it is asked for one when
    it may not plan any more. `escape_hatch` lets it plan what the tools cannot do in full.
    `history_turns` are earlier runs of a session that it is told of, `parallel` bounds the tasks at
    a time, 0 for any number. `drain` is how many seconds the record gets to be complete before the
    coordinator looks at results, and `journal` says that it has every prompt.
    """

    max_cycles: int = 3
    attempts: int = 3
    direct_answers: bool = True
    clarification: bool = True
    tools_in_planning: ToolsInPlanning = "summary"
    most_tasks: int = 32
    parallel: int = 8
    streams_answer: bool = True
    answers_on_exhaustion: bool = False
    escape_hatch: bool = True
    history_turns: int = 3
    shows_tool_reasoning: bool = False
    journal: bool = False
    drain: float = 2.0
    thresholds: Thresholds = field(default_factory=Thresholds)
    guarding: Guarding = field(default_factory=Guarding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A coordinator, the workers that it can send, and what they may do.

    `anyone` works on tasks that belong to no worker. `toolset` has the tools of all of them, and
    `agent_id` keeps the records of different teams apart. `compiled` makes searches of regular
    expressions, for workers that wait for something.
    """

    agent_id: str
    coordinator: Agent
    workers: tuple[Worker, ...]
    anyone: Worker
    toolset: Toolset
    policy: Policy = field(default_factory=Policy)
    records: Records | None = None
    compiled: Compile | None = None

    @property
    def model(self) -> Model:
        """The model that plans and answers."""
        return self.coordinator.model

    @property
    def rules(self) -> Rules:
        """What plans have to keep to."""
        names = tuple(worker.name for worker in self.workers)
        return Rules(workers=names, most_tasks=self.policy.most_tasks)

    def plan(self, goal: str, *tasks: PlannedTask) -> Plan:
        """A plan of the caller's own for `answer`. Raises `PlanRejected`."""
        return explicit(goal, tasks, self.rules)

    def worker(self, name: str | None) -> Worker:
        """Who works on a task of the worker of that name."""
        return next((worker for worker in self.workers if worker.name == name), self.anyone)
