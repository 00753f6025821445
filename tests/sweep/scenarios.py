"""The golden scenarios: what happens in a run that nothing disturbs, and where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from aura.adapters.models.scripted import Call, Reply
from aura.pipeline.account import Account
from aura.pipeline.ports import Tool, ToolSpec
from tests.support.agents import COST, agent, asks, breaks, says
from tests.support.scratchpads import scratchpads
from tests.support.tools import ScriptedToolbox, fails, gives
from tests.sweep.breakable import BreakableModel, BreakableTool, LimitedModel, Staged, Switch
from tests.sweep.teams import TEAMS, TeamScenario

SHELL = ToolSpec("shell", "Run a command.", msgspec.Raw(b'{"type":"object"}'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """An agent, and the tools that its client brings."""

    replies: tuple[Reply, ...]
    tools: tuple[Tool, ...] = ()
    client: tuple[ToolSpec, ...] = ()
    large: Mapping[str, int] = field(default_factory=dict)
    limited: bool = False

    def stage(self) -> Staged:
        """The scenario, ready to be played once."""
        switch, begun, left = Switch(), [], []
        tools = tuple(BreakableTool(tool, switch, begun, left) for tool in self.tools)
        plain = agent(*self.replies, toolset=ScriptedToolbox(tools, large=self.large))
        pads = scratchpads(Path(KEPT.name)) if self.large else None
        model = LimitedModel(plain.model) if self.limited else plain.model
        asked = replace(
            plain,
            model=BreakableModel(model, switch),
            scratchpads=pads,
            account=Account(most=1),
        )
        return Staged(asked, self.client, switch, begun, left)


KEPT = TemporaryDirectory()
LISTING = "\n".join(f"pod-{number} is up" for number in range(100))

SCENARIOS: dict[str, Scenario | TeamScenario] = {
    "plain": Scenario(replies=(says("Good evening to all.", reasoning="A greeting.", delay=0.01),)),
    "tool": Scenario(
        replies=(asks("look", text="Looking."), says("Done.")),
        tools=(gives("look", "a.txt", steps=2),),
    ),
    "parallel": Scenario(
        replies=(asks("look", "broken", "look"), says("Half of it.")),
        tools=(gives("look", "a.txt", steps=1), fails("broken", "disk on fire")),
    ),
    "turns": Scenario(
        replies=(asks("look"), asks("look", text="And again."), says("Twice.")),
        tools=(gives("look", "a.txt"),),
    ),
    "client": Scenario(
        replies=(
            Reply(
                text="Mine and yours.", calls=(Call(name="look"), Call(name="shell")), usage=COST
            ),
        ),
        tools=(gives("look", "a.txt"),),
        client=(SHELL,),
    ),
    "failing": Scenario(
        replies=(asks("look"), breaks(500, message="Overloaded.", kind="rejected")),
        tools=(gives("look", "a.txt"),),
    ),
    "scratchpad": Scenario(
        replies=(
            asks("list"),
            Reply(calls=(Call(name="head", arguments={"file": "unknown"}),), usage=COST),
            says("All of them."),
        ),
        tools=(gives("list", LISTING),),
        large={"list": 50},
    ),
    "limited": Scenario(
        replies=(asks("look"), says("In the end.")), tools=(gives("look", "a.txt"),), limited=True
    ),
    **TEAMS,
}
WITH_THREADS = frozenset({"scratchpad"})
"""Those in which threads work, for which virtual time does not wait."""
