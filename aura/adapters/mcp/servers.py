"""Which MCP servers there are and how to reach them. No SDK here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """A server behind a URL, spoken to by streamable HTTP. Timeouts are in seconds."""

    name: str
    url: str = field(repr=False)  # may hold credentials
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    description: str | None = None
    connect_timeout: float = 10.0
    call_timeout: float = 300.0

    @property
    def transport(self) -> Literal["http_streamable"]:
        """The word for this transport."""
        return "http_streamable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioServer:
    """A server that runs as our child. It inherits a minimal environment and gets `env` on top.

    `cmd` is the whole command line; `cwd` is where it runs. Timeouts are in seconds.
    """

    name: str
    cmd: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    description: str | None = None
    connect_timeout: float = 10.0
    call_timeout: float = 300.0

    @property
    def transport(self) -> Literal["stdio"]:
        """The word for this transport."""
        return "stdio"


Server: TypeAlias = HttpServer | StdioServer
