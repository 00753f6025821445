"""Reading files below a root, and nothing else, whoever changes the tree meanwhile."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.adapters.filesystem import filesystem_tools
from aura.adapters.filesystem.lines import CHUNK, LARGEST, MOST_COUNTED, MOST_SKIPPED
from aura.adapters.filesystem.listing import MOST_ENTRIES
from aura.adapters.filesystem.names import names
from aura.adapters.filesystem.refusals import reason
from aura.adapters.filesystem.walk import LONGEST_PATH, MOST_LINKS
from aura.events import ToolCalled
from aura.pipeline.ports import Outcome

pytestmark = pytest.mark.anyio

CALL = ToolCalled(agent_id="agent", tool_id="call1", tool_name="tool", arguments="{}")
SECRET = "no model may see this"
ERROR = "Tool returned an error: "
NOTICE = re.compile(r"\[Lines \d+ to \d+\. The file has .*\. To go on, use offset (\d+)\.\]\Z")

unless_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


async def used(root: Path, tool: str, **arguments: object) -> Outcome:
    """What a tool answers; it says one thing and no more."""
    tools = {each.spec.name: each for each in filesystem_tools_at(root)}
    (outcome,) = [item async for item in tools[tool].call(CALL, arguments)]
    assert isinstance(outcome, Outcome)
    return outcome


def filesystem_tools_at(root: Path) -> tuple[Any, ...]:
    """The tools, built where blocking is allowed."""
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.extend(filesystem_tools(root)))
    thread.start()
    thread.join()
    return tuple(made)


async def read(root: Path, path: str, **part: object) -> Outcome:
    return await used(root, "read_file", path=path, **part)


async def entries(root: Path, **path: object) -> dict[str, Any]:
    outcome = await used(root, "list_directory", **path)
    assert outcome.failure is None
    return dict(json.loads(outcome.text))


async def joined(root: Path, path: str, **part: object) -> str:
    """A file, read by following the notices."""
    text, offset = "", 1
    while True:
        outcome = await read(root, path, offset=offset, **part)
        assert outcome.failure is None
        notice = NOTICE.search(outcome.text)
        if notice is None:
            return text + outcome.text
        text += outcome.text[: notice.start()]
        offset = int(notice[1])


def plant(base: Path) -> Path:
    """A root with links of every kind, in a place where secrets lie around."""
    root, outside = base / "root", base / "outside"
    for directory in (root / "a" / "deep", root / ".ssh", outside):
        directory.mkdir(parents=True)
    for path in (root / "top.txt", root / "a" / "a.txt", root / "a" / "deep" / "deep.txt"):
        path.write_text(f"this is {path.name}\n")
    for path in (
        root / ".env",
        root / ".ssh" / "key",
        outside / "key",
        base / "key",
        base / "top.txt",
    ):
        path.write_text(SECRET)
    for name, target in {
        "file": "a/a.txt",
        "dir": "a",
        "absolute": root / "a",
        "chain": "dir/deep/back",
        "a/up": "..",
        "a/deep/back": "../../file",
        "self": "self",
        "ping": "pong",
        "pong": "ping",
        "gone": "a/nothing",
        "key": ".ssh/key",
        "out": "../key",
        "outdir": "../outside",
        "outabsolute": outside / "key",
        "outchain": "outfirst",
        "outfirst": "a/deep/outlast",
        "a/deep/outlast": "../../../key",
        "around": "../root/top.txt",
    }.items():
        (root / name).symlink_to(target)
    (outside / "home").symlink_to(root)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant(tmp_path)


def test_the_tools_say_what_they_take(root: Path) -> None:
    reader, lister = filesystem_tools(root)
    assert (reader.spec.name, lister.spec.name) == ("read_file", "list_directory")
    takes = [json.loads(bytes(tool.spec.parameters)) for tool in (reader, lister)]
    assert [list(schema["properties"]) for schema in takes] == [
        ["path", "offset", "limit"],
        ["path"],
    ]
    assert "1 MiB" in reader.spec.description
    assert "1000" in lister.spec.description


@pytest.mark.parametrize("name", ["nothing", "top.txt", "self", "a\0b"])
def test_a_root_has_to_be_a_directory(root: Path, name: str) -> None:
    with pytest.raises(OSError) as raised:
        filesystem_tools(root / name)
    assert raised.value.strerror


@pytest.mark.parametrize(
    ("tool", "arguments", "problem"),
    [
        ("read_file", {}, "Object missing required field `path`."),
        ("read_file", {"path": 1}, "Expected `str`, got `int` - at `$.path`."),
        ("read_file", {"path": None}, "Expected `str`, got `null` - at `$.path`."),
        ("read_file", {"path": "a", "offset": 0}, "Expected `int` >= 1 - at `$.offset`."),
        ("read_file", {"path": "a", "limit": True}, "got `bool` - at `$.limit`."),
        ("read_file", {"path": "a", "lines": 2}, "Object contains unknown field `lines`."),
        ("list_directory", {"path": ["a"]}, "got `array` - at `$.path`."),
        ("list_directory", {"depth": 2}, "Object contains unknown field `depth`."),
        ("list_directory", {"x" * 5000: 2}, "Object contains unknown field `xxx"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused(
    root: Path, tool: str, arguments: dict[str, object], problem: str
) -> None:
    outcome = await used(root, tool, **arguments)
    assert outcome.failure == "arguments"
    assert outcome.text.startswith("ToolCallError: the arguments do not fit: ")
    assert problem in outcome.text
    assert "`path` (a string)" in outcome.text
    assert len(outcome.text) < 500


@pytest.mark.parametrize(
    "path",
    [
        "a/a.txt",
        "./a//./a.txt",
        "a/deep/../a.txt",
        "file",
        "dir/a.txt",
        "absolute/a.txt",
        "chain",
        "dir/up/dir/up/a/a.txt",
        "ROOT/a/a.txt",
        "ROOT//a/../a/./a.txt",
    ],
)
async def test_what_lies_below_the_root_is_read(root: Path, path: str) -> None:
    outcome = await read(root, path.replace("ROOT", str(root)))
    assert outcome == Outcome("this is a.txt\n")


OUT = "leads out of the root directory. Give a path relative to it."
HIDDEN = "is hidden: names that start with a dot cannot be read."
CIRCLE = "goes through too many links, perhaps in a circle."


@pytest.mark.parametrize("tool", ["read_file", "list_directory"])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("..", OUT),
        ("../key", OUT),
        ("a/../../key", OUT),
        ("a/../../root/top.txt", OUT),
        ("dir/up/../key", OUT),
        ("/", OUT),
        ("/etc/passwd", OUT),
        ("BASE/key", OUT),
        ("BASE/rootless", OUT),
        ("BASE/root/../key", OUT),
        ("BASE/outside/home/top.txt", OUT),
        ("out", OUT),
        ("outdir", OUT),
        ("outdir/key", OUT),
        ("outdir/home/top.txt", OUT),
        ("outabsolute", OUT),
        ("outchain", OUT),
        ("around", OUT),
        (".env", HIDDEN),
        (".ssh", HIDDEN),
        ("a/../.ssh/key", HIDDEN),
        ("a/.nothing", HIDDEN),
        ("...", HIDDEN),
        ("key", HIDDEN),
        ("BASE/root/.env", HIDDEN),
        ("self", CIRCLE),
        ("ping/a", CIRCLE),
        ("tpo.txt", "there is no 'tpo.txt' in the root directory. Similar names there: 'top.txt'."),
        ("A/a.txt", "there is no 'A' in the root directory. Similar names there: 'a'."),
        ("dir/Depe", "there is no 'Depe' in 'a'. Similar names there: 'deep'."),
        ("a/xyzzy", "was not found: there is no 'xyzzy' in 'a'. Use list_directory."),
        ("gone", "was not found: there is no 'nothing' in 'a'. Use list_directory."),
        ("xyzzy/..", "was not found: there is no 'xyzzy' in the root directory."),
        ("top.txt/x", "was not found: 'top.txt' in it is a file, not a directory."),
        ("top.txt/..", "was not found: 'top.txt' in it is a file, not a directory."),
        ("a" * 256, "was not found: a name in it is longer than the file system allows."),
        ("a/" * LONGEST_PATH, f"is too long: a path has at most {LONGEST_PATH} bytes."),
        ("a/up/" * (MOST_LINKS + 1), CIRCLE),
        ("a/deep/../../" * 200, "has too many names in it."),
        ("a/a.txt\0", "has a NUL character in it, which no path has."),
        ("a/\ud800", "is not valid Unicode."),
    ],
)
async def test_a_path_that_leads_nowhere_good_is_refused(
    root: Path, tool: str, path: str, why: str
) -> None:
    path = path.replace("BASE", str(root.parent))
    outcome = await used(root, tool, path=path)
    assert outcome.failure == "tool"
    assert outcome.text.startswith(f"{ERROR}{path[:200]!r}")
    assert why in outcome.text
    assert SECRET not in outcome.text
    assert str(root.parent) in path or str(root.parent) not in outcome.text
    outcome.text.encode()


async def test_a_tool_names_the_one_that_should_have_been_used(root: Path) -> None:
    assert (await read(root, "a")).text == (
        f"{ERROR}'a' is a directory. Use list_directory to see what is in it."
    )
    assert (await read(root, "")).failure == "tool"
    assert await used(root, "list_directory", path="file") == Outcome(
        f"{ERROR}'file' is a file. Use read_file to read it.", failure="tool"
    )


async def test_a_root_may_be_a_link_and_is_known_by_both_names(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    (root / "own").symlink_to(link / "top.txt")
    for path in ("top.txt", f"{link}/top.txt", f"{root}/top.txt", "own"):
        assert (await read(link, path)).text == "this is top.txt\n"


async def test_a_root_that_is_gone_is_told(root: Path) -> None:
    reader, _ = filesystem_tools_at(root)
    await anyio.Path(root).rename(root.parent / "moved")
    (outcome,) = [item async for item in reader.call(CALL, {"path": "top.txt"})]
    assert outcome == Outcome(
        f"{ERROR}'top.txt' was not found. Use list_directory to see what there is.", failure="tool"
    )


@pytest.fixture
def special(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    os.mkfifo(root / "pipe")
    (root / "topipe").symlink_to("pipe")
    monkeypatch.chdir(root)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        yield ["pipe", "topipe", "socket"]


SPECIAL = "is neither a file nor a directory and cannot be read."


@pytest.mark.parametrize("tool", ["read_file", "list_directory"])
async def test_what_is_neither_file_nor_directory_is_not_opened(
    root: Path, special: list[str], tool: str
) -> None:
    for path in special:
        assert (await used(root, tool, path=path)).text == f"{ERROR}{path!r} {SPECIAL}"
    for path in ("null", "zero", "tty"):
        outcome = await used(Path("/dev"), tool, path=path)
        assert outcome.text == f"{ERROR}{path!r} {SPECIAL}"


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EACCES, "cannot be read: permission denied."),
        (errno.ENOENT, "was not found. Use list_directory to see what there is."),
        (errno.EIO, "cannot be read: Input/output error."),
    ],
)
def test_an_error_of_the_system_names_no_path(number: int, why: str) -> None:
    assert reason(OSError(number, os.strerror(number), "/some/where")) == why


@unless_root
@pytest.mark.parametrize("tool", ["read_file", "list_directory"])
async def test_what_may_not_be_read_is_refused(root: Path, tool: str) -> None:
    name = "top.txt" if tool == "read_file" else "a"
    (root / name).chmod(0)
    outcome = await used(root, tool, path=name)
    (root / name).chmod(0o700)
    assert outcome.text == f"{ERROR}{name!r} cannot be read: permission denied."


@unless_root
async def test_a_directory_that_cannot_be_listed_can_be_passed(root: Path) -> None:
    (root / "a").chmod(0o100)
    good, bad = await read(root, "a/a.txt"), await read(root, "a/b.txt")
    (root / "a").chmod(0o700)
    assert good.text == "this is a.txt\n"
    assert bad.text.endswith("there is no 'b.txt' in 'a'. Use list_directory.")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "[The file is empty.]"),
        (b"\xef\xbb\xbf", "[The file is empty.]"),
        (b"\xef\xbb\xbfbom\n", "bom\n"),
        (b"no end", "no end"),
        (b"\n", "\n"),
        (b"a\r\nb\rc\n", "a\r\nb\rc\n"),
        ("grüße 🙂".encode(), "grüße 🙂"),
    ],
)
async def test_text_is_given_as_it_is(root: Path, data: bytes, text: str) -> None:
    (root / "text").write_bytes(data)
    assert await read(root, "text") == Outcome(text)


@pytest.mark.parametrize(
    "data", [b"\xff", b"a\0b", b"caf\xc3", b"\xed\xa0\x80", "\ufeffa".encode("utf-16"), b"\xc0\xaf"]
)
async def test_what_is_no_text_is_refused_with_its_size(root: Path, data: bytes) -> None:
    (root / "binary").write_bytes(data)
    assert await read(root, "binary") == Outcome(
        f"{ERROR}'binary' is a binary file of {len(data)} bytes. Only UTF-8 text can be read.",
        failure="tool",
    )


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"offset": 2}, "two\nthree"),
        ({"offset": 3, "limit": 10**30}, "three"),
        ({"limit": 3}, "one\ntwo\nthree"),
        (
            {"offset": 2, "limit": 1},
            "two\n[Lines 2 to 2. The file has 3 lines and 13 bytes. To go on, use offset 3.]",
        ),
        (
            {"offset": None, "limit": 2},
            "one\ntwo\n[Lines 1 to 2. The file has 3 lines and 13 bytes. To go on, use offset 3.]",
        ),
    ],
)
async def test_a_part_of_a_file_says_how_to_go_on(
    root: Path, part: dict[str, object], text: str
) -> None:
    (root / "lines").write_text("one\ntwo\nthree")
    assert await read(root, "lines", **part) == Outcome(text)


@pytest.mark.parametrize(
    ("data", "offset", "end"),
    [
        ("", 2, "is empty"),
        ("one", 2, "ends with line 1"),
        ("one\n", 2, "ends with line 1"),
        ("one\ntwo", 4, "ends with line 2"),
        ("one\ntwo\n", 3, "ends with line 2"),
        ("one\ntwo\n", 10**30, "ends with line 2"),
        ("x\n" * CHUNK, CHUNK + 1, f"ends with line {CHUNK}"),
    ],
)
async def test_an_offset_past_the_end_says_where_the_end_is(
    root: Path, data: str, offset: int, end: str
) -> None:
    (root / "lines").write_text(data)
    assert await read(root, "lines", offset=offset) == Outcome(
        f"{ERROR}'lines' {end}: offset {offset} is past its end.", failure="tool"
    )


@settings(deadline=None)
@given(
    lines=st.lists(st.text("aü🙂\r", max_size=5), max_size=20),
    ended=st.booleans(),
    limit=st.integers(1, 7),
)
def test_parts_of_any_file_join_to_the_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ended: bool, limit: int
) -> None:
    root = tmp_path_factory.getbasetemp()
    text = "\n".join(lines) + "\n" * ended
    (root / "parts").write_bytes(text.encode())
    assert anyio.run(lambda: joined(root, "parts", limit=limit)) == (text or "[The file is empty.]")


async def test_what_comes_after_a_part_need_not_have_been_read_to_be_told(root: Path) -> None:
    (root / "lines").write_text("x\n" * CHUNK + "y")
    part = await read(root, "lines", limit=CHUNK // 2)
    assert part.text.endswith(
        f"x\n[Lines 1 to {CHUNK // 2}. The file has {CHUNK + 1} lines and"
        f" {2 * CHUNK + 1} bytes. To go on, use offset {CHUNK // 2 + 1}.]"
    )


async def test_parts_of_a_large_file_join_to_the_file(root: Path) -> None:
    text = "".join(f"{n} {'grüße' * (n % 90)}\n" for n in range(20_000))
    data = text.encode()
    assert len(data) > 5 * 1024 * 1024
    (root / "large").write_bytes(data)
    first = await read(root, "large")
    notice = NOTICE.search(first.text)
    assert notice is not None
    assert LARGEST - 1000 < len(first.text[: notice.start()].encode()) <= LARGEST
    assert f"The file has 20000 lines and {len(data)} bytes." in notice[0]
    assert await joined(root, "large") == text


async def test_a_line_that_is_too_long_is_cut_between_characters(root: Path) -> None:
    data = "x" + "🙂" * (LARGEST // 4)
    for lines, after in (
        (f"{data}\nlast", " The next line is at offset 2."),
        (f"{data}{data}", ""),
    ):
        (root / "long").write_text(lines)
        count, size = lines.count("\n") + 1, len(lines.encode())
        assert await read(root, "long") == Outcome(
            f"{data[:-1]}\n[The first {LARGEST - 3} bytes of line 1, which is too long: the rest"
            f" of it cannot be read. The file has {count} lines and {size} bytes.{after}]"
        )
    (root / "long").write_text(f"{data}\nlast")
    assert (await read(root, "long", offset=2)).text == "last"


async def test_a_line_that_just_fits_is_whole(root: Path) -> None:
    (root / "line").write_bytes(b"x" * LARGEST)
    assert await read(root, "line") == Outcome("x" * LARGEST)
    (root / "line").write_bytes(b"x" * (LARGEST - 1) + b"\ny")
    assert (await read(root, "line")).text.startswith("x" * (LARGEST - 1) + "\n[Lines 1 to 1.")


async def test_a_file_of_empty_lines_is_read_in_parts(root: Path) -> None:
    (root / "empty").write_bytes(b"\n" * (LARGEST + 1))
    part = await read(root, "empty", offset=3, limit=LARGEST - 3)
    assert part.text.rstrip().startswith("\n" * (LARGEST - 3) + f"[Lines 3 to {LARGEST - 1}. ")
    assert (await read(root, "empty", offset=LARGEST)).text == "\n\n"


async def test_a_huge_file_costs_little(root: Path) -> None:
    size = 10 * 1024**3
    with (root / "log").open("wb") as log:
        log.write(b"a line of a log\n" * 100_000)
        log.truncate(size)  # the rest takes no space
    tracemalloc.start()
    try:
        first = await read(root, "log")
        deep = await read(root, "log", offset=100_002)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert first.text.endswith(f"The file has {size} bytes. To go on, use offset 65537.]")
    assert size > MOST_COUNTED
    assert deep == Outcome(
        f"{ERROR}'log' is too large: line 100002 does not begin in its first {MOST_SKIPPED} bytes,"
        " and only those are searched. Use a smaller offset.",
        failure="tool",
    )
    assert peak < 16 * LARGEST


@pytest.mark.usefixtures("special")
async def test_a_listing_says_what_is_there(root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9")).touch()
    listed = await entries(root)
    links = "absolute around chain dir file gone key out outabsolute outchain outdir outfirst"
    kinds = {
        "a": {"type": "directory"},
        "top.txt": {"type": "file", "size": 16},
        "caf\ufffd": {"type": "other"},
        "pipe": {"type": "other"},
        "socket": {"type": "other"},
        **{name: {"type": "link"} for name in (*links.split(), "ping", "pong", "self", "topipe")},
    }
    assert listed == {
        "path": ".",
        "entries": [{"name": name, **kinds[name]} for name in sorted(kinds)],
        "total": len(kinds),
        "hidden": 2,
        "truncated": False,
    }


@pytest.mark.parametrize("path", ["a/deep", "dir/deep", "a/./deep/", "ROOT/a/deep"])
async def test_a_directory_is_listed_under_the_path_it_was_asked_by(root: Path, path: str) -> None:
    path = path.replace("ROOT", str(root))
    listed = await entries(root, path=path)
    assert listed["path"] == path
    assert [each["name"] for each in listed["entries"]] == ["back", "deep.txt", "outlast"]


@pytest.mark.parametrize("path", [None, "", ".", "a/.."])
async def test_the_root_is_listed_by_many_names(root: Path, path: str | None) -> None:
    listed = await entries(root, path=path)
    assert listed["path"] == (path or ".")
    assert "top.txt" in [each["name"] for each in listed["entries"]]


async def test_a_long_listing_is_truncated(tmp_path: Path) -> None:
    for index in range(MOST_ENTRIES + 1):
        (tmp_path / f"{index:05}").touch()
    listed = await entries(tmp_path)
    assert [each["name"] for each in listed["entries"]] == [f"{n:05}" for n in range(MOST_ENTRIES)]
    assert (listed["total"], listed["truncated"]) == (MOST_ENTRIES + 1, True)
    (tmp_path / "00000").unlink()
    assert (await entries(tmp_path))["truncated"] is False


def test_only_so_many_names_are_looked_at(root: Path) -> None:
    directory = os.open(root, os.O_RDONLY)
    try:
        some, every = names(directory, most=5), names(directory, most=1000)
    finally:
        os.close(directory)
    assert (len(some.visible) + some.hidden, some.more) == (5, True)
    assert (every.hidden, every.more) == (2, False)


NAMES = ["a", "deep", "a.txt", "top.txt", "..", ".", "", ".ssh", ".env", "root", "outside", "home"]
LINKS = ["file", "dir", "absolute", "chain", "up", "back", "self", "ping", "gone", "key", "out"]
LINKS_OUT = ["outdir", "outabsolute", "outchain", "outlast", "around"]
PATHS = st.builds(
    "{}{}".format,
    st.sampled_from(["", "/", "ROOT/", "BASE/", "BASE/outside/home/"]),
    st.lists(st.sampled_from([*NAMES, *LINKS, *LINKS_OUT]), max_size=8).map("/".join),
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("planted"))


@settings(deadline=None)
@given(path=PATHS)
def test_whatever_path_is_read_lies_below_the_root(planted: Path, path: str) -> None:
    path = path.replace("ROOT", str(planted)).replace("BASE", str(planted.parent))

    async def both() -> tuple[Outcome, Outcome]:
        return await read(planted, path), await used(planted, "list_directory", path=path)

    text, listed = anyio.run(both)
    where = Path(os.path.realpath(planted / (path or ".")))
    below = where.is_relative_to(planted)
    visible = below and not any(n.startswith(".") for n in where.relative_to(planted).parts)
    for outcome in (text, listed):
        assert outcome.failure in {None, "tool"}
        assert visible or outcome.failure == "tool"
        assert SECRET not in outcome.text
    if text.failure is None:
        assert text.text == where.read_text()
    if listed.failure is None:
        seen = {each["name"] for each in json.loads(listed.text)["entries"]}
        assert seen == {each.name for each in where.iterdir() if not each.name.startswith(".")}


@pytest.mark.parametrize("tool", ["read_file", "list_directory"])
async def test_every_descriptor_is_closed(root: Path, tool: str) -> None:
    reader, lister = filesystem_tools_at(root)
    chosen = {"read_file": reader, "list_directory": lister}[tool]
    paths = ["a", "chain", "a/../dir/up/a", "out", "gone", "self", "a/x", "top.txt/x", "a" * 256]
    before = 0
    for round_ in range(3):
        for path in paths:
            _ = [item async for item in chosen.call(CALL, {"path": path})]
        if not round_:  # the first starts what threads and event loops keep
            before = psutil.Process().num_fds()
    assert psutil.Process().num_fds() == before


LISTED = '{"path":"door","entries":[{"name":"key","type":"file","size":8}],"total":1,'
DOOR = LISTED + '"hidden":0,"truncated":false}'
CHANGED = "changed while it was being opened. Try again."
DIRECTORY = "is a directory. Use list_directory to see what is in it."
NO_PARENT = "was not found: 'door' in it is a file, not a directory."


@pytest.fixture
def door(root: Path) -> Path:
    """A root with a directory, and a file in it, to be swapped for something else."""
    (root / "door").mkdir()
    (root / "door" / "key").write_text("harmless")
    os.mkfifo(root / "pipe")
    return root


def meddled(root: Path, path: str, name: str, other: str, step: int) -> tuple[str, bool]:
    """What a tool says when a name becomes something else right before its n-th call of the
    system, and whether it made that many."""
    aside = "../aside"
    calls = 0

    def swap(there: str) -> None:
        (root / name).rename(root / (other if there == aside else aside))
        (root / there).rename(root / name)

    def meddle(_: object, event: str, called: object) -> None:
        nonlocal calls
        if event == "c_call" and getattr(called, "__module__", "") == "posix":
            calls += 1
            if calls == step:
                swap(other)

    tool = "list_directory" if path == "door" else "read_file"
    (made,) = [each for each in filesystem_tools(root) if each.spec.name == tool]

    async def text() -> str:
        (outcome,) = [item async for item in made.call(CALL, {"path": path})]
        assert isinstance(outcome, Outcome)
        return outcome.text

    threading.setprofile(meddle)
    try:
        told = anyio.run(text)
    finally:
        threading.setprofile(None)
    if calls < step:
        return told, False
    swap(aside)
    return told, True


@pytest.mark.parametrize(
    ("path", "name", "other", "good", "refusals"),
    [
        ("door/key", "door", "outdir", "harmless", {OUT, CHANGED}),
        ("outdir/key", "outdir", "door", "harmless", {OUT, CHANGED}),
        ("door/key", "door", "top.txt", "harmless", {NO_PARENT, CHANGED}),
        ("door/../top.txt", "door", "a", "this is top.txt\n", set()),
        ("door/key", "door/key", "outabsolute", "harmless", {OUT, CHANGED}),
        ("door/key", "door/key", "pipe", "harmless", {SPECIAL}),
        ("door/key", "door/key", "a", "harmless", {DIRECTORY}),
        ("door", "door", "outdir", DOOR, {OUT, CHANGED}),
        ("door", "door", "pipe", DOOR, {SPECIAL, CHANGED}),
    ],
)
def test_a_change_at_any_step_of_a_call_leads_nobody_out(
    door: Path, *, path: str, name: str, other: str, good: str, refusals: set[str]
) -> None:
    told: set[str] = set()
    for step in count(1):
        text, happened = meddled(door, path, name, other, step)
        told.add(text)
        if not happened:
            break
    assert told == {good, *(f"{ERROR}{path!r} {why}" for why in refusals)}


SWAPPING = """
import os, sys
name, other = sys.argv[1:]
while True:
    os.rename(name, "aside")
    os.rename(other, name)
    os.rename(name, other)
    os.rename("aside", name)
