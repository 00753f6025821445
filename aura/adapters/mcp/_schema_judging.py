"""Whether values fit a schema that a server wrote.

What cannot be judged fits: the server checks its arguments itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import validator_for
from referencing import Registry, Specification
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, specification_with

from aura.adapters.mcp._schema_dialect import MALFORMED, Endless, Steps, quick, thorough
from aura.adapters.mcp._schema_keywords import REFERENCES, Schema

MOST_STEPS = 20_000
"""How many times a value may be compared with a schema in one go: about a tenth of a second."""

MOST_STEPS_ONCE = 50_000
"""The same for the one time that the schema itself is judged."""

DEEPEST_SCHEMA = 128
"""How many levels of JSON a schema may have."""

UNJUDGED = (*MALFORMED, Endless, RecursionError)
"""What goes wrong with a schema that is none, or that does not end."""


class Judge:
    """What fits one schema, and any schema inside it."""

    def __init__(self, schema: Schema) -> None:
        self._steps = Steps(simple=_keys(schema).isdisjoint({"patternProperties", *REFERENCES}))
        self._dialect = validator_for(schema, default=Draft202012Validator)
        specification: Specification[Any] = specification_with(
            self._dialect.ID_OF(self._dialect.META_SCHEMA), default=DRAFT202012
        )
        resource = specification.create_resource(schema)
        place = resource.id() or ""
        self._registry: Registry[Any] = Registry().with_resource(place, resource)
        self._resolver = self._registry.resolver(place)
        self._schema = schema
        self._quick = self._validator(quick, schema)
        self._sound: bool | None = None

    def begin(self, steps: int = MOST_STEPS) -> None:
        """Allow as much work as there is for one call."""
        self._steps.left = steps

    def fits(self, value: object, schema: object) -> bool:
        """Whether the value fits a schema inside of this one, or made from such."""
        self._steps.depth = 0
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
        self._steps.depth = 0
        if self._sound is None:
            self._sound = False
            self.begin(MOST_STEPS_ONCE)
            meta = self._validator(thorough, self._dialect.META_SCHEMA)
            self._sound = bool(meta.is_valid(self._schema))
            self.begin()
        if not self._sound:
            return iter(())
        return iter(self._validator(thorough, self._schema).iter_errors(value))

    def _validator(self, kind: Any, schema: Schema) -> Any:
        made = kind(self._dialect)
        return made(schema, registry=self._registry, format_checker=self._steps)


def _keys(schema: object) -> set[str]:
    """All keys in a JSON value."""
    found: set[str] = set()
    waiting = [(schema, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST_SCHEMA:
            raise Endless
        if isinstance(value, dict):
            found.update(value)
            waiting.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, list):
            waiting.extend((each, depth + 1) for each in value)
    return found
