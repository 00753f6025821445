"""Why a tool of the scratchpad gives nothing, in words for a model. Pure."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

import msgspec

MOST_NAMES = 20
"""Files that an error lists."""


class ToolFailed(Exception):
    """Raised when a call cannot be answered; the message says what to do instead."""


class Declined(Exception):
    """Raised to try something else: `answer` says so as JSON, and is no failure."""

    def __init__(
        self, error: str, message: str, suggestions: Sequence[str], **facts: object
    ) -> None:
        super().__init__(message)
        self.answer = {"error": error, "message": message, **facts, "suggestions": suggestions}

    def text(self) -> str:
        """What the model is told."""
        return msgspec.json.encode(self.answer).decode()


def changed() -> ToolFailed:
    """What to say of JSON that does not look as we wrote it."""
    return ToolFailed("The file is not laid out as it was written: somebody changed it.")


def unreadable(error: OSError, names: Sequence[str]) -> str:
    """Why the system would not open or read a file, and what files there are. Names no path."""
    match error.errno:
        case errno.ENOENT | errno.ENAMETOOLONG:
            why = "There is no such file."
        case errno.ELOOP | errno.EMLINK | errno.ENXIO | errno.ENOTDIR | errno.EISDIR:
            why = "It is not a file."
        case errno.ESTALE:
            why = "The file changed while it was read. Call again."
        case number:
            why = f"The file cannot be read: {os.strerror(number or errno.EIO)}."
    shown = ", ".join(map(repr, names[:MOST_NAMES])) or "none"
    return f"{why} Files in the scratchpad: {shown}."
