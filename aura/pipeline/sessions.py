"""Earlier runs of the same session, as far as they are the caller's."""

from __future__ import annotations

from typing import Final

import msgspec

from aura.pipeline.manifest import Manifest
from aura.pipeline.teamwork import Teamwork

MOST: Final = 50

_decode = msgspec.json.Decoder(Manifest).decode


class PriorRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """An earlier run, in short."""

    run_id: str
    timestamp: str
    goal: str
    status: str
    iteration_count: int
    task_count: int
    artifact_count: int
    outcome: str | None = None


async def earlier(work: Teamwork) -> tuple[Manifest, ...]:
    """The runs of this session that the same team answered for the same caller and that are over,
    the newest first; what cannot be read is left out."""
    record, run = work.shelf.record, work.run
    if record is None:
        return ()
    found: list[Manifest] = []
    for data in await record.manifests(MOST):
        try:
            manifest = _decode(data)
        except (msgspec.DecodeError, RecursionError):
            continue
        ours = (manifest.agent_id, manifest.owner) == (work.team.agent_id, run.owner)
        if ours and manifest.status != "running":
            found.append(manifest)
    return tuple(found)


async def listed(work: Teamwork) -> tuple[PriorRun, ...]:
    """The same, in short."""
    return tuple(
        PriorRun(
            each.run_id,
            each.timestamp,
            each.goal,
            each.status,
            each.iterations,
            len(each.task_summaries),
            len(each.artifact_paths),
            each.outcome,
        )
        for each in await earlier(work)
    )
