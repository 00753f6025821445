"""The server's options: one table of flags, environment names and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import msgspec

from aura.errors import ConfigError, Problem
from aura.server.settings import ErrorStyle, EventFrames, Settings, ToolResultMode

TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


def boolean(text: str) -> bool:
    """A yes or no in any of its usual spellings."""
    word = text.strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    message = f"{text!r} is neither true nor false"
    raise ValueError(message)


def number(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number within bounds, both included."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            message = f"{text!r} is not a whole number"
            raise ValueError(message) from None
        if value < least or (most is not None and value > most):
            limit = f"at least {least}" if most is None else f"from {least} to {most}"
            message = f"{value} is out of range: it must be {limit}"
            raise ValueError(message)
        return value

    return parse


def seconds(text: str) -> float:
    """A duration that may be 0 but not negative."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        message = f"{text!r} is not a number of seconds (0 or more)"
        raise ValueError(message)
    return value


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in words:
            message = f"{text!r} is not one of {', '.join(words)}"
            raise ValueError(message)
        return text

    return parse


def words(text: str) -> tuple[str, ...]:
    """Words separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the field of `Settings` it sets, its environment name and its meaning."""

    field: str
    env: str
    parse: Callable[[str], object]
    help: str
    short: str | None = None

    @property
    def flag(self) -> str:
        """The long flag."""
        return "--" + self.field.replace("_", "-")

    @property
    def envs(self) -> tuple[str, ...]:
        """The environment names, the one that wins first."""
        prefixed = self.env if self.env.startswith("AURA_") else f"AURA_{self.env}"
        return tuple(dict.fromkeys((prefixed, self.env)))


OPTIONS = (
    Option("host", "HOST", str, "address to bind to"),
    Option("port", "PORT", number(0, 65535), "port to listen on", "-p"),
    Option(
        "tool_result_mode",
        "TOOL_RESULT_MODE",
        one_of(get_args(ToolResultMode)),
        "how tool results are shown: none, open-web-ui or aura",
    ),
    Option(
        "tool_result_max_length",
        "TOOL_RESULT_MAX_LENGTH",
        number(0),
        "characters of a tool result that clients are shown, 0 for all",
    ),
    Option(
        "streaming_buffer_size",
        "STREAMING_BUFFER_SIZE",
        number(1),
        "events that wait for a slow client before the run does",
    ),
    Option("aura_custom_events", "AURA_CUSTOM_EVENTS", boolean, "send aura.* events"),
    Option(
        "aura_emit_reasoning",
        "AURA_EMIT_REASONING",
        boolean,
        "send what the model thinks, too; needs --aura-custom-events",
    ),
    Option(
        "aura_event_frames",
        "AURA_EVENT_FRAMES",
        one_of(get_args(EventFrames)),
        "aura.* events merged into empty chunks, or bare",
    ),
    Option(
        "error_style",
        "AURA_ERROR_STYLE",
        one_of(get_args(ErrorStyle)),
        "failures in a stream as an error frame, or as text of the answer",
    ),
    Option(
        "streaming_timeout_secs",
        "STREAMING_TIMEOUT_SECS",
        seconds,
        "longest time for one request, 0 for no limit",
    ),
    Option(
        "first_chunk_timeout_secs",
        "FIRST_CHUNK_TIMEOUT_SECS",
        seconds,
        "longest wait for the first word of a model, 0 for no limit",
    ),
    Option(
        "shutdown_timeout_secs",
        "SHUTDOWN_TIMEOUT_SECS",
        seconds,
        "how long running requests may go on after SIGTERM",
    ),
    Option(
        "default_agent",
        "DEFAULT_AGENT",
        lambda text: text.strip() or None,
        "id of the agent for requests without a model",
    ),
    Option(
        "auth_tokens",
        "AURA_AUTH_TOKEN",
        words,
        "bearer tokens that requests must carry one of, separated by commas",
    ),
    Option(
        "max_concurrent_requests",
        "MAX_CONCURRENT_REQUESTS",
        number(0),
        "requests answered at the same time, more get a 503; 0 for no limit",
    ),
    Option(
        "max_body_bytes",
        "MAX_BODY_BYTES",
        number(0),
        "largest request body in bytes, 0 for no limit",
    ),
)

FLAGS = {"auth_tokens": "--auth-token"}
"""Flags that are not spelled like the field they set."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add every option to a parser, as text: `settings` parses flags and environment alike."""
    defaults = Settings()
    for option in OPTIONS:
        default = getattr(defaults, option.field)
        shown = _shown(default)
        names = [name for name in (option.short, FLAGS.get(option.field, option.flag)) if name]
        parser.add_argument(
            *names,
            dest=option.field,
            metavar=option.field.rpartition("_")[2].upper(),
            help=f"{option.help} [{option.envs[0]}; default {shown}]",
        )


def _shown(default: object) -> object:
    match default:
        case bool():
            return str(default).lower()
        case None | ():
            return "unset"
        case float():
            return f"{default:g}"
        case _:
            return default


def settings(given: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """The settings from flags (by field name) and environment; a flag wins over the environment.

    An empty environment variable counts as unset. Raises `ConfigError` with every value that
    cannot be read.
    """
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for option in OPTIONS:
        flag = FLAGS.get(option.field, option.flag)
        sources = [(flag, given.get(option.field))]
        sources += [(name, environ.get(name) or None) for name in option.envs]
        for name, text in sources:
            if text is None:
                continue
            try:
                values[option.field] = option.parse(text)
            except ValueError as error:
                problems.append(Problem(file=name, line=0, path="", message=str(error)))
            break
    if problems:
        raise ConfigError(problems)
    return msgspec.structs.replace(Settings(), **values)
