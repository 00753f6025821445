"""The coordinator's side of a team's run: what it remembers, and what it is asked next."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import msgspec

from aura.events import AnyEvent
from aura.pipeline.course import Course
from aura.pipeline.desk import Planned
from aura.pipeline.plan import Plan
from aura.pipeline.ports import Assistant, Message, Tool, User
from aura.pipeline.prompts import coordinator as prompts
from aura.pipeline.prompts.results import continuation
from aura.pipeline.route import Question, Routed, routed
from aura.pipeline.teamwork import Teamwork


class Asking:
    """One conversation with the coordinator, over all iterations of a run."""

    def __init__(
        self, messages: Sequence[Message], tools: tuple[Tool, ...], work: Teamwork
    ) -> None:
        self.query, self._memory = parted(messages)
        self._tools = tools
        self._work = work
        self._number = 0

    def first(self, plan: Plan | None = None) -> AsyncGenerator[AnyEvent | Routed, None]:
        """The decision about the request, unless somebody else has taken it."""
        if plan is not None:
            self._memory.append(self.query)
            return _taken(plan)
        policy, work = self._work.team.policy, self._work
        text = prompts.planning(
            self.query.text,
            now=work.now(),
            roster=work.roster(),
            detail=policy.tools_in_planning,
            asks=policy.clarification,
            answers=policy.direct_answers,
        )
        message = msgspec.structs.replace(self.query, text=text)
        return self._routed(message, 0, live=policy.direct_answers)

    def next(self, course: Course) -> AsyncGenerator[AnyEvent | Routed, None]:
        """The decision about what came of a plan."""
        text = continuation(course.report(), self._work.now())
        return self._routed(User(text), course.latest.number, live=True)

    def last(self, course: Course) -> AsyncGenerator[AnyEvent | Routed, None]:
        """An answer with what there is, because nothing more will be done."""
        return self._routed(User(prompts.LAST), course.latest.number, live=True, answers_only=True)

    def _routed(
        self, message: User, iteration: int, *, live: bool, answers_only: bool = False
    ) -> AsyncGenerator[AnyEvent | Routed, None]:
        self._number += 1
        question = Question(
            message=message,
            live=live and self._work.team.policy.streams_answer,
            iteration=iteration,
            number=self._number,
            answers_only=answers_only,
        )
        return routed(question, self._memory, self._tools, self._work)


async def _taken(plan: Plan) -> AsyncGenerator[AnyEvent | Routed, None]:
    yield Routed(Planned(plan, "Given by the caller"))


def parted(messages: Sequence[Message]) -> tuple[User, list[Message]]:
    """What is asked, and what was said before; of that only what people and agents said."""
    said = [
        message
        for message in messages
        if isinstance(message, User | Assistant) and message.text.strip()
    ]
    for place in reversed(range(len(said))):
        if isinstance(query := said[place], User):
            earlier = [_spoken(message) for message in said[:place]]
            return query, earlier
    return User(""), []


def _spoken(message: User | Assistant) -> Message:
    return Assistant(text=message.text) if isinstance(message, Assistant) else message
