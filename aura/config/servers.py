"""The tables of MCP servers."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from aura.config.kinds import (
    Command,
    Count,
    Filled,
    HeaderMap,
    Headers,
    Seconds,
    SecondsOrNever,
    Url,
)
from aura.config.secret import Secret

CONNECT_TIMEOUT_SECS: Final = 10.0
CALL_TIMEOUT_SECS: Final = 300.0
TOOLS_TTL_SECS: Final = 300.0
IDLE_TIMEOUT_SECS: Final = 300.0
MIN_TOKENS: Final = 5120


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """From how many tokens on the result of a tool belongs on the scratchpad."""

    min_tokens: Count = MIN_TOKENS


class HttpStreamable(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="transport", tag="http_streamable"
):
    """An MCP server that is reached over HTTP.

    `headers_from_request` names, for a header sent to the server, the header of the request whose
    value it takes. `tools_ttl_secs` 0 means that the list of tools is never asked for again on
    account of its age. The keys of `scratchpad` are globs over names of tools.
    """

    url: Url
    headers: Headers = {}
    headers_from_request: HeaderMap = {}
    description: str | None = None
    required: bool = False
    connect_timeout_secs: Seconds = CONNECT_TIMEOUT_SECS
    call_timeout_secs: Seconds = CALL_TIMEOUT_SECS
    tools_ttl_secs: SecondsOrNever = TOOLS_TTL_SECS
    idle_timeout_secs: Seconds = IDLE_TIMEOUT_SECS
    scratchpad: dict[str, Threshold] = {}


class Sse(HttpStreamable, frozen=True, kw_only=True, tag_field="transport", tag="sse"):
    """An MCP server that speaks the HTTP transport of old, with a stream of events."""


class Stdio(msgspec.Struct, frozen=True, kw_only=True, tag_field="transport", tag="stdio"):
    """An MCP server that runs as a child process; its command line is `cmd`, then `args`.

    One child serves every request, or each request has its own with `per_request`.
    """

    cmd: Command
    args: tuple[str, ...] = ()
    env: dict[str, Secret] = {}
    cwd: Filled | None = None
    description: str | None = None
    required: bool = False
    per_request: bool = False
    connect_timeout_secs: Seconds = CONNECT_TIMEOUT_SECS
    call_timeout_secs: Seconds = CALL_TIMEOUT_SECS
    tools_ttl_secs: SecondsOrNever = TOOLS_TTL_SECS
    scratchpad: dict[str, Threshold] = {}


Server: TypeAlias = HttpStreamable | Sse | Stdio
