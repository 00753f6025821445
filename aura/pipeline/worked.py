"""One task from its beginning to its end, whatever goes wrong with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from aura.events import AnyEvent, PlannedTask
from aura.pipeline.allowance import within
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.job import Job
from aura.pipeline.prompts.worker import Given
from aura.pipeline.teamwork import Teamwork


async def worked(
    task: PlannedTask, given: Sequence[Given], iteration: int, work: Teamwork
) -> AsyncGenerator[AnyEvent, None]:
    """Everything that happens while a task is worked on, from after its `TaskStarted` to its
    `TaskCompleted`, which comes whatever goes wrong."""
    clock = work.run.sources.clock
    begun, job = clock(), Job(task, iteration, work)
    failure: Exception | None = None
    happens = within(job.attempts(given), job.worker.seconds)
    async with opened(settled(happens)) as events:
        async for event in events:
            if isinstance(event, Failure):
                failure = event.error
                break
            yield event
    done = job.completed(failure, clock() - begun)
    for event in job.abandoned(done):
        yield event
    if explored := job.explored:
        yield explored
    yield done
