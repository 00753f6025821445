"""Where the pipeline says what only operators should know."""

from __future__ import annotations

from typing import Protocol


class Log(Protocol):
    """What we need of a bound structlog logger."""

    def debug(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def info(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def warning(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def error(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def exception(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def bind(self, **facts: object) -> Log: ...  # noqa: D102
