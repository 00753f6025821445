"""Validators for the dialects of JSON Schema that can be let loose on a schema of a server.

Nothing is fetched, no regular expression is run, and the work has a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
from jsonschema.exceptions import UnknownType, ValidationError
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable

from aura.adapters.mcp._schema_keywords import REFERENCES

DEEPEST = 80
"""How many levels judging may go down. A recursion error is no way to find the end: below it are
libraries that turn one into something that nobody can catch."""

STEPS_OF_A_VALIDATOR = 10
"""How much longer a step takes when a validator is made for it, as for each reference."""

MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    UnknownType,
    Unresolvable,
    ValueError,
)
"""What goes wrong with a keyword that does not hold what it must."""

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


class Endless(Exception):
    """Judging takes more steps than there are."""


class Steps:
    """The work that is left. Validators hand one object down to all that they make, the checker of
    formats; formats are not judged here, so this takes its place.

    A `simple` schema has neither patterns nor references.
    """

    def __init__(self, *, simple: bool) -> None:
        self.simple = simple
        self.left = 0
        self.depth = 0

    def take(self, steps: int) -> None:
        """Use up so much of the work."""
        self.left -= steps
        if self.left < 0:
            raise Endless

    def down(self) -> None:
        """Take a step that others are taken inside of, until `up`."""
        self.take(1)
        self.depth += 1
        if self.depth > DEEPEST:
            raise Endless

    def up(self) -> None:
        """Leave the innermost of these steps."""
        self.depth -= 1


@cache
def thorough(dialect: Any) -> Any:
    """Validators of a dialect that say exactly what is wrong."""
    found = extend(dialect, _keywords(dialect))
    plain = found.descend

    def descend(
        self: Any, instance: object, schema: Any, **where: Any
    ) -> Iterator[ValidationError]:
        """As ever, but a property that may not be there is named, too."""
        self.format_checker.down()
        try:
            yield from plain(self, instance, {"not": {}} if schema is False else schema, **where)
        finally:
            self.format_checker.up()

    found.evolve = _evolved
    found.descend = descend
    return found


@cache
def quick(dialect: Any) -> Any:
    """Validators of a dialect that only tell whether anything is wrong, several times as fast."""
    found = extend(dialect, _keywords(dialect))
    plain = found.descend
    applicable = dialect._APPLICABLE_VALIDATORS  # noqa: SLF001 - how siblings of `$ref` count

    def descend(
        self: Any, instance: object, schema: Any, *, resolver: object = None, **_where: object
    ) -> Iterator[ValidationError]:
        if schema is True:
            return
        self.format_checker.down()
        try:
            if schema is False or resolver is not None or "$id" in schema or "id" in schema:
                yield from plain(self, instance, schema, resolver=resolver)
                return
            for keyword, value in applicable(schema):
                judge = self.VALIDATORS.get(keyword)
                if judge is None:
                    continue
                try:
                    yield from judge(self, value, instance, schema) or ()
                except MALFORMED:
                    continue  # this keyword says nothing, others may
        finally:
            self.format_checker.up()

    found.evolve = _evolved
    found.descend = descend
    return found


def _evolved(self: Any, **changes: Any) -> Any:
    """The same validator for another schema, never one for the `$schema` that it names: that would
    be a validator of the library, which has no limits."""
    self.format_checker.take(STEPS_OF_A_VALIDATOR)
    return type(self)(
        changes.get("schema", self.schema),
        format_checker=self.format_checker,
        registry=self._registry,
        _resolver=changes.get("_resolver", self._resolver),
    )


def _keywords(dialect: Any) -> dict[str, Keyword]:
    own: dict[str, Keyword] = dialect.VALIDATORS
    found: dict[str, Keyword] = {"uniqueItems": _distinct}
    found |= dict.fromkeys(("format", "pattern", "patternProperties"), _unjudged)
    found |= {keyword: _meant(own[keyword]) for keyword in ("properties", "required")}
    wrappers = {
        **dict.fromkeys(REFERENCES, _followed),
        **dict.fromkeys(("contains", "disallow", "if", "not", "oneOf"), _counted),
        **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties"), _simple),
        "additionalProperties": _unless_patterns,
    }
    return found | {key: wrap(own[key]) for key, wrap in wrappers.items() if key in own}


def _unjudged(_validator: Any, _value: Any, _instance: Any, _schema: Any) -> Iterator[Any]:
    return iter(())


def _distinct(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    """`uniqueItems` in linear time; 1 and 1.0 pass for different."""
    elements = instance if value and isinstance(instance, list) else []
    if len({msgspec.json.encode(each, order="sorted") for each in elements}) < len(elements):
        yield ValidationError("has an element twice")


def _followed(own: Keyword) -> Keyword:
    """A reference. Of one that leads nowhere it is only known that models are asked for JSON text
    in its place, so text that stands for a list or an object does not fit."""

    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        try:
            yield from own(validator, value, instance, schema)
        except Unresolvable:
            if isinstance(decoded(instance), dict | list):
                yield ValidationError("is JSON text")

    return judge


def _counted(own: Keyword) -> Keyword:
    """A keyword that goes down by a way on which no steps are counted."""

    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        validator.format_checker.down()
        try:
            yield from own(validator, value, instance, schema) or ()
        finally:
            validator.format_checker.up()

    return judge


def _simple(own: Keyword) -> Keyword:
    """A keyword that follows references and runs patterns by itself, where there are none."""

    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if validator.format_checker.simple:
            yield from own(validator, value, instance, schema) or ()

    return _meant(judge)


def _unless_patterns(own: Keyword) -> Keyword:
    """A keyword about the properties that no pattern beside it knows."""

    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if "patternProperties" not in schema:
            yield from own(validator, value, instance, schema) or ()

    return _meant(judge)


def _meant(own: Keyword) -> Keyword:
    """A keyword about objects. It takes any string, too, but where no type is named, text that
    stands for an object is meant to be one."""

    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(instance, str):
            yield from own(validator, value, instance, schema) or ()
        elif "type" not in schema and isinstance(decoded(instance), dict):
            yield ValidationError("is JSON text")

    return judge


def decoded(value: object) -> object:
    """What a JSON text stands for; `None` for what is none."""
    if not isinstance(value, str):
        return None
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return None
