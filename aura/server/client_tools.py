"""The tools that a request brings along, to be run by the client."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from aura.errors import RequestError
from aura.pipeline.ports import ToolSpec
from aura.server.asked import named

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NOTHING = msgspec.Raw(b'{"type":"object","properties":{}}')


class FunctionDefinition(msgspec.Struct, frozen=True):
    """A function as the request describes it."""

    name: str
    description: str = ""
    parameters: msgspec.Raw = NOTHING
    strict: bool | None = None


class ToolDefinition(msgspec.Struct, frozen=True):
    """A tool as the request describes it."""

    type: str
    function: FunctionDefinition | None = None


_decode = msgspec.json.Decoder(ToolDefinition).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def client_tools(
    tools: Sequence[msgspec.Raw] | None, takes: Callable[[str], bool] | None
) -> tuple[tuple[ToolSpec, ...], tuple[str, ...]]:
    """The tools of a request that the agent takes, as a model sees them, and the names of the
    others, as `named` shows them. An agent that takes none at all does not look at them.

    Raises `RequestError` for one that no model could call.
    """
    if takes is None:
        return (), ()
    specs = _specs(tools or ())
    taken = tuple(spec for spec in specs if takes(spec.name))
    return taken, named([spec.name for spec in specs if not takes(spec.name)])


def _specs(tools: Sequence[msgspec.Raw]) -> tuple[ToolSpec, ...]:
    specs: dict[str, ToolSpec] = {}
    for index, raw in enumerate(tools):
        spec = _spec(raw, f"tools[{index}]")
        if spec.name in specs:
            raise _wrong(f"tools[{index}]: there is another tool named {spec.name!r}.")
        specs[spec.name] = spec
    return tuple(specs.values())


def _spec(raw: msgspec.Raw, place: str) -> ToolSpec:
    try:
        tool = _decode(raw)
    except msgspec.ValidationError as error:
        raise _wrong(f"{place} has the wrong shape: {error}.") from None
    if tool.type != "function" or tool.function is None:
        raise _wrong(f"{place}: only tools of type 'function' are supported, not {tool.type!r}.")
    function = tool.function
    if not NAME.fullmatch(function.name):
        raise _wrong(
            f"{place}: the name {function.name[:100]!r} must be 1 to 64 letters, digits, '_' or"
            " '-'."
        )
    try:
        _decode_object(function.parameters)
    except msgspec.ValidationError:
        raise _wrong(f"{place}: `parameters` must be a JSON Schema object.") from None
    return ToolSpec(
        function.name, function.description, function.parameters.copy(), strict=function.strict
    )


def _wrong(message: str) -> RequestError:
    return RequestError(message, param="tools")
