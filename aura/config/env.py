"""Environment templates in a parsed document: `{{ env.X }}` and `{{ env.X | default: 'text' }}`."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from aura.config.source import KeyPath, Source, dotted
from aura.errors import Problem

_TEMPLATE: Final = re.compile(
    r"\{\{\s*env\.(?P<name>[A-Z_][A-Z0-9_]*)\s*(?:\|\s*default:\s*'(?P<default>[^']*)'\s*)?\}\}"
    r"|(?P<suspect>\{\{\s*env\.)"
)

_FLAWS: Final = (
    (re.compile(r"(?!.*\}\})", re.DOTALL), "the closing }} is missing"),
    (re.compile(r"\w*[a-z]"), "the name must be in upper case"),
    (re.compile(r'\w+\s*\|\s*default:\s*"'), "the default must be in single quotes"),
    (re.compile(""), "it must read {{ env.NAME }} or {{ env.NAME | default: 'text' }}"),
)
"""What follows `{{ env.` in a text that is not a template, and what is wrong with it."""


class _Unresolved(enum.Enum):
    UNRESOLVED = enum.auto()


UNRESOLVED: Final = _Unresolved.UNRESOLVED
"""Stands in a tree for a text whose variables are not all set."""


class Resolved(msgspec.Struct, frozen=True):
    """A document without templates, and what was noticed on the way.

    `missing` has the uses of each variable that is not set and has no default; `suspects` are
    texts that look like templates; `clashes` are keys that became equal to one before them.
    """

    tree: dict[str, Any]
    missing: dict[str, list[KeyPath]]
    suspects: list[tuple[KeyPath, str]]
    clashes: list[KeyPath]

    def problems(self, source: Source) -> Iterator[Problem]:
        """One problem for each variable that is missing, naming every use, and for each clash."""
        for name, (first, *others) in self.missing.items():
            used = "".join(f", used again by {dotted(path)}" for path in dict.fromkeys(others))
            message = (
                f"the environment variable {name} is not set{used}; "
                f"put it into .env (see .env.example) or run: export {name}=..."
            )
            yield source.problem(first, message, kind="env")
        for path in self.clashes:
            yield source.problem(path, "its template gives a key that is already there")

    def warnings(self, source: Source) -> Iterator[Problem]:
        """One warning for each text that looks like a template and is not."""
        for path, flaw in self.suspects:
            message = f"looks like an environment template but is kept as it is: {flaw}"
            yield source.problem(path, message, kind="env")


def resolve(tree: dict[str, Any], environ: Mapping[str, str]) -> Resolved:
    """Fill in the templates in every string and key of a document.

    One pass: what is inserted is never looked at again. A variable that is set but empty counts.
    """
    walk = _Walk(environ)
    return Resolved(walk.table(tree, ()), walk.missing, walk.suspects, walk.clashes)


def resolve_path(path: KeyPath, environ: Mapping[str, str]) -> KeyPath:
    """The path of a key after the templates in the keys along it have been filled in."""
    walk = _Walk(environ)
    return tuple(walk.key(part, ()) if isinstance(part, str) else part for part in path)


class _Walk:
    """Goes through a document in the order of the file."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.missing: dict[str, list[KeyPath]] = {}
        self.suspects: list[tuple[KeyPath, str]] = []
        self.clashes: list[KeyPath] = []

    def table(self, table: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        resolved: dict[str, Any] = {}
        for written, value in table.items():
            key = self.key(written, (*path, written))
            if key in resolved:
                self.clashes.append((*path, key))
            resolved[key] = self._value(value, (*path, key))
        return resolved

    def key(self, key: str, path: KeyPath) -> str:
        """The key; as it is written when a variable is missing."""
        text = self._text(key, path)
        return key if text is UNRESOLVED else text

    def _value(self, value: object, path: KeyPath) -> object:
        match value:
            case str():
                return self._text(value, path)
            case dict():
                return self.table(value, path)
            case list():
                return [self._value(item, (*path, at)) for at, item in enumerate(value)]
        return value

    def _text(self, text: str, path: KeyPath) -> str | _Unresolved:
        complete = True

        def filled(match: re.Match[str]) -> str:
            nonlocal complete
            if match["suspect"]:
                self.suspects.append((path, _flaw(text[match.end() :])))
                return match.group()
            value = self._lookup(match["name"], match["default"])
            if value is None:
                self.missing.setdefault(match["name"], []).append(path)
                complete = False
            return value or ""

        resolved = _TEMPLATE.sub(filled, text)
        return resolved if complete else UNRESOLVED

    def _lookup(self, name: str, default: str | None) -> str | None:
        value = self._environ.get(name)
        return value if value is not None and _is_unicode(value) else default


def _flaw(rest: str) -> str:
    return next(flaw for pattern, flaw in _FLAWS if pattern.match(rest))


def _is_unicode(text: str) -> bool:
    """Bytes that are no UTF-8 reach the environment as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
