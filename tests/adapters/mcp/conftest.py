from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Real processes and sockets: once is enough, and asyncio is what serves."""
    return "asyncio"


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Starting a process reads files, in the SDK and in the tests."""
