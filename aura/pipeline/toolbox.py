"""A fixed set of tools that belong to no server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from aura.events import ServerStatus
from aura.pipeline.ports import Offer, Tool


@dataclass(frozen=True, slots=True)
class Fixed:
    """Implements `Toolbox` of `ports`."""

    given: tuple[Tool, ...]

    async def ready(self) -> None:
        """Nothing has to be waited for."""

    def tools(self) -> tuple[Tool, ...]:
        """The tools."""
        return self.given

    def offers(self) -> tuple[Offer, ...]:
        """None is of a server."""
        return ()

    def statuses(self) -> tuple[ServerStatus, ...]:
        """There are no servers."""
        return ()

    def limits(self) -> Mapping[str, int]:
        """No result is too large."""
        return {}


class NoTools:
    """Implements `Toolset` of `ports` for agents whose tools are given to them in another way."""

    def open(self, headers: Mapping[str, str]) -> AbstractContextManager[Fixed]:
        """None, for anybody."""
        del headers
        return nullcontext(Fixed(()))


NO_TOOLS = NoTools()