"""


@contextmanager
def swapping(root: Path, name: str, other: str) -> Iterator[None]:
    """A process that lets a name stand for one thing and the other, as fast as it can."""
    command = [sys.executable, "-c", SWAPPING, name, other]
    with subprocess.Popen(command, cwd=root) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("path", "name", "other", "refusal"),
    [
        ("door/key", "door", "outdir", OUT),
        ("door/key", "door/key", "outabsolute", OUT),
        ("door/key", "door/key", "pipe", SPECIAL),
        ("door", "door", "outdir", OUT),
    ],
)
def test_who_changes_the_tree_all_the_time_leads_nobody_out(
    door: Path, path: str, name: str, other: str, refusal: str
) -> None:
    tools = {each.spec.name: each for each in filesystem_tools(door)}
    tool = tools["list_directory" if path == "door" else "read_file"]
    good = DOOR if path == "door" else "harmless"
    awaited = {good, f"{ERROR}{path!r} {refusal}"}

    async def told() -> Counter[str]:
        texts: Counter[str] = Counter()
        with anyio.fail_after(60):
            while texts.total() < 2000 or not awaited <= texts.keys():
                texts.update([item.text async for item in tool.call(CALL, {"path": path})])
        return texts

    with swapping(door, name, other):
        texts = anyio.run(told)
    assert not [text for text in texts if text != good and not text.startswith(ERROR)]
