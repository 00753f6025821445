"""What an operator sets about the server as a whole."""

from __future__ import annotations

from typing import Literal

import msgspec

ToolResultMode = Literal["none", "open-web-ui", "aura"]
EventFrames = Literal["merged", "bare"]
ErrorStyle = Literal["frame", "text"]

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The server's options, after flags and environment. Times are in seconds, 0 means none."""

    host: str = "127.0.0.1"
    port: int = 8080
    tool_result_mode: ToolResultMode = "none"
    tool_result_max_length: int = 1000
    streaming_buffer_size: int = 400
    aura_custom_events: bool = False
    aura_emit_reasoning: bool = False
    aura_emit_scratchpad_tool_events: bool = False
    aura_escape_hatch: bool = True
    debug_provider_errors: bool = False
    aura_prompt_journal: bool = False
    aura_event_frames: EventFrames = "merged"
    error_style: ErrorStyle = "frame"
    streaming_timeout_secs: float = 900.0
    first_chunk_timeout_secs: float = 30.0
    stream_inactivity_timeout_secs: float = 0.0
    write_timeout_secs: float = 60.0
    shutdown_timeout_secs: float = 30.0
    default_agent: str | None = None
    auth_tokens: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    max_concurrent_requests: int = 0
    max_concurrent_requests_per_token: int = 0
    max_body_bytes: int = 16 * MEBIBYTE
    max_header_bytes: int = 64 * KIBIBYTE
    max_messages: int = 4096
    max_tools: int = 512
    run_log: str = "memory"
    run_log_ttl_secs: float = 86400.0
    run_log_memory_bytes: int = 64 * MEBIBYTE
    run_log_disk_bytes: int = 1024 * MEBIBYTE
