"""A team at work on one request: what its coordinator and its workers have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from aura.events import COORDINATOR, SessionInfo
from aura.pipeline.ports import Scratchpad, Tool, Toolbox
from aura.pipeline.prompts.coordinator import Roster
from aura.pipeline.run import Run
from aura.pipeline.shelf import Shelf
from aura.pipeline.team import Team, Worker


class Teamwork:
    """One run of a team. `orchestrator_id` stands for tasks that belong to no worker."""

    def __init__(self, team: Team, run: Run, shelf: Shelf) -> None:
        self.team = team
        self.run = run
        self.shelf = shelf
        self.orchestrator_id = run.sources.ids("orc_")
        self._boxes: dict[str, Toolbox] = {}
        self._completions: Counter[str] = Counter()
        self._calls: Counter[int] = Counter()
        self._introduced: set[str] = set()
        self._journal_opened = False
        self.coordinator = team.coordinator

    def brief(self, system: str) -> None:
        """Tell the coordinator where it is."""
        self.coordinator = replace(self.team.coordinator, system=system)

    def name(self, worker: Worker) -> str:
        """Who a worker is in events."""
        return self.orchestrator_id if worker is self.team.anyone else worker.name

    def toolbox(self, worker: Worker) -> Toolbox:
        """The tools of a worker, the same for each of its tasks."""
        if worker.name not in self._boxes:
            opened = worker.agent.toolset.open(self.run.headers)
            self._boxes[worker.name] = self.run.borrow(opened)
        return self._boxes[worker.name]

    def pad(self, worker: Worker, task_id: int) -> Scratchpad | None:
        """A scratchpad for one task, if the worker has a tool that may need one."""
        limits = self.toolbox(worker).limits()
        if worker.agent.scratchpads is None or not limits:
            return None
        run = self.run
        return run.borrow(
            worker.agent.scratchpads.open(
                limits,
                session_id=run.session_id,
                run_id=run.id,
                agent_id=self.name(worker),
                task_id=task_id,
                tasks=run.tasks,
                log=run.log,
            )
        )

    def completion_of(self, agent_id: str) -> Callable[[], int]:
        """Numbers the completions of an agent, over all of its tasks."""

        def number() -> int:
            self._completions[agent_id] += 1
            return self._completions[agent_id] - 1

        return number

    def call_id(self, task_id: int, tool_name: str) -> str:
        """The id of the next call of a task."""
        self._calls[task_id] += 1
        return f"task{task_id}_{tool_name}_{self._calls[task_id] - 1}"

    def opens_journal(self) -> bool:
        """Whether nothing was written into the journal before."""
        opened, self._journal_opened = self._journal_opened, True
        return not opened

    def introduction(self, worker: Worker) -> SessionInfo | None:
        """What there is to know about a worker that gets its first task."""
        name = self.name(worker)
        if name in self._introduced:
            return None
        self._introduced.add(name)
        return SessionInfo(
            model=worker.agent.model.name,
            model_context_limit=worker.agent.context_window,
            agent_id=name,
            parent_agent_id=COORDINATOR,
        )

    def roster(self) -> tuple[Roster, ...]:
        """The workers and their tools, as the coordinator is told of them."""
        return tuple(
            Roster(worker.name, worker.description, _named(self.toolbox(worker).tools()))
            for worker in self.team.workers
        )

    def now(self) -> str:
        """The time in UTC, as in RFC 3339."""
        moment = datetime.fromtimestamp(self.run.sources.now(), UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(tools: tuple[Tool, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((tool.spec.name, tool.spec.description) for tool in tools)
