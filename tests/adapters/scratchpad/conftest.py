from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shelves import Shelf, shelf


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelf]:
    with shelf(tmp_path) as made:
        yield made
