"""Logging, configured once for the whole program. Nothing else configures it."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

LIBRARIES = "%(levelname)s %(name)s: %(message)s"
"""How the libraries' own lines look; they matter only when something is wrong."""

LEVELS = {"warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


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
            structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=out, format="%(levelname)s %(name)s %(message)s"
    )
