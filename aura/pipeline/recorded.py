"""The record of a run of a team, written from what happens in it."""

from __future__ import annotations

from collections.abc import AsyncIterable

import msgspec

from aura.events import AnyEvent, PlanCreated, RunCompleted, Synthesizing, TaskCompleted
from aura.pipeline.compose import Events, opened, operator
from aura.pipeline.course import Course
from aura.pipeline.manifest import FILE, Status, Told, plan_file
from aura.pipeline.ports import Record
from aura.pipeline.teamwork import Teamwork

_MOMENTS = (PlanCreated, Synthesizing)
"""After these the record is brought up to date."""

BETWEEN = 1.0
"""Seconds after which it is for a task that is over: a plan can have many."""


@operator
async def recorded(
    stream: AsyncIterable[AnyEvent], *, record: Record, work: Teamwork, goal: str
) -> Events:
    """The same events; there is a manifest from the first one on, and it says how the run ended,
    whatever ended it."""
    told = Told(Course(work.team.policy, work.shelf), goal)
    status: Status = "running"
    clock, written = work.run.sources.clock, 0.0
    _write(record, told, work, status)
    try:
        async with opened(stream) as events:
            async for event in events:
                told.add(event)
                if isinstance(event, RunCompleted):
                    status = told.outcome
                elif isinstance(event, _MOMENTS) or (
                    isinstance(event, TaskCompleted) and clock() - written >= BETWEEN
                ):
                    _write(record, told, work, status)
                    written = clock()
                yield event
    finally:
        _write(record, told, work, _cut_off(work) if status == "running" else status)


def _cut_off(work: Teamwork) -> Status:
    """How a run ended that did not end by itself."""
    fate = work.run.fate
    return "timeout" if fate and fate[0].status == 504 else "cancelled"


def _write(record: Record, told: Told, work: Teamwork, status: Status) -> None:
    run = work.run
    manifest = told.manifest(
        status,
        run_id=run.id,
        session_id=run.session_id,
        agent_id=work.team.agent_id,
        owner=run.owner,
        now=work.now(),
    )
    record.keep(FILE, msgspec.json.format(msgspec.json.encode(manifest)))
    if told.iterations:
        latest = told.iterations[-1]
        data = plan_file(latest, latest.done(work.shelf))
        record.keep(f"iteration-{latest.number}/plan.json", data)
