from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.amber import AmberSnapshotExtension
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from aura.pipeline.run import Run, open_run
from tests.support.sources import fixed_sources

# How long an example takes says something about the machine, nothing about us.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """A call that blocks the event loop fails the test that made it."""
    with blockbuster_ctx("aura") as detector:
        # The run log writes to the kernel's cache where it stands, and says why.
        detector.functions["os.write"].can_block_in("aura/runs/files.py", {"_append"})
        yield detector


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    async with open_run(sources=fixed_sources()) as opened:
        yield opened


class EventSnapshots(AmberSnapshotExtension):
    """One snapshot for both backends: the backend is no part of its name."""

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        name = super().get_snapshot_name(test_location=test_location, index=index)
        return re.sub(r"(asyncio|trio)-?", "", name).replace("[]", "")


@pytest.fixture
def events(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(EventSnapshots)
