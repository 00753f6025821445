"""Whether values fit a schema that a server wrote, found out without trusting that schema.

Nothing is fetched, no regular expression of a server is run, and the work has a limit. What cannot
be judged because of that fits: the server checks its arguments itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType, ValidationError
from jsonschema.validators import extend, validator_for
from referencing import Registry, Specification
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, specification_with

from aura.adapters.mcp._schema_keywords import REFERENCES, Schema

MOST_STEPS = 20_000
"""How many times a value may be compared with a schema in one go: about a tenth of a second."""

MOST_STEPS_ONCE = 50_000
"""The same for the one time that the schema itself is judged."""

STEPS_OF_A_VALIDATOR = 10
"""How much longer it takes when a validator is made for it, as for each reference."""

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


class Endless(Exception):
    """Judging takes more steps than there are."""


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

UNJUDGED = (*MALFORMED, Endless, RecursionError)
"""What goes wrong with a schema that is none, or that does not end."""


class Judge:
    """What fits one schema, and any schema inside it."""

    def __init__(self, schema: Schema) -> None:
        dialect = validator_for(schema, default=Draft202012Validator)
        specification: Specification[Any] = specification_with(
            dialect.ID_OF(dialect.META_SCHEMA), default=DRAFT202012
        )
        resource = specification.create_resource(schema)
        registry: Registry[Any] = Registry().with_resource(resource.id() or "", resource)
        self._steps = _Steps("patternProperties" in _keys(schema))
        self._resolver = registry.resolver(resource.id() or "")
        self._dialect = dialect
        self._quick = _quick(dialect)(schema, registry=registry, format_checker=self._steps)
        self._schema = schema
        self._registry = registry
        self._sound: bool | None = None

    def begin(self, steps: int = MOST_STEPS) -> None:
        """Allow as much work as there is for one call."""
        self._steps.left = steps

    def fits(self, value: object, schema: object) -> bool:
        """Whether the value fits a schema inside of this one, or made from such."""
        return next(self._quick.descend(value, schema), None) is None

    def target(self, reference: object) -> object:
        """What a reference at the root's level means; `True` if that is nowhere here."""
        try:
            return self._resolver.lookup(str(reference)).contents
        except (LookupError, ValueError, Unresolvable):
            return True

    def problems(self, value: object) -> Iterator[ValidationError]:
        """What keeps a value from fitting; nothing if the schema itself is not valid, which takes
        so long to find out that it is only done when something does not fit."""
        if self._sound is None:
            self._sound = False
            self.begin(MOST_STEPS_ONCE)
            self._sound = bool(self._thorough(self._dialect.META_SCHEMA).is_valid(self._schema))
            self.begin()
        return iter(self._thorough(self._schema).iter_errors(value)) if self._sound else iter(())

    def _thorough(self, schema: Schema) -> Any:
        made = _thorough(self._dialect)
        return made(schema, registry=self._registry, format_checker=self._steps)


class _Steps:
    """The work that is left. Validators hand one object down to all that they make, the checker of
    formats; formats are not judged here, so this takes its place."""

    def __init__(self, patterns: bool) -> None:
        self.patterns = patterns
        self.left = MOST_STEPS

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise Endless


@cache
def _thorough(dialect: Any) -> Any:
    """Validators of a dialect that say exactly what is wrong."""
    found = extend(dialect, _keywords(dialect))
    plain = found.descend

    def descend(
        self: Any, instance: object, schema: Any, **where: Any
    ) -> Iterator[ValidationError]:
        """As ever, but a property that may not be there is named, too."""
        yield from plain(self, instance, {"not": {}} if schema is False else schema, **where)

    found.evolve = _evolved
    found.descend = descend
    return found


@cache
def _quick(dialect: Any) -> Any:
    """Validators of a dialect that only tell whether anything is wrong, several times as fast."""
    found = extend(dialect, _keywords(dialect))
    slow = found.descend
    applicable = dialect._APPLICABLE_VALIDATORS  # noqa: SLF001 - how siblings of `$ref` count

    def descend(
        self: Any,
        instance: object,
        schema: Any,
        *,
        path: object = None,
        schema_path: object = None,
        resolver: object = None,
    ) -> Iterator[ValidationError]:
        if schema is True:
            return
        if schema is False or resolver is not None or "$id" in schema or "id" in schema:
            yield from slow(self, instance, schema, path, schema_path, resolver)
            return
        self.format_checker.take(1)
        for keyword, value in applicable(schema):
            judge = self.VALIDATORS.get(keyword)
            if judge is not None:
                try:
                    yield from judge(self, value, instance, schema) or ()
                except MALFORMED:
                    continue  # this keyword says nothing, others may

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
    found |= {keyword: _followed(own[keyword]) for keyword in REFERENCES if keyword in own}
    found |= {keyword: _meant(own[keyword]) for keyword in ("properties", "required")}
    for keyword in {"additionalProperties", "unevaluatedProperties"} & own.keys():
        anywhere = keyword == "unevaluatedProperties"
        found[keyword] = _meant(_unless_patterns(own[keyword], anywhere=anywhere))
    return found


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


def _unless_patterns(own: Keyword, *, anywhere: bool) -> Keyword:
    """A keyword about the properties that no pattern knows, which is judged if there are none
    beside it, or `anywhere` in the schema."""

    def judge(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        found = validator.format_checker.patterns if anywhere else "patternProperties" in schema
        if not found:
            yield from own(validator, value, instance, schema) or ()

    return judge


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


def _keys(schema: object) -> set[str]:
    """All keys in a JSON value."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found.update(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found
