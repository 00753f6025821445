"""How a turn that ends with a decision differs from one that ends with an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aura.events import ToolCalled, ToolCompleted


def _never() -> bool:
    return False


def _as_it_is(call: ToolCalled) -> ToolCalled:
    return call


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What the one who has a turn taken wants of it.

    Calls of `deciding` tools are made alone and in their order; once it is `decided`, nothing that
    was asked for later is done. They are all that the last completion is offered. `taken` gives a
    call as it goes on, `finished` the end of a call as the model reads it, `index` the number of
    the next completion. Calls of `live` tools are streamed while they are being written.
    """

    deciding: frozenset[str] = frozenset()
    decided: Callable[[], bool] = _never
    taken: Callable[[ToolCalled], ToolCalled] = _as_it_is
    finished: Callable[[ToolCompleted], ToolCompleted] | None = None
    index: Callable[[], int] | None = None
    live: frozenset[str] = frozenset()


PLAIN = Manner()


def parts(calls: Sequence[ToolCalled], deciding: frozenset[str]) -> Iterator[Sequence[ToolCalled]]:
    """The calls in runs that can be made at the same time: those that decide are alone."""
    together: list[ToolCalled] = []
    for call in calls:
        if call.tool_name not in deciding:
            together.append(call)
            continue
        if together:
            yield together
            together = []
        yield [call]
    if together:
        yield together
