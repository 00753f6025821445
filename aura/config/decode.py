"""From a parsed document to structs, driven by the schema; every problem is found, not the first.

Knows the shapes of the schema and none of its keys.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, cast

import msgspec
import msgspec.inspect as types

from aura.config import hints
from aura.config.env import UNRESOLVED
from aura.config.kinds import Rule
from aura.config.scalars import Misfit, kind_of, scalar
from aura.config.schema import Document
from aura.config.source import KeyPath, Source, dotted
from aura.errors import Problem

_SCHEMA: Final = cast("types.StructType", types.type_info(Document))
_FREE: Final = cast("types.DictType", types.type_info(dict[str, Any]))
_FAILED: Final = object()


class Decoded(msgspec.Struct, frozen=True):
    """A document, unless too much of it is wrong, and everything that there is to say about it."""

    document: Document | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def decode(tree: Mapping[str, Any], source: Source) -> Decoded:
    """Read a document whose templates are filled in.

    A wrong value of an optional key leaves its default behind, so that checks can go on.
    """
    reader = _Reader(source)
    document = reader.value(tree, _SCHEMA, ())
    return Decoded(
        None if document is _FAILED else cast("Document", document),
        tuple(reader.problems),
        tuple(reader.warnings),
    )


class _Reader:
    """Goes through a document and its schema side by side.

    Each method gives what the value means, or `_FAILED` once the reason has been noted.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def value(self, raw: object, expected: types.Type, path: KeyPath) -> object:
        if raw is UNRESOLVED:
            return _FAILED
        match expected:
            case types.Metadata():
                return self._ruled(raw, expected, path)
            case types.UnionType(types=options):
                return self._one_of(raw, options, path)
            case types.StructType():
                return self._table(raw, expected, path)
            case types.VarTupleType(item_type=item):
                return self._array(raw, item, path)
            case types.DictType():
                return self._entries(raw, expected, path)
            case types.AnyType():
                return self._free(raw, path)
        try:
            return scalar(raw, expected)
        except Misfit as misfit:
            return self._fail(path, str(misfit), kind=misfit.kind)

    def _ruled(self, raw: object, expected: types.Metadata, path: KeyPath) -> object:
        value = self.value(raw, expected.type, path)
        rule: Rule | None = (expected.extra or {}).get("rule")
        if rule is None or value is _FAILED or rule.holds(value):
            return value
        where = f"`{dotted(path[-1:])}` of [{dotted(path[:-1])}]"
        return self._fail(path, f"{where} {rule.otherwise}", kind="validation")

    def _one_of(self, raw: object, options: Sequence[types.Type], path: KeyPath) -> object:
        present = [option for option in options if not isinstance(option, types.NoneType)]
        if len(present) == 1:
            return self.value(raw, present[0], path)
        return self._tagged(raw, cast("list[types.StructType]", present), path)

    def _tagged(self, raw: object, tables: list[types.StructType], path: KeyPath) -> object:
        """The table that the word under the tag field selects."""
        if not isinstance(raw, dict):
            return self._fail(path, f"must be a table, got {kind_of(raw)}")
        field = str(tables[0].tag_field)
        words = [str(table.tag) for table in tables]
        word = raw.get(field)
        if word is None:
            message = f"missing required key `{field}`: one of {', '.join(words)}"
            return self._fail((*path, field), message)
        if word in words:
            return self._table(raw, tables[words.index(word)], path, siblings=tables)
        if word is UNRESOLVED:
            return _FAILED
        return self._fail((*path, field), _bad_word(word, words))

    def _table(
        self,
        raw: object,
        expected: types.StructType,
        path: KeyPath,
        *,
        siblings: Sequence[types.StructType] = (),
    ) -> object:
        if not isinstance(raw, dict):
            return self._fail(path, f"must be a table, got {kind_of(raw)}")
        known = _names(expected)
        for key in raw:
            if key not in known:
                self._unknown(key, expected, path, siblings)
        values = {
            field.name: self._field(raw, field, expected.cls, path) for field in expected.fields
        }
        given = {name: value for name, value in values.items() if value is not _FAILED}
        required = {field.name for field in expected.fields if field.required}
        return expected.cls(**given) if required <= given.keys() else _FAILED

    def _field(self, raw: dict[str, Any], field: types.Field, owner: type, path: KeyPath) -> object:
        here = (*path, field.encode_name)
        if field.encode_name in raw:
            return self.value(raw[field.encode_name], field.type, here)
        if field.required:
            self._fail(here, _missing(owner, field, here))
        return _FAILED

    def _array(self, raw: object, item: types.Type, path: KeyPath) -> object:
        if not isinstance(raw, list):
            return self._fail(path, f"must be an array, got {kind_of(raw)}")
        values = tuple(self.value(each, item, (*path, at)) for at, each in enumerate(raw))
        return _FAILED if _FAILED in values else values

    def _entries(self, raw: object, expected: types.DictType, path: KeyPath) -> object:
        """A table whose keys are names that the operator chose."""
        if not isinstance(raw, dict):
            return self._fail(path, f"must be a table, got {kind_of(raw)}")
        entries = {}
        for name, each in raw.items():
            key = self.value(name, expected.key_type, (*path, name))
            value = self.value(each, expected.value_type, (*path, name))
            if key is not _FAILED and value is not _FAILED:
                entries[key] = value
        return entries

    def _free(self, raw: object, path: KeyPath) -> object:
        """Data that is passed on as JSON, untouched: a date becomes its ISO 8601 text."""
        match raw:
            case dict():
                return self._entries(raw, _FREE, path)
            case list():
                items = self._array(raw, _FREE.value_type, path)
                return list(items) if isinstance(items, tuple) else _FAILED
            case dt.date() | dt.time():
                return raw.isoformat()
            case float() if not math.isfinite(raw):
                return self._fail(path, f"{raw!r} cannot be written as JSON", kind="validation")
        return raw

    def _unknown(
        self,
        key: str,
        table: types.StructType,
        path: KeyPath,
        siblings: Sequence[types.StructType],
    ) -> None:
        here = (*path, key)
        advice = _advice(key, table, siblings)
        if refusal := hints.REFUSED.get((table.cls, key)):
            self._fail(here, refusal, kind="validation")
        elif table.forbid_unknown_fields:
            self._fail(here, f"unknown field `{key}`: {advice}")
        else:
            warning = self._source.problem(here, f"`{key}` is ignored: {advice}")
            self.warnings.append(warning)

    def _fail(self, path: KeyPath, message: str, *, kind: str = "parse") -> object:
        self.problems.append(self._source.problem(path, message, kind=kind))
        return _FAILED


