"""The server's options: one table of flags, environment names and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

import msgspec

from aura.errors import ConfigError, Problem
from aura.server.settings import ErrorStyle, EventFrames, Settings, ToolResultMode
from aura.values import boolean, number, one_of, run_log, seconds, words


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
        "aura_emit_scratchpad_tool_events",
        "AURA_EMIT_SCRATCHPAD_TOOL_EVENTS",
        boolean,
        "show how agents explore their scratchpads, as calls of tools",
    ),
    Option(
        "aura_escape_hatch",
        "AURA_ESCAPE_HATCH",
        boolean,
        "let teams plan what is possible when no tool does all of it (default true)",
    ),
    Option(
        "aura_prompt_journal",
        "AURA_PROMPT_JOURNAL",
        boolean,
        "keep every prompt of a team in its record, in prompt-journal.md",
    ),
    Option(
        "aura_event_frames",
        "AURA_EVENT_FRAMES",
        one_of(get_args(EventFrames)),
        "aura.* events merged into empty chunks, or bare",
    ),
    Option(
        "debug_provider_errors",
        "AURA_DEBUG_PROVIDER_ERRORS",
        boolean,
        "tell clients what a provider said when it failed, without keys; may name internal hosts",
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
        "stream_inactivity_timeout_secs",
        "STREAM_INACTIVITY_TIMEOUT_SECS",
        seconds,
        "longest silence in an answer that has begun, but for running tools; 0 for no limit",
    ),
    Option(
        "write_timeout_secs",
        "WRITE_TIMEOUT_SECS",
        seconds,
        "how long a client may leave unread what it is sent, 0 for no limit",
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
        "cors_origins",
        "CORS_ORIGINS",
        words,
        "origins whose pages may call this server, separated by commas; * for any",
    ),
    Option(
        "max_concurrent_requests",
        "MAX_CONCURRENT_REQUESTS",
        number(0),
        "requests answered at the same time, more get a 429; 0 for no limit",
    ),
    Option(
        "max_concurrent_requests_per_token",
        "MAX_CONCURRENT_REQUESTS_PER_TOKEN",
        number(0),
        "the same for each bearer token",
    ),
    Option(
        "max_body_bytes",
        "MAX_BODY_BYTES",
        number(0),
        "largest request body in bytes, 0 for no limit",
    ),
    Option(
        "max_header_bytes",
        "MAX_HEADER_BYTES",
        number(0),
        "most bytes in all headers of a request, 0 for no limit of ours",
    ),
    Option(
        "max_messages",
        "MAX_MESSAGES",
        number(0),
        "most messages in a request, 0 for no limit",
    ),
    Option(
        "max_tools",
        "MAX_TOOLS",
        number(0),
        "most tool definitions in a request, 0 for no limit",
    ),
    Option(
        "run_log",
        "AURA_RUN_LOG",
        run_log,
        "where runs are kept for resuming: memory, or a directory",
    ),
    Option(
        "run_log_ttl_secs",
        "AURA_RUN_LOG_TTL_SECS",
        seconds,
        "how long a finished run is kept, 0 for as long as there is room",
    ),
    Option(
        "run_log_memory_bytes",
        "AURA_RUN_LOG_MEMORY_BYTES",
        number(0),
        "memory for the run log; beyond it the oldest runs go",
    ),
    Option(
        "run_log_disk_bytes",
        "AURA_RUN_LOG_DISK_BYTES",
        number(0),
        "the same for the directory, 0 for no limit",
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
