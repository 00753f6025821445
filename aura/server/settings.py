"""What an operator sets about the server as a whole."""

from __future__ import annotations

from typing import Literal

import msgspec

ToolResultMode = Literal["none", "open-web-ui", "aura"]
EventFrames = Literal["merged", "bare"]
ErrorStyle = Literal["frame", "text"]

MEBIBYTE = 1024 * 1024


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The server's options, after flags and environment. Times are in seconds, 0 means none."""

    host: str = "127.0.0.1"
    port: int = 8080
    tool_result_mode: ToolResultMode = "none"
    tool_result_max_length: int = 1000
    streaming_buffer_size: int = 400
    aura_custom_events: bool = False
    aura_emit_reasoning: bool = False
    aura_event_frames: EventFrames = "merged"
    error_style: ErrorStyle = "frame"
    streaming_timeout_secs: float = 900.0
    first_chunk_timeout_secs: float = 30.0
    shutdown_timeout_secs: float = 30.0
    default_agent: str | None = None
    auth_tokens: tuple[str, ...] = ()
    max_concurrent_requests: int = 0
    max_body_bytes: int = 16 * MEBIBYTE
