"""Scratchpads on bad days: paths that lead elsewhere, disks that fail, files that change."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.scratchpads import kept
from tests.support.shelves import Shelf, numbered_lines, shelf

SECRET = "the secret beside it"
OUTSIDE = (
    "is outside the scratchpad. Give the name of a file as a `[scratchpad: ...]` message does,"
    " without directories."
)
TEXT = "\n".join(f"line {number}" for number in range(500))


@pytest.fixture
def no_blocking_calls() -> None:
    """The tests themselves read and write files."""


@pytest.fixture
def shelved(tmp_path: Path) -> Iterator[Shelf]:
    (tmp_path / "secret.txt").write_text(SECRET)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "kept.txt").write_text("one\ntwo\n")
    with shelf(inside) as made:
        yield made


@pytest.mark.parametrize(
    "file",
    [
        "../secret.txt",
        "..",
        ".",
        "./../secret.txt",
        "inside/../../secret.txt",
        "/etc/passwd",
        "sub/kept.txt",
        "..\\secret.txt",
        "kept.txt\0.md",
        "kept\n.txt",
        ".hidden",
    ],
)
def test_names_with_directories_are_refused(shelved: Shelf, file: str) -> None:
    assert shelved.refused("read", file=file) == f"{file!r} {OUTSIDE}"


def test_an_absolute_path_of_the_file_itself_is_refused(shelved: Shelf) -> None:
    assert OUTSIDE in shelved.refused("read", file=str(shelved.root / "kept.txt"))


NAMES = st.text(max_size=60) | st.lists(
    st.sampled_from(["..", ".", "/", "\\", "secret.txt", "kept.txt", "link", "~", "\0", "%2e"])
).map("".join)


@settings(max_examples=300, deadline=None)
@given(file=NAMES, tool=st.sampled_from(["read", "head", "grep", "schema", "get_in"]))
@example(file="link", tool="read")
@example(file="link/../secret.txt", tool="read")
def test_no_name_leads_outside(file: str, tool: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "secret.txt").write_text(SECRET)
        (root / "inside").mkdir()
        (root / "inside" / "link").symlink_to(root / "secret.txt")
        (root / "inside" / "kept.txt").write_text("one\n")
        more = {"grep": {"pattern": "."}, "get_in": {"path": "$"}}.get(tool, {})
        with shelf(root / "inside") as shelved:
            outcome = shelved.outcome(tool, file=file, **more)
        assert SECRET not in outcome.text
        assert folder not in outcome.text.replace(file, "") or folder in file


def test_a_link_is_no_file(shelved: Shelf) -> None:
    (shelved.root / "link.txt").symlink_to(shelved.root / "kept.txt")
    assert shelved.refused("read", file="link.txt").startswith("'link.txt': It is not a file. ")


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_said_to_be_none(shelved: Shelf, kind: str) -> None:
    path = shelved.root / "thing.txt"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    assert "not a file" in shelved.refused("read", file="thing.txt")


@pytest.mark.parametrize("file", ["gone.txt", "x" * 300, ""])
def test_a_file_that_is_not_there_says_which_are(shelved: Shelf, file: str) -> None:
    assert shelved.refused("read", file=file) == (
        f"{file[:200]!r}: There is no such file. Files in the scratchpad: 'kept.txt'."
    )


def test_a_deleted_file_and_a_deleted_directory(shelved: Shelf) -> None:
    assert shelved.look("read", file="kept.txt") == "     1\tone\n     2\ttwo"
    (shelved.root / "kept.txt").unlink()
    refused = shelved.refused("read", file="kept.txt")
    assert refused == "'kept.txt': There is no such file. Files in the scratchpad: none."
    shelved.root.rmdir()
    assert "There is no such file" in shelved.refused("read", file="kept.txt")


def test_a_file_that_changed_is_read_anew(shelved: Shelf) -> None:
    assert "L1-L4" in shelved.look("schema", file=shelved.keep({"a": 1, "b": 2}).file)
    (shelved.root / "kept.json").write_text('{\n  "c": 3\n}')
    assert "$.c (number) [L2-L2]" in shelved.look("schema", file="kept.json")


def test_a_file_that_is_cut_while_it_is_read(shelved: Shelf) -> None:
    async def cut() -> None:
        texts = await shelved.texts()
        with texts.open("kept.txt") as text:
            os.truncate(shelved.root / "kept.txt", 2)
            with pytest.raises(OSError, match="changed while it was read") as raised:
                text.read(0, text.size)
            assert raised.value.errno == errno.ESTALE

    anyio.run(cut)


@pytest.mark.parametrize(
    "text", ['{\n"a": 1\n}', "{\n  broken\n}", "[", "[\n  \n]", '{\n  "a": {\n}', "{\x00"]
)
@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("schema", {}),
        ("get_in", {"path": "a"}),
        ("item_schema", {"path": "$"}),
        ("iterate_over", {"path": "$", "fields": "a"}),
    ],
)
def test_json_that_somebody_else_wrote_breaks_nothing(
    shelved: Shelf, text: str, tool: str, more: dict[str, str]
) -> None:
    (shelved.root / "kept.json").write_text(text)
    assert shelved.outcome(tool, file="kept.json", **more).failure in {None, "tool"}


def test_bytes_that_are_no_text_are_shown_as_such(shelved: Shelf) -> None:
    (shelved.root / "kept.txt").write_bytes(b"a\xff\xfeb\nok\n")
    assert shelved.look("read", file="kept.txt") == "     1\ta\ufffd\ufffdb\n     2\tok"
    assert shelved.look("grep", file="kept.txt", pattern="ok", context=0) == ">    2\tok"


def test_deep_json_is_kept_as_text(shelved: Shelf) -> None:
    deep = "[" * 2000 + "]" * 2000
    filed = shelved.keep(deep)
    assert (filed.format, filed.lines) == ("text", 1)
    assert numbered_lines(shelved.look("read", file=filed.file)) == [deep]


def test_json_as_deep_as_it_can_be_read_is_shown_to_a_depth(shelved: Shelf) -> None:
    file = shelved.keep("[" * 400 + "]" * 400).file
    shown = shelved.look("schema", file=file, max_depth=1000).split("\n")
    assert len(shown) == 33
    assert shown[-1].endswith("(...truncated)")


def test_a_huge_line_is_never_given_whole(shelved: Shelf) -> None:
    file = shelved.keep("x" * 30_000_000).file
    for tool, more in (("read", {}), ("head", {"lines": 1}), ("slice", {"start": 1, "end": 1})):
        assert shelved.declined(tool, file=file, **more)["error"] == f"{tool}_too_large"


def assert_lost(root: Path, reason: str, **options: int) -> None:
    with capture_logs() as logs:
        diverted, pad = kept(root, TEXT, **options)
    assert diverted.stored is None
    text = diverted.call.result or ""
    assert text.startswith("[scratchpad: failed to save the output of list (1,999 tokens): ")
    assert reason in text
    assert len(text) < len(TEXT) / 5
    assert str(root) not in text
    assert pad.usage() is None
    assert [entry["event"] for entry in logs] == ["scratchpad failed"]


def test_without_room_the_model_is_told_and_gets_no_flood(tmp_path: Path) -> None:
    assert_lost(tmp_path, "`scratchpad_max_bytes`", max_bytes=100)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_lost(tmp_path / "file" / "scratchpad", os.strerror(errno.ENOTDIR))


READ_ONLY = """
import os, sys
from pathlib import Path
from aura.adapters.tokens import counter
from tests.support.scratchpads import kept
counter("openai", "gpt-4o").count("loaded")
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
print(kept(Path(sys.argv[1]), "line\\n" * 500)[0].call.result)
"""


def test_a_directory_that_may_not_be_written() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, f"{folder}/scratchpad"]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        Path(folder).chmod(0o700)
    assert "[scratchpad: failed" in ended.stdout
    assert os.strerror(errno.EACCES) in ended.stdout.partition("[scratchpad: failed")[2]
    assert folder not in ended.stdout.partition("[scratchpad: failed")[2]


LIMITED = """
import json, resource, signal, sys
from pathlib import Path
from tests.support.scratchpads import kept
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
print(json.dumps([kept(Path(sys.argv[1]), text)[0].call.result for text in json.load(sys.stdin)]))
"""


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """They end at 2,000 bytes in a process: in ours, and in that for large results."""
    texts = [TEXT, "y\n" * 400_000]
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    for shown in json.loads(ended.stdout.splitlines()[-1]):
        assert_told(shown, errno.EFBIG, tmp_path)
    assert left_in(tmp_path) == []


SMALL_DISK = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
MOUNTED = 'mount -t tmpfs -o size=64k none "$1" && exec "$0" -c "$2" "$1"'

FULL_DISK = """
import json, sys
from pathlib import Path
from tests.adapters.test_scratchpad_hostile import left_in
from tests.support.scratchpads import kept
place = Path(sys.argv[1])
told = [kept(place, "y\\n" * lines)[0].call.result for lines in (60_000, 400_000)]
print(json.dumps([told, left_in(place)]))
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """One of 64 KiB, which only this test sees."""
    command = [*SMALL_DISK, MOUNTED, sys.executable, str(tmp_path)]
    try:
        subprocess.run([*command, "pass"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system of our own can be mounted here: {error}")
    ended = subprocess.run([*command, FULL_DISK], capture_output=True, text=True, check=True)
    told, left = json.loads(ended.stdout.splitlines()[-1])
    for shown in told:
        assert_told(shown, errno.ENOSPC, tmp_path)
    assert left == []


def assert_told(shown: str, number: int, place: Path) -> None:
    """The model reads why, and not where."""
    assert shown.startswith("[scratchpad: failed")
    assert os.strerror(number) in shown
    assert str(place) not in shown


def left_in(place: Path) -> list[str]:
    """The names of the files of all runs."""
    return [path.name for path in place.glob("*/*/*")]


def test_the_pointer_names_no_path_of_the_server(tmp_path: Path) -> None:
    diverted, _ = kept(tmp_path, TEXT)
    assert str(tmp_path) not in (diverted.call.result or "")
