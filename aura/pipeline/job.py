"""A task in the hands of a worker: its turn, another one if it forgot to hand in, the outcome."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace

import msgspec

from aura.errors import AuraError
from aura.events import (
    COORDINATOR,
    AnyEvent,
    FailureCategory,
    PlannedTask,
    ScratchpadUsage,
    TaskCompleted,
    ToolCalled,
    ToolCompleted,
)
from aura.pipeline.allowance import Spent
from aura.pipeline.compose import opened
from aura.pipeline.equipped import Equipped
from aura.pipeline.failures import category
from aura.pipeline.guarded import Guard, explained
from aura.pipeline.journal import journal
from aura.pipeline.manner import Manner
from aura.pipeline.notes import Notes
from aura.pipeline.nudges import with_notice
from aura.pipeline.ports import Message, Options, Scratchpad, Tool, Toolbox, User
from aura.pipeline.prompts import worker as prompts
from aura.pipeline.reading import read_artifact
from aura.pipeline.shelf import base, shelved
from aura.pipeline.submitted import SUBMIT, Submission, Tray
from aura.pipeline.teamwork import Teamwork
from aura.pipeline.telling import Telling
from aura.pipeline.turn import turn
from aura.pipeline.waiting import Waiting

ATTEMPTS = 2


class Job:
    """One task and the worker that does it."""

    def __init__(self, task: PlannedTask, iteration: int, work: Teamwork) -> None:
        self.worker = work.team.worker(task.worker)
        self._task = task
        self._iteration = iteration
        self._work = work
        self._name = work.name(self.worker)
        self._tray = Tray()
        self._guard = Guard(work.team.policy.guarding)
        self._notes = Notes(
            work.shelf,
            base(task.task_id, task.worker, iteration),
            f"iteration-{iteration}/task-{task.task_id}",
        )
        self._telling = Telling(
            task.task_id, iteration, self._name, self._notes, work.run.sources.clock
        )
        self._pad: Scratchpad | None = None

    async def attempts(self, given: Sequence[prompts.Given]) -> AsyncGenerator[AnyEvent, None]:
        """The turns of the worker, until it hands in or has had its last one."""
        self._pad = self._work.pad(self.worker, self._task.task_id)
        toolbox = self._toolbox()
        text = prompts.task(self._task.description, given)
        history: list[Message] = []
        for attempt in range(1, ATTEMPTS + 1):
            history.append(User(text if attempt == 1 else prompts.CORRECTION))
            self._telling.turn()
            self._notes.begin(attempt, history[-1].text)
            journal(
                self._work,
                f"Worker: {self._name} (Iteration {self._iteration}, Task {self._task.task_id})",
                system=self.worker.agent.system,
                prompt=history[-1].text,
                answer=self._notes.name("response.txt"),
            )
            happens = turn(
                replace(self.worker.agent, agent_id=self._name),
                toolbox,
                history,
                self._work.run,
                options=Options(),
                pad=self._pad,
                manner=self._manner(),
            )
            try:
                async with opened(happens) as events:
                    async for event in events:
                        for told in self._telling.told(event):
                            yield told
            finally:
                self._notes.file("response.txt", self._telling.text)
            if self._tray.filled or self._exhausted:
                return

    @property
    def explored(self) -> ScratchpadUsage | None:
        """What was put on the worker's scratchpad and read there, unless that is nothing."""
        return None if self._pad is None else self._pad.usage()

    def abandoned(self, done: TaskCompleted) -> Iterator[AnyEvent]:
        """The ends of what was cut off when the task ended like that."""
        return self._telling.abandoned(done.result)

    def completed(self, error: Exception | None, seconds: float) -> TaskCompleted:
        """The end of the task."""
        if error is not None and not isinstance(error, AuraError | Spent):
            self._work.run.log.error("worker failed", task=self._task, exc_info=error)
        done = shelved(self._outcome(error, seconds), self._task.worker, self._work.shelf)
        self._notes.finish(self._task, done)
        return done

    @property
    def _exhausted(self) -> bool:
        """Whether the worker had all of its rounds of tools, and the completion after them."""
        bonus = self._pad.rounds if self._pad else 0
        return self._telling.rounds > self.worker.agent.turn_depth + bonus

    def _outcome(self, error: Exception | None, seconds: float) -> TaskCompleted:
        submitted = self._tray.submission
        failed, why = self._failed(error, submitted)
        done = TaskCompleted(
            agent_id=COORDINATOR,
            iteration=self._iteration,
            task_id=self._task.task_id,
            orchestrator_id=self._work.orchestrator_id,
            worker_id=self._name,
            success=failed is None,
            duration_ms=round(seconds * 1000),
            result=why,
            failure_category=failed,
            summary=submitted.summary if submitted else "",
            confidence=submitted.confidence if submitted else None,
            attempts=self._notes.attempt,
            turns=tuple(self._telling.turns),
        )
        if failed is None and submitted is not None:
            return msgspec.structs.replace(done, result=submitted.result)
        said = submitted.result if submitted else self._telling.text
        partial = self._notes.partial("" if said in why else said)
        return msgspec.structs.replace(done, partial=partial)

    def _failed(
        self, error: Exception | None, submitted: Submission | None
    ) -> tuple[FailureCategory | None, str]:
        """What kind of failure the task is, if it is one, and what to say about it."""
        number = self._task.task_id
        if self._guard.blocked:
            why = f"Task {number} was stopped in a duplicate call loop: the same call gave the same"
            why += " result again and again."
            return "loop_detected", why if submitted is None else f"{why} {submitted.result}"
        if submitted is not None:
            failed = submitted.status == "failed"
            return ("agent_error", submitted.result) if failed else (None, "")
        if isinstance(error, Spent):
            return "agent_timeout", (
                f"Task {number} took more than {self.worker.seconds:g} seconds, as long as"
                " `worker_timeout_secs` in [orchestration.timeouts] allows."
            )
        if error is not None:
            why = str(error) if isinstance(error, AuraError) else "the server failed"
            attempt = self._notes.attempt
            return category(error), f"Task {number} failed in attempt {attempt}: {why}"
        if self._exhausted:
            rounds = self.worker.agent.turn_depth
            why = f"Task {number} had its {rounds} rounds of tools and handed in no result."
            return "depth_exhausted", why
        return (
            "soft_failure",
            self._telling.text or "The worker handed in nothing.",
        )

    def _toolbox(self) -> Toolbox:
        work, toolbox = self._work, self._work.toolbox(self.worker)
        fits = None if self._pad is None else self._pad.shown
        native: list[Tool] = [read_artifact(work.shelf, fits), self._tray.tool]
        if work.team.compiled is not None and toolbox.tools():
            native.insert(
                1,
                Waiting(
                    lambda: {tool.spec.name: tool for tool in toolbox.tools()},
                    work.team.compiled,
                    work.run.sources.clock,
                ),
            )
        return Equipped(
            toolbox,
            tuple(native),
            self._guard,
            self._notes.outcome,
            explaining=work.shelf.record is not None or work.team.policy.shows_tool_reasoning,
        )

    def _manner(self) -> Manner:
        return Manner(
            deciding=frozenset({SUBMIT}),
            decided=lambda: self._tray.filled,
            taken=self._taken,
            finished=self._finished,
            index=self._work.completion_of(self._name),
        )

    def _taken(self, call: ToolCalled) -> ToolCalled:
        call, reason = explained(call)
        call_id = self._work.call_id(self._task.task_id, call.tool_name)
        self._notes.reason(call_id, reason)
        return msgspec.structs.replace(call, tool_id=call_id)

    def _finished(self, call: ToolCompleted) -> ToolCompleted:
        """The end of a call as the worker reads it: with where a long output is, and with advice
        when it gets nowhere."""
        notice = self._guard.note(call.tool_id)
        if not call.success:
            return msgspec.structs.replace(call, error=with_notice(call.error or "", notice))
        footer = self._notes.footer(call)
        text = "\n\n".join(part for part in (call.result, footer) if part)
        return msgspec.structs.replace(call, result=with_notice(text, notice))
