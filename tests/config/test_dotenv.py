"""The `.env` file."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura.config import read_dotenv

LINES = [
    ("M01", "T_KEY=sek", {}, {"T_KEY": "sek"}),
    ("M02", "T_KEY=file", {"T_KEY": "shell"}, {"T_KEY": "shell"}),
    ("M02-empty", "T_KEY=file", {"T_KEY": ""}, {"T_KEY": ""}),
    ("M05", "A=1\nnot valid line\nB=2", {}, {"A": "1", "B": "2"}),
    (
        "M07",
        "export T_A='a b'\nT_B=\"x # y\"\nT_C=z # note",
        {},
        {"T_A": "a b", "T_B": "x # y", "T_C": "z"},
    ),
    ("expansion", "A=1\nB=${A}-${C}", {"C": "3"}, {"A": "1", "B": "1-3", "C": "3"}),
    ("shell-first", "A=1\nB=${A}", {"A": "2"}, {"A": "2", "B": "2"}),
    ("literal", "A=1\nB='${A}'", {}, {"A": "1", "B": "${A}"}),
    ("mark", "\ufeffA=1", {}, {"A": "1"}),
]


@pytest.mark.parametrize(
    ("text", "environ", "expected"), [pytest.param(*rest, id=case) for case, *rest in LINES]
)
def test_variables_are_added_and_never_replaced(
    tmp_path: Path, text: str, environ: dict[str, str], expected: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text(text)
    assert read_dotenv(tmp_path, environ).variables == expected


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path, {"A": "1"}).variables["A"] == "1"


def test_the_file_is_found_in_a_directory_above(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1")
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    assert read_dotenv(tmp_path / "below" / "deeper", {}).variables == {"A": "1"}


@pytest.mark.parametrize("line", ["not valid line", "LONELY", "A='open"])
def test_a_malformed_line_is_one_warning_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"A=1\n\n\n{line}\nB=2\n")
    [warning] = read_dotenv(tmp_path, {}).warnings
    assert (warning.file, warning.line) == (str(tmp_path / ".env"), 4)


def test_a_file_that_is_no_text_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    environment = read_dotenv(tmp_path, {"B": "2"})
    assert environment.variables == {"B": "2"}
    assert [each.kind for each in environment.warnings] == ["io"]
