"""Arguments of a call as the server takes them, from what a model wrote. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from aura.adapters.mcp._schema_dialect import Endless, decoded
from aura.adapters.mcp._schema_judging import UNJUDGED, Judge
from aura.adapters.mcp._schema_keywords import Schema
from aura.adapters.mcp._schema_problems import told

BRANCHES = ("anyOf", "oneOf")

DEEPEST = 40
"""How many levels of a value are restored."""


class Arguments:
    """What the arguments of one tool must be, by the schema that its server wrote."""

    def __init__(self, schema: Mapping[str, object]) -> None:
        self._restoring: _Restoring | None = None
        with suppress(*UNJUDGED):
            self._restoring = _Restoring(dict(schema))

    def checked(self, arguments: dict[str, object]) -> dict[str, object] | str:
        """The arguments as the server takes them, or what is wrong with them, for the model.

        Arguments that fit are returned as they are. Of others, a null that neither is allowed nor
        stands for something required is left out, and a string that is not allowed is decoded if it
        is JSON text of something that is. What cannot be judged is returned as it is: the server
        checks it.
        """
        if self._restoring is None:
            return arguments
        try:
            return self._restoring.checked(arguments)
        except UNJUDGED:
            return arguments


class _Restoring:
    """Values that a model wrote by the sanitized schema, as the original schema has them."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._judge = Judge(schema)
        self._depth = 0

    def checked(self, arguments: dict[str, object]) -> dict[str, object] | str:
        self._judge.begin()
        self._depth = 0
        if self._fits(arguments, self._schema):
            return arguments
        found = self._value(arguments, self._schema)
        if isinstance(found, dict) and self._fits(found, self._schema):
            return found
        return told(self._judge.problems(found)) or arguments

    def _fits(self, value: object, schema: object) -> bool:
        return self._judge.fits(value, schema)

    def _value(self, value: object, schema: object) -> object:
        """The value restored as far as the schema asks for it; as it is where it fits."""
        if not isinstance(schema, dict) or self._fits(value, schema):
            return value
        self._depth += 1
        if self._depth > DEEPEST:
            raise Endless
        found = self._restored(value, schema)
        self._depth -= 1
        return found

    def _restored(self, value: object, schema: Schema) -> object:
        if isinstance(value, str):
            return self._decoded(value, schema)
        if "$ref" in schema:
            value = self._value(value, self._judge.target(schema["$ref"]))
        if isinstance(value, dict):
            value = self._object(value, schema)
        elif isinstance(value, list):
            value = self._array(value, schema)
        for part in _listed(schema, "allOf"):
            value = self._value(value, part)
        for keyword in BRANCHES:
            value = self._branch(value, schema, keyword)
        return self._conditional(value, schema)

    def _decoded(self, text: str, schema: Schema) -> object:
        """What the text stands for if that fits. What is a list or an object is taken anyway, so
        that the model is told what is wrong inside."""
        value = decoded(text)
        if value is None and text.strip() != "null":
            return text
        found = self._value(value, schema)
        return found if isinstance(found, dict | list) or self._fits(found, schema) else text

    def _object(self, value: dict[str, object], schema: Schema) -> dict[str, object]:
        known = _named(schema, "properties")
        required = schema.get("required") or ()
        others = True if "patternProperties" in schema else schema.get("additionalProperties", True)
        found: dict[str, object] = {}
        for name, member in value.items():
            inner = known.get(name, others)
            needed = isinstance(required, list) and name in required
            if member is not None or needed or self._fits(None, inner):
                found[name] = self._value(member, inner)
        if "unevaluatedProperties" in schema and not self._fits(found, schema):
            return {
                name: member
                for name, member in found.items()
                if member is not None or name in known
            }
        return found

    def _array(self, value: list[object], schema: Schema) -> list[object]:
        first, rest = _listed(schema, "prefixItems"), schema.get("items", True)
        if isinstance(rest, list):
            first, rest = rest, schema.get("additionalItems", True)
        inner = [*first, *[rest] * (len(value) - len(first))]
        return [self._value(each, inner[index]) for index, each in enumerate(value)]

    def _branch(self, value: object, schema: Schema, keyword: str) -> object:
        """The value restored by the first branch by which it then fits."""
        union = {keyword: _listed(schema, keyword)}
        if not union[keyword] or self._fits(value, union):
            return value
        for branch in union[keyword]:
            found = self._value(value, branch)
            if self._fits(found, union):
                return found
        return value

    def _conditional(self, value: object, schema: Schema) -> object:
        if "if" in schema:
            branch = "then" if self._fits(value, schema["if"]) else "else"
            value = self._value(value, schema.get(branch, True))
        for keyword in ("dependentSchemas", "dependencies"):
            for name, inner in _named(schema, keyword).items():
                if isinstance(value, dict) and name in value:
                    value = self._value(value, inner)
        return value


def _listed(schema: Schema, keyword: str) -> list[object]:
    found = schema.get(keyword)
    return found if isinstance(found, list) else []


def _named(schema: Schema, keyword: str) -> dict[str, object]:
    found = schema.get(keyword)
    return found if isinstance(found, dict) else {}
