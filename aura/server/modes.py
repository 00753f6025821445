"""What a client gets to see of a run: the server's settings, adjusted by request headers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aura.errors import RequestError
from aura.server.settings import Settings, ToolResultMode


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """How events become frames.

    `events` are all `aura.*` events but the reasoning, which is asked for on its own.
    `result_limit` is in characters, 0 for no limit. `bare` sends `aura.*` payloads on their own
    instead of merged into an empty chunk. `error_text` reports a failure as text of the answer.
    `tool_calls` shows the calls that run here as chunks, too. `usage_chunk` moves the usage to the
    extra last chunk that `stream_options.include_usage` asks for.
    """

    events: bool = False
    reasoning: bool = False
    bare: bool = False
    tool_results: ToolResultMode = "none"
    result_limit: int = 1000
    error_text: bool = False
    tool_calls: bool = True
    usage_chunk: bool = False


def mode(
    settings: Settings,
    headers: Mapping[str, str],
    *,
    tool_calls: bool = True,
    usage_chunk: bool = False,
) -> Mode:
    """The mode of one request: `X-Aura-Events` and `X-Aura-Event-Frames` win over the settings.

    Raises `RequestError` for a header with a word that is not known.
    """
    usual = Mode(
        events=settings.aura_custom_events,
        reasoning=settings.aura_emit_reasoning and settings.aura_custom_events,
        bare=settings.aura_event_frames == "bare",
        tool_results=settings.tool_result_mode,
        result_limit=settings.tool_result_max_length,
        error_text=settings.error_style == "text",
        tool_calls=tool_calls,
        usage_chunk=usage_chunk,
    )
    return asked_for(usual, headers)


def asked_for(usual: Mode, headers: Mapping[str, str]) -> Mode:
    """The usual mode, with what the headers of a request change about it."""
    events = _word(headers, "x-aura-events", ("all", "none", "reasoning"))
    frames = _word(headers, "x-aura-event-frames", ("merged", "bare"))
    if events is not None:
        usual = msgspec.structs.replace(
            usual, events=events == "all", reasoning=events in ("all", "reasoning")
        )
    if frames is not None:
        usual = msgspec.structs.replace(usual, bare=frames == "bare")
    return usual


def _word(headers: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    word = headers.get(name)
    if word is None or word.strip().lower() in known:
        return None if word is None else word.strip().lower()
    message = f"The header {name} is {word[:100]!r}, but must be one of {', '.join(known)}."
    raise RequestError(message, param=name)
