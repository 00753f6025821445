"""Where scratchpads are: a directory for each run that nobody else gets into, within bounds."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.adapters.scratchpad.place import BETWEEN_LOOKS, Place, directory_name, obstacle

HOLD = """
import sys, time
from pathlib import Path
from aura.adapters.scratchpad.place import Place
place = Place(Path(sys.argv[1]), max_bytes=0, retention=0, now=time.time)
place.open("session", "held")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


class Clock:
    """Seconds since the epoch, as a test wants them."""

    def __init__(self) -> None:
        self.now = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def place(
    root: Path, clock: Callable[[], float], *, max_bytes: int = 0, retention: float = 0.0
) -> Place:
    return Place(root, max_bytes=max_bytes, retention=retention, now=clock)


def run_of(made: Place, root: Path, name: str, size: int, when: float) -> None:
    """A run that is over, which kept so many bytes."""
    os.close(made.open("session", name))
    file = root / "session" / name / "kept.txt"
    file.write_bytes(b"x" * size)
    for path in (file, file.parent):
        os.utime(path, (when, when))


def runs(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*/*"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=300) | st.sampled_from(["..", ".", "a/b", "a_b", "\0", "~"])))
def test_ids_of_every_kind_are_names_of_directories(ids: list[str]) -> None:
    names = [directory_name(each) for each in ids]
    assert len(set(names)) == len(set(ids))
    for name in names:
        assert name not in {"", ".", ".."}
        assert not set(name) & {"/", "\0"}
        assert len(name.encode()) < 100


@settings(max_examples=30, deadline=None)
@given(session=st.text(max_size=300), run=st.text(max_size=300))
def test_a_run_is_below_its_session_and_private(session: str, run: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "scratchpad"
        os.close(place(root, lambda: 0.0).open(session, run))
        [made] = root.glob("*/*")
        for path in (root, made.parent, made):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert [path.name for path in Path(folder).iterdir()] == ["scratchpad"]


def test_what_is_older_than_allowed_is_removed(tmp_path: Path, clock: Clock) -> None:
    made = place(tmp_path, clock, retention=100.0)
    run_of(made, tmp_path, "old", 10, clock.now - 101)
    run_of(made, tmp_path, "new", 10, clock.now - 99)
    assert made.room(0) is None
    assert runs(tmp_path) == ["new"]


def test_the_oldest_give_way_when_room_is_needed(tmp_path: Path, clock: Clock) -> None:
    made = place(tmp_path, clock, max_bytes=100)
    for age, name in ((30, "a"), (20, "b"), (10, "c")):
        run_of(made, tmp_path, name, 30, clock.now - age)
    assert made.room(10) == 10
    assert runs(tmp_path) == ["a", "b", "c"]
    made.added(10)
    clock.now += BETWEEN_LOOKS
    run_of(made, tmp_path, "d", 10, clock.now)
    assert made.room(40) == 60
    assert runs(tmp_path) == ["c", "d"]


def test_a_run_that_goes_on_is_never_removed(tmp_path: Path, clock: Clock) -> None:
    made = place(tmp_path, clock, max_bytes=10, retention=1.0)
    descriptor = made.open("session", "live")
    (tmp_path / "session" / "live" / "kept.txt").write_bytes(b"x" * 50)
    clock.now += 1e9
    assert made.room(5) == 0
    assert runs(tmp_path) == ["live"]
    os.close(descriptor)
    clock.now += BETWEEN_LOOKS
    assert made.room(5) == 10
    assert list(tmp_path.iterdir()) == []


def test_nor_one_of_another_process(tmp_path: Path, clock: Clock) -> None:
    made = place(tmp_path, clock, max_bytes=1)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        (tmp_path / "session" / "held" / "kept.txt").write_bytes(b"xx")
        made.room(1)
        assert runs(tmp_path) == ["held"]
    finally:
        holder.communicate(timeout=20)
    made.room(1)
    assert runs(tmp_path) == []


def test_an_earlier_run_is_found_as_long_as_it_is_kept(tmp_path: Path, clock: Clock) -> None:
    made = place(tmp_path, clock)
    assert made.find("session", "gone") is None
    run_of(made, tmp_path, "earlier", 1, clock.now)
    descriptor = made.find("session", "earlier")
    assert descriptor is not None
    assert os.listdir(descriptor) == ["kept.txt"]  # noqa: PTH208
    os.close(descriptor)


def test_links_in_the_place_of_directories_are_not_followed(tmp_path: Path, clock: Clock) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "scratchpad"
    root.mkdir()
    (root / "session").symlink_to(outside)
    with pytest.raises(OSError):
        place(root, clock).open("session", "run")
    assert list(outside.iterdir()) == []


def test_a_directory_that_cannot_be_used_is_noticed_early(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert obstacle(tmp_path / "new" / "scratchpad") is None
    assert "is no directory" in (obstacle(tmp_path / "file" / "scratchpad") or "")
    assert not (tmp_path / "new").exists()
