"""Golden scenarios of teams, whose models and tools can break."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aura.adapters.models.scripted import Call, Reply
from aura.pipeline.ports import Model, Tool, ToolSpec
from tests.support.teams import (
    Play,
    adds,
    asks_back,
    calls,
    fails,
    gets,
    golden,
    parallel,
    plans,
    responds,
    says,
    submission,
    submits,
    task,
)
from tests.sweep.breakable import BreakableModel, BreakableTool, Staged, Switch


@dataclass
class BreakablePlay(Play):
    """A play whose models and tools can break."""

    switch: Switch = field(default_factory=Switch)
    begun: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def model(self, name: str) -> Model:
        return BreakableModel(super().model(name), self.switch)

    def tools(self, *names: str) -> tuple[Tool, ...]:
        found = super().tools(*names)
        return tuple(BreakableTool(each, self.switch, self.begun, self.left) for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamScenario:
    """What everybody of the golden team says."""

    coordinator: tuple[Reply, ...]
    workers: Mapping[str, tuple[Reply, ...]] = field(default_factory=dict)
    client: tuple[ToolSpec, ...] = ()
    cycles: int = 3

    def stage(self) -> Staged:
        """The scenario, ready to be played once."""
        play = BreakablePlay(self.coordinator, self.workers)
        team = golden(play, max_cycles=self.cycles)
        return Staged(team, (), play.switch, play.begun, play.left)


TEAMS = {
    "team-direct": TeamScenario(coordinator=(responds("Good evening to all."),)),
    "team-question": TeamScenario(coordinator=(asks_back("Which one?", options=["a", "b"]),)),
    "team-parallel": TeamScenario(
        coordinator=(
            plans("G", parallel(task("A"), task("B", "lookup")), task("C")),
            responds("6"),
        ),
        workers={
            "A": (adds(1, 1), submits("a", "2")),
            "B": (gets("k"), submits("b", "value:k", "medium")),
            "C": (
                calls(Call(name="mul", arguments={"a": 2, "b": 3}), reasoning="A product."),
                calls(submission("c", "6")),
            ),
        },
    ),
    "team-replan": TeamScenario(
        coordinator=(
            plans("G", task("A")),
            plans("G2", task("B", "lookup")),
            responds("value:k"),
        ),
        workers={
            "A": (adds(1, 1), fails("boom 500")),
            "B": (gets("k"), submits("b", "value:k")),
        },
    ),
    "team-blocked": TeamScenario(
        coordinator=(
            plans("G", parallel(task("A"), task("B", "lookup")), task("C")),
            responds("Only A is known."),
        ),
        workers={"A": (adds(1, 1), submits("a", "2")), "B": (fails("boom 500"),)},
    ),
    "team-exhausted": TeamScenario(
        coordinator=(plans("G", task("A")), plans("G2", task("B"))),
        workers={"A": (adds(1, 1), submits("a", "2"))},
        cycles=1,
    ),
    "team-undecided": TeamScenario(
        coordinator=(says("Hm."), says("Hm."), says("Hm."), responds("5")),
        workers={"Hello?": (says("it is 5"), says("really 5"))},
    ),
    "team-looping": TeamScenario(
        coordinator=(plans("G", task("A")), responds("stuck")),
        workers={"A": (*[adds(1, 1)] * 6, submits("a", "stuck at 2", "low"))},
    ),
}
