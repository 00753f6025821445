"""The tools of one worker at one task: its own under guard, and those of every worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from aura.events import ServerStatus, ToolCalled
from aura.pipeline.guarded import REASONING, Guard, watched
from aura.pipeline.ports import Offer, Outcome, Tool, Toolbox, ToolSpec

_WHY = {
    "type": "string",
    "description": "Why you make this call and what you expect of it, in a sentence.",
}


class Equipped:
    """Implements `Toolbox` of `ports`. `native` are the tools that every worker has; with
    `explaining`, the worker is asked to say why it calls the others."""

    def __init__(
        self,
        toolbox: Toolbox,
        native: tuple[Tool, ...],
        guard: Guard,
        tell: Callable[[ToolCalled, Outcome], None],
        *,
        explaining: bool,
    ) -> None:
        self._toolbox = toolbox
        self._native = native
        self._guard = guard
        self._tell = tell
        self._explaining = explaining
        self._own: tuple[Tool, ...] | None = None
        self._tools: tuple[Tool, ...] = ()

    async def ready(self) -> None:
        """Wait until every source of tools has been tried once."""
        await self._toolbox.ready()

    def tools(self) -> tuple[Tool, ...]:
        """The tools that can be called now; made anew only when those of the worker changed."""
        own = self._toolbox.tools()
        if own is not self._own:
            self._own = own
            under_guard = watched(own, self._guard, self._tell)
            if self._explaining:
                under_guard = map(Explained, under_guard)
            self._tools = (*under_guard, *self._native)
        return self._tools

    def offers(self) -> tuple[Offer, ...]:
        """Those of the tools that come from MCP servers."""
        return self._toolbox.offers()

    def statuses(self) -> tuple[ServerStatus, ...]:
        """How each MCP server is doing."""
        return self._toolbox.statuses()

    def limits(self) -> Mapping[str, int]:
        """Tools whose results belong on the scratchpad, from how many tokens on."""
        return self._toolbox.limits()


class Explained:
    """A tool with one more argument, which `guarded.explained` takes out again."""

    def __init__(self, tool: Tool) -> None:
        self.spec = explaining(tool.spec)
        self.call = tool.call


def explaining(spec: ToolSpec) -> ToolSpec:
    """The tool as a model sees it that is asked for its reasons."""
    schema = msgspec.json.decode(spec.parameters, type=dict[str, object])
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    schema["properties"] = {**known, REASONING: _WHY}
    return msgspec.structs.replace(spec, parameters=msgspec.Raw(msgspec.json.encode(schema)))
