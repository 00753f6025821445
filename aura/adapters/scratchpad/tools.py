"""What each of the eight tools does with its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from aura.adapters.scratchpad.extract import Counter, Extract
from aura.adapters.scratchpad.items import item_schema, iterate_over
from aura.adapters.scratchpad.lookup import LINES, Lines, Lookup
from aura.adapters.scratchpad.outline import schema
from aura.adapters.scratchpad.parts import Bytes, head, part, whole
from aura.adapters.scratchpad.refusals import ToolFailed
from aura.adapters.scratchpad.search import grep
from aura.adapters.scratchpad.specs import SPECS
from aura.adapters.scratchpad.text import Text
from aura.pipeline.ports import ToolSpec

LONGEST_PROBLEM = 200
"""Characters of what is wrong with arguments."""

Count: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]


class View(NamedTuple):
    """An open file, its companions, how many tokens a call may give, and who counts them."""

    text: Text
    companions: tuple[str, ...]
    per_call: int
    counter: Counter


class Head(msgspec.Struct, frozen=True):
    """The arguments of `head`."""

    file: str
    lines: Count = 50

    def of(self, view: View) -> Extract:
        """The first lines."""
        return head(view.text, self.lines, per_call=view.per_call)


class Slice(msgspec.Struct, frozen=True):
    """The arguments of `slice`."""

    file: str
    start: int
    end: int
    from_byte: int | None = None
    to_byte: int | None = None

    def of(self, view: View) -> Extract:
        """Some lines."""
        bytes_of_each = None
        if self.from_byte is not None or self.to_byte is not None:
            bytes_of_each = Bytes(1 if self.from_byte is None else self.from_byte, self.to_byte)
        return part(view.text, self.start, self.end, bytes_of_each, per_call=view.per_call)


class Grep(msgspec.Struct, frozen=True):
    """The arguments of `grep`."""

    file: str
    pattern: str
    context: Count = 3

    def of(self, view: View) -> Extract:
        """Lines that match."""
        return grep(view.text, self.pattern, self.context, counter=view.counter, most=view.per_call)


class Schema(msgspec.Struct, frozen=True):
    """The arguments of `schema`."""

    file: str
    max_depth: Count = 4

    def of(self, view: View) -> Extract:
        """The structure."""
        return schema(view.text, self.max_depth)


class ItemSchema(msgspec.Struct, frozen=True):
    """The arguments of `item_schema`."""

    file: str
    path: str
    offset: Count = 0
    limit: Positive | None = None

    def of(self, view: View) -> Extract:
        """The keys of a list's items."""
        return item_schema(view.text, self.path, self.offset, self.limit)


class GetIn(msgspec.Struct, frozen=True):
    """The arguments of `get_in`."""

    file: str
    path: str
    offset: Count | None = None
    limit: Positive | None = None

    def of(self, view: View) -> Extract:
        """A value."""
        lines = None
        if self.offset is not None or self.limit is not None:
            lines = Lines(self.offset or 0, self.limit or LINES)
        return Lookup(view.text, self.path, lines, view.per_call, view.companions).extract()


class IterateOver(msgspec.Struct, frozen=True):
    """The arguments of `iterate_over`; some models send the fields as a list."""

    file: str
    path: str
    fields: str | tuple[str, ...]
    offset: Count = 0
    limit: Positive | None = None
    where: str | None = None

    def of(self, view: View) -> Extract:
        """Some fields of a list's items."""
        named = self.fields.split(",") if isinstance(self.fields, str) else self.fields
        return iterate_over(
            view.text,
            self.path,
            [field.strip() for field in named if field.strip()],
            offset=self.offset,
            limit=self.limit,
            where=self.where,
            per_call=view.per_call,
        )


class Read(msgspec.Struct, frozen=True):
    """The arguments of `read`."""

    file: str

    def of(self, view: View) -> Extract:
        """Everything."""
        return whole(view.text, per_call=view.per_call)


Wanted: TypeAlias = Head | Slice | Grep | Schema | ItemSchema | GetIn | IterateOver | Read

ARGUMENTS: Mapping[str, type[Wanted]] = {
    "head": Head,
    "slice": Slice,
    "grep": Grep,
    "schema": Schema,
    "item_schema": ItemSchema,
    "get_in": GetIn,
    "iterate_over": IterateOver,
    "read": Read,
}

NAMES = tuple(spec.name for spec in SPECS)


def wanted(spec: ToolSpec, arguments: Mapping[str, object]) -> Wanted:
    """What a call asks for: null means the same as nothing, numbers may be texts, and what the
    tool does not know is ignored. Raises `ToolFailed`."""
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return msgspec.convert(given, ARGUMENTS[spec.name], strict=False)
    except msgspec.ValidationError as error:
        problem = str(error)[:LONGEST_PROBLEM]
        raise ToolFailed(
            f"The arguments of {spec.name} do not fit: {problem}. It takes {_signature(spec)}."
        ) from None


def _signature(spec: ToolSpec) -> str:
    """The parameters in words."""
    described = msgspec.json.decode(spec.parameters)
    names = described["required"]
    required = ", ".join(names)
    optional = ", ".join(name for name in described["properties"] if name not in names)
    return f"{required}, and optionally {optional}" if optional else required
