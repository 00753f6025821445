"""A TOML file, or a directory of them, to configurations; all problems are reported at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from aura.config import checks
from aura.config.decode import decode
from aura.config.env import resolve, resolve_path
from aura.config.legacy import moved
from aura.config.lines import lines
from aura.config.schema import Config
from aura.config.source import Source
from aura.errors import ConfigError, Problem

_POSITION: Final = re.compile(r"line (\d+)")
_NO_FILES: Final = "No .toml configuration files found in this directory"


class Loaded(msgspec.Struct, frozen=True):
    """Usable configurations in the order of their files, and what is odd about them."""

    configs: tuple[Config, ...]
    warnings: tuple[Problem, ...]


class _Read(msgspec.Struct, frozen=True):
    """What one file gave; without a `config` there is at least one problem."""

    config: Config | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def load(path: Path | str, environ: Mapping[str, str] | None = None) -> Loaded:
    """Load a file, or every `.toml` file directly in a directory, sorted by name.

    Templates are filled from `environ`, by default the environment of the process. Raises
    `ConfigError` with every problem of every file.
    """
    files, unreadable = _files(Path(path))
    read = [_read(file, os.environ if environ is None else environ) for file in files]
    configs = tuple(each.config for each in read if each.config)
    problems = [problem for each in read for problem in each.problems]
    problems += checks.clashes(configs)
    if problems:
        raise ConfigError(problems)
    warnings = [warning for each in read for warning in each.warnings]
    return Loaded(configs, (*unreadable, *warnings, *checks.between_files(configs)))


def _files(path: Path) -> tuple[list[Path], list[Problem]]:
    """The files to read and a warning for each entry that leads nowhere."""
    try:
        if not path.is_dir():
            return [path], []
        entries = sorted(path.iterdir(), key=os.fsencode)
    except OSError as error:
        raise ConfigError([_unreadable(path, error)]) from error
    named = [each for each in entries if each.suffix == ".toml" and each.name[0] != "."]
    files = [each for each in named if each.is_file()]
    if not files:
        raise ConfigError([Problem(str(path), 0, "", _NO_FILES)])
    dangling = [each for each in named if not each.exists()]
    return files, [Problem(str(each), 0, "", "leads nowhere, skipped", "io") for each in dangling]


def _read(file: Path, environ: Mapping[str, str]) -> _Read:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return _Read(problems=(_unreadable(file, error),))
    try:
        tree = tomllib.loads(text)
        index = {resolve_path(path, environ): line for path, line in lines(text).items()}
    except (ValueError, RecursionError) as error:
        return _Read(problems=(_malformed(file, text, error),))
    return _decoded(tree, Source(str(file), index), environ)


def _decoded(tree: dict[str, Any], source: Source, environ: Mapping[str, str]) -> _Read:
    resolved = resolve(tree, environ)
    placed = moved(resolved.tree, source)
    source = placed.source
    decoded = decode(placed.tree, source)
    problems = [*resolved.problems(source), *placed.problems, *decoded.problems]
    warnings = [*resolved.warnings(source), *placed.warnings, *decoded.warnings]
    config = None
    if decoded.document:
        config = Config(source=source, **msgspec.structs.asdict(decoded.document))
        problems += checks.problems(config)
        warnings += checks.warnings(config)
    return _Read(config, _in_order(problems), _in_order(warnings))


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line))


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> Problem:
    match error:
        case FileNotFoundError():
            message = "there is no such file or directory; set CONFIG_PATH or --config"
        case UnicodeDecodeError():
            message = f"is not UTF-8 text: {error.reason} at byte {error.start}"
        case _:
            message = f"cannot be read: {error.strerror}"
    return Problem(str(path), 0, "", message, "io")


def _malformed(file: Path, text: str, error: Exception) -> Problem:
    """A syntax error; the parser's message has line and column of the file."""
    if isinstance(error, RecursionError):
        return Problem(str(file), 0, "", "is nested too deeply", "parse")
    position = _POSITION.search(str(error))
    line = int(position[1]) if position else len(text.splitlines())
    written = text.splitlines()[line - 1 : line]
    hint = "; put the template in quotes" if any("{{" in each for each in written) else ""
    return Problem(str(file), line, "", f"{error}{hint}", "parse")
