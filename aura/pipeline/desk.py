"""Where the coordinator leaves its decision: the three tools, of which the first call counts."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from aura.pipeline.native import NativeTool, answer, spec
from aura.pipeline.plan import Plan, Rules, from_steps
from aura.pipeline.ports import Outcome, Tool

RESPOND, PLAN, CLARIFY = "respond_directly", "create_plan", "request_clarification"
ROUTING = frozenset({RESPOND, PLAN, CLARIFY})


class Direct(msgspec.Struct, frozen=True, tag_field="response_type", tag="direct"):
    """The answer itself; `response_summary` is for later requests."""

    response: str
    routing_rationale: str
    response_summary: str | None = None


class Planned(msgspec.Struct, frozen=True, tag_field="response_type", tag="steps_plan"):
    """A plan that can be carried out."""

    plan: Plan
    routing_rationale: str
    planning_summary: str = ""


class Clarify(msgspec.Struct, frozen=True, tag_field="response_type", tag="clarification"):
    """A question for the user, with answers to choose from."""

    question: str
    routing_rationale: str
    options: tuple[str, ...] = ()


Decision: TypeAlias = Direct | Planned | Clarify


class RespondDirectly(msgspec.Struct, frozen=True):
    """The arguments of `respond_directly`."""

    response: str
    routing_rationale: str = ""
    summary: str | None = None


class CreatePlan(msgspec.Struct, frozen=True):
    """The arguments of `create_plan`; its steps are read by `plan`."""

    goal: str
    steps: list[object]
    routing_rationale: str = ""
    planning_summary: str = ""


class RequestClarification(msgspec.Struct, frozen=True):
    """The arguments of `request_clarification`."""

    question: Annotated[str, msgspec.Meta(min_length=1)]
    routing_rationale: str = ""
    options: tuple[str, ...] | None = None


_STRING = {"type": "string"}
_RATIONALE = {**_STRING, "description": "Why this and not one of the other two, in a sentence."}
_STEP = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["task", "parallel", "chain"]},
        "task": {**_STRING, "description": "For `task`: everything the worker has to know."},
        "worker": {**_STRING, "description": "For `task`: the name of the worker."},
        "items": {
            "type": "array",
            "items": {"type": "object"},
            "description": "For `parallel`: steps that need nothing of each other.",
        },
        "steps": {
            "type": "array",
            "items": {"type": "object"},
            "description": "For `chain`: steps one after the other.",
        },
    },
    "required": ["type"],
}
_RESPOND = spec(
    RESPOND,
    "Give the user the final answer. Ends your turn.",
    {
        "type": "object",
        "properties": {
            "response": {**_STRING, "description": "The whole answer, as the user will read it."},
            "routing_rationale": _RATIONALE,
            "summary": {
                **_STRING,
                "description": "The answer in a sentence or two, for later requests.",
            },
        },
        "required": ["response", "routing_rationale"],
    },
)
_PLAN = spec(
    PLAN,
    "Have workers do tasks. Ends your turn; you will see what came of them.",
    {
        "type": "object",
        "properties": {
            "goal": {**_STRING, "description": "What all of the tasks are for."},
            "steps": {
                "type": "array",
                "items": _STEP,
                "description": "The steps, one after the other.",
            },
            "routing_rationale": _RATIONALE,
            "planning_summary": {
                **_STRING,
                "minLength": 1,
                "description": "The plan in a sentence or two, for people who watch.",
            },
        },
        "required": ["goal", "steps", "routing_rationale", "planning_summary"],
    },
)
_CLARIFY = spec(
    CLARIFY,
    "Ask the user for something that only the user can know. Ends your turn.",
    {
        "type": "object",
        "properties": {
            "question": _STRING,
            "options": {
                "type": "array",
                "items": _STRING,
                "description": "Answers to choose from.",
            },
            "routing_rationale": _RATIONALE,
        },
        "required": ["question", "routing_rationale"],
    },
)


class Desk:
    """One decision of the coordinator: what was decided, once something was."""

    def __init__(self, rules: Rules, *, only_answers: bool = False) -> None:
        self._rules = rules
        self.decision: Decision | None = None
        respond = NativeTool(_RESPOND, RespondDirectly, self._respond)
        plan = NativeTool(_PLAN, CreatePlan, self._plan)
        clarify = NativeTool(_CLARIFY, RequestClarification, self._clarify)
        self.tools: tuple[Tool, ...] = (respond,) if only_answers else (respond, plan, clarify)

    @property
    def decided(self) -> bool:
        """Whether something was."""
        return self.decision is not None

    async def _respond(self, given: RespondDirectly) -> Outcome:
        decision = Direct(given.response, given.routing_rationale, given.summary)
        return self._take(decision, "The answer goes to the user.")

    async def _plan(self, given: CreatePlan) -> Outcome:
        plan = from_steps(given.goal, given.steps, self._rules)
        if not isinstance(plan, Plan):
            refusal = {"status": "invalid_plan", "errors": plan}
            return msgspec.structs.replace(answer(refusal), failure="arguments")
        decision = Planned(plan, given.routing_rationale, given.planning_summary)
        return self._take(decision, f"The plan was accepted; it has {len(plan.tasks)} tasks.")

    async def _clarify(self, given: RequestClarification) -> Outcome:
        decision = Clarify(given.question, given.routing_rationale, given.options or ())
        return self._take(decision, "The question goes to the user.")

    def _take(self, decision: Decision, status: str) -> Outcome:
        if self.decision is not None:
            return answer({"status": "You have decided already; the first decision stands."})
        self.decision = decision
        return answer({"status": status})
