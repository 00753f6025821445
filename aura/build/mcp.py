"""What a configuration says about MCP servers, as the adapters and clients take it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import assert_never
from urllib.parse import urlsplit

from aura.adapters.mcp.servers import HttpServer, Pairs, Server, StdioServer
from aura.catalog import ServerInfo
from aura.config.secret import Secret
from aura.config.servers import HttpStreamable, Sse, Stdio
from aura.config.servers import Server as Configured


def server(name: str, configured: Configured) -> Server:
    """How to reach a server."""
    match configured:
        case HttpStreamable() | Sse():
            return HttpServer(
                name=name,
                url=configured.url,
                headers=_revealed(configured.headers),
                from_request=tuple(configured.headers_from_request.items()),
                transport="sse" if isinstance(configured, Sse) else "http_streamable",
                connect_timeout=configured.connect_timeout_secs,
                call_timeout=configured.call_timeout_secs,
                tools_ttl=configured.tools_ttl_secs or None,
                idle_timeout=configured.idle_timeout_secs,
            )
        case Stdio():
            return StdioServer(
                name=name,
                cmd=(*configured.cmd, *configured.args),
                env=_revealed(configured.env),
                cwd=configured.cwd,
                connect_timeout=configured.connect_timeout_secs,
                call_timeout=configured.call_timeout_secs,
                tools_ttl=configured.tools_ttl_secs or None,
                per_request=configured.per_request,
            )
        case _:
            assert_never(configured)


def info(name: str, configured: Configured) -> ServerInfo:
    """What clients may know of a server."""
    match configured:
        case HttpStreamable() | Sse():
            parts = urlsplit(configured.url)
            place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            transport = "sse" if isinstance(configured, Sse) else "http_streamable"
        case Stdio():
            transport, place = "stdio", re.split(r"[/\\]", configured.cmd[0])[-1]
        case _:
            assert_never(configured)
    return ServerInfo(
        name=name, transport=transport, place=place, description=configured.description
    )


def _revealed(secrets: Mapping[str, Secret]) -> Pairs:
    return tuple((name, value.reveal()) for name, value in secrets.items())
