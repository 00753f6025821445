"""The agents that are served, and how a request names one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aura.errors import RequestError
from aura.pipeline.agent import Agent
from aura.pipeline.team import Team


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What clients may know of an MCP server: `place` is the origin of its URL or the name of
    its program."""

    name: str
    transport: str
    place: str
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """What clients may know of a worker; `model` is there when it is not the coordinator's."""

    name: str
    description: str
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An agent under its public id. `created` is in seconds since the epoch.

    `takes_tool` says by its name whether the agent takes a tool of a client; without it, it takes
    none. `linger` is how many seconds a run goes on whose client has gone, `None` for as long as
    it takes.
    """

    id: str
    name: str
    agent: Agent | Team
    created: int
    owned_by: str
    model: str
    description: str | None = None
    hidden: bool = False
    overrides: frozenset[str] = frozenset()
    servers: tuple[ServerInfo, ...] = ()
    workers: tuple[WorkerInfo, ...] = ()
    takes_tool: Callable[[str], bool] | None = None
    linger: float | None = 0.0


class Catalog:
    """Every agent, in the order of the configuration. `waiting` says how many calls of their models
    wait for their turn, or for their provider."""

    def __init__(
        self,
        served: tuple[Served, ...],
        *,
        default: str | None = None,
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        self._served = served
        self.default = default
        self.waiting = waiting

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    def visible(self) -> tuple[Served, ...]:
        """The agents that clients are told about."""
        return tuple(served for served in self._served if not served.hidden)

    def find(self, model: str | None) -> Served:
        """The agent that a request for `model` means.

        A single agent answers whatever the request says. Otherwise `model`, or the default when
        there is none, is an id or else the name of exactly one agent. Raises `RequestError`.
        """
        if len(self._served) == 1:
            return self._served[0]
        wanted = self.default if model is None else model
        if wanted is None:
            raise RequestError(
                "you must provide a model parameter",
                param="model",
                code="missing_required_parameter",
            )
        by_id = [served for served in self._served if served.id == wanted]
        found = by_id or [served for served in self._served if served.name == wanted]
        if len(found) != 1:
            raise RequestError(
                f"The model `{wanted}` does not exist or you do not have access to it.",
                status=404,
                param="model",
                code="model_not_found",
            )
        return found[0]