def _missing(owner: type, field: types.Field, path: KeyPath) -> str:
    purpose = hints.REQUIRED.get((owner, field.name))
    if purpose:
        return f"the table [{dotted(path)}] is missing: {purpose}"
    return f"missing required key `{field.encode_name}`"


def _bad_word(word: object, words: Sequence[str]) -> str:
    accepted = ", ".join(words)
    if not isinstance(word, str):
        return f"must be a string in quotes, one of {accepted}, got {kind_of(word)}"
    return f"{word!r} is not one of {accepted}"


def _advice(key: str, table: types.StructType, siblings: Sequence[types.StructType]) -> str:
    """What to do about a key that the table does not have."""
    if moved := hints.MOVED.get((table.cls, key)):
        return moved
    if key in hints.LATER.get(table.cls, ()):
        return "it is not supported by this version"
    owners = [str(each.tag) for each in siblings if key in _names(each)]
    if owners:
        return f"it is only for {table.tag_field} = {' or '.join(map(repr, owners))}"
    names = _names(table)
    if close := get_close_matches(key, names, n=1):
        return f"did you mean `{close[0]}`?"
    return f"the known keys are {', '.join(names)}"


def _names(table: types.StructType) -> list[str]:
    tag = [table.tag_field] if table.tag_field else []
    return tag + [field.encode_name for field in table.fields]
