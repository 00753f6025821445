"""The `.env` file, read before anything else."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from aura.errors import Problem

_LITERAL: Final = re.compile(r"[^=]*=\s*'")


class Environment(msgspec.Struct, frozen=True):
    """The variables to work with, and what could not be read."""

    variables: dict[str, str]
    warnings: tuple[Problem, ...] = ()


def read_dotenv(directory: Path, environ: Mapping[str, str]) -> Environment:
    """`environ` and, for what it does not set, the first `.env` from `directory` upward.

    A line that cannot be understood becomes a warning and the rest is read all the same.
    """
    directory = directory.resolve()
    for folder in (directory, *directory.parents):
        if (file := folder / ".env").is_file():
            return _merged(file, environ)
    return Environment(dict(environ))


def _merged(file: Path, environ: Mapping[str, str]) -> Environment:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        warning = Problem(str(file), 0, "", f"cannot be read and is ignored: {error}", "io")
        return Environment(dict(environ), (warning,))
    variables, warnings = dict(environ), []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            message = "the line is ignored: it does not read NAME=value"
            warnings.append(Problem(str(file), _line(binding), "", message, "parse"))
        elif binding.key and binding.key not in environ:
            variables[binding.key] = _expanded(binding, variables)
    return Environment(variables, tuple(warnings))


def _expanded(binding: Binding, variables: Mapping[str, str]) -> str:
    """The value with `${NAME}` filled in, unless it is in single quotes."""
    value = binding.value or ""
    if _LITERAL.match(binding.original.string):
        return value
    return "".join(atom.resolve(variables) for atom in parse_variables(value))


def _line(binding: Binding) -> int:
    """The parser counts the empty lines before a binding as a part of it."""
    written = binding.original.string
    return binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")
