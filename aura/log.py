"""Logging, configured once for the whole program. Nothing else configures it."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict

LIBRARIES = "%(levelname)s %(name)s: %(message)s"
"""How the libraries' own lines look; they matter only when something is wrong."""

MCP_LOGGERS = ("mcp", "client")
"""What the MCP SDK logs under these names, with a traceback for each message that a server got
wrong, our own lines say in one."""

LEVELS = {"warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


_JSON = structlog.processors.JSONRenderer()

_PEOPLE = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
"""Its own choice, where the library for it is installed, would print the values of variables."""


def _harmless(_logger: object, _method: str, facts: EventDict) -> EventDict:
    """Texts of others with what a terminal would obey written out."""
    for name, value in facts.items():
        if isinstance(value, str) and not value.isprintable():
            facts[name] = "".join(map(_shown, value))
    return facts


def _shown(character: str) -> str:
    plain = character.isprintable() or character in "\n\r\t"  # those the renderer writes out
    return character if plain else f"\\x{ord(character):02x}"


def configure(level: str = "warning", *, stream: TextIO | None = None) -> None:
    """Write log lines to `stream` (standard error by default): for people on a terminal, one JSON
    object a line elsewhere."""
    out = stream or sys.stderr
    people = out.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info
            if not people
            else structlog.processors.StackInfoRenderer(),
            *([_harmless, _PEOPLE] if people else [_JSON]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    for name in MCP_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.basicConfig(
        level=logging.WARNING, stream=out, format="%(levelname)s %(name)s %(message)s"
    )
