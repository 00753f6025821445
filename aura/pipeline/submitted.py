"""How a worker hands in its result. The first call counts."""

from __future__ import annotations

from typing import Annotated, Final, Literal, cast

import msgspec

from aura.events import Confidence
from aura.pipeline.native import NativeTool, answer, spec
from aura.pipeline.ports import Outcome, Tool

SUBMIT: Final = "submit_result"

Status = Literal["complete", "partial", "failed"]


class Submission(msgspec.Struct, frozen=True):
    """What a worker says came of its task."""

    summary: str
    result: str
    confidence: Confidence
    status: Status


class SubmitResult(msgspec.Struct, frozen=True):
    """The arguments of `submit_result`."""

    summary: str
    result: Annotated[str, msgspec.Meta(min_length=1)]
    confidence: str = "medium"
    status: str = "complete"


_STRING = {"type": "string"}
_SPEC = spec(
    SUBMIT,
    "Hand in the result of your task. Ends your work; mandatory.",
    {
        "type": "object",
        "properties": {
            "summary": {**_STRING, "description": "The result in one to three sentences."},
            "result": {**_STRING, "description": "Everything found, complete, with exact values."},
            "confidence": {**_STRING, "enum": ["high", "medium", "low"]},
            "status": {
                **_STRING,
                "enum": ["complete", "partial", "failed"],
                "description": "Whether the task was done; `complete` if you leave it out.",
            },
        },
        "required": ["summary", "result", "confidence"],
    },
)


class Tray:
    """Where one worker hands in its result."""

    def __init__(self) -> None:
        self.submission: Submission | None = None
        self.tool: Tool = NativeTool(_SPEC, SubmitResult, self._submit)

    @property
    def filled(self) -> bool:
        """Whether it has."""
        return self.submission is not None

    async def _submit(self, given: SubmitResult) -> Outcome:
        if self.submission is not None:
            return answer({"status": "You have submitted already; the first result stands."})
        self.submission = Submission(
            given.summary,
            given.result,
            cast("Confidence", _word(given.confidence, ("high", "medium", "low"), "medium")),
            cast("Status", _word(given.status, ("complete", "partial", "failed"), "complete")),
        )
        return answer({"status": "The result was taken."})


def _word(given: str, words: tuple[str, ...], otherwise: str) -> str:
    return next((word for word in words if word == given.strip().casefold()), otherwise)
