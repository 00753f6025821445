from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator

import pytest

from tests.support.processes import NODE_FOLDER, Processes

LONGEST_TAIL = 4000


@pytest.fixture
def anyio_backend() -> str:
    """Real processes and sockets: once is enough, and asyncio is what serves."""
    return "asyncio"


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Nothing of Aura runs in this process."""


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> Iterator[None]:
    """Clients reach loopback directly, however the machine reaches the rest of the world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Processes that serve many tests."""
    processes = Processes(tmp_path_factory.mktemp("shared"))
    yield processes
    processes.end()


@pytest.fixture
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Processes of one test."""
    processes = Processes(tmp_path_factory.mktemp("own"))
    yield processes
    processes.end()


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages of `package.json`."""
    found = shutil.which("node")
    if found and (NODE_FOLDER / "node_modules" / ".package-lock.json").exists():
        return found
    reason = "node is not installed" if not found else "its packages are missing: make test"
    if os.environ.get("CI") == "true" and shutil.which("npm"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes of a failed test have written."""
    report = yield
    if report.failed:
        known = [value for value in item.funcargs.values() if isinstance(value, Processes)]
        for running in (running for group in known for running in group.running):
            title = f"output of {running.url} ({running.log.name})"
            report.sections.append((title, running.output()[-LONGEST_TAIL:]))
    return report
