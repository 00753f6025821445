"""Which MCP servers there are and how to reach them. No SDK here.

A server is also the key of its connection: what is equal shares one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from aura.masking import in_url

SHORTEST_SECRET = 8

Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """A server behind a URL. Timeouts are in seconds.

    `headers` go out with every request. `from_request` are (header for the server, header of our
    own caller): see `resolved`. Without `tools_ttl` the list of tools does not age. A connection
    that nobody uses for `idle_timeout` is closed if it was made for one caller.
    """

    name: str
    url: str = field(repr=False)  # may hold credentials
    headers: Pairs = field(default=(), repr=False)
    from_request: Pairs = ()
    transport: Literal["http_streamable", "sse"] = "http_streamable"
    connect_timeout: float = 10.0
    call_timeout: float = 300.0
    tools_ttl: float | None = None
    idle_timeout: float = 300.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What it is sent, but nobody else may see."""
        values = [value for _, value in self.headers]
        return (*values, *(value.partition(" ")[2] for value in values), *in_url(self.url))

    @property
    def shared(self) -> bool:
        """Whether every request uses the same connection."""
        return not self.from_request

    @property
    def complete(self) -> bool:
        """Whether it can be reached without a request to take headers from."""
        fixed = {name.lower() for name, _ in self.headers}
        return all(name.lower() in fixed for name, _ in self.from_request)

    @property
    def at_start(self) -> HttpServer:
        """The server as it is reached before there was a request."""
        return self if self.shared else resolved(self, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioServer:
    """A server that runs as our child. It inherits a minimal environment and gets `env` on top.

    `cmd` is the whole command line; `cwd` is where it runs. Timeouts are in seconds. Each request
    has a child of its own with `per_request`, which ends with the request.
    """

    name: str
    cmd: tuple[str, ...]
    env: Pairs = field(default=(), repr=False)
    cwd: str | None = None
    connect_timeout: float = 10.0
    call_timeout: float = 300.0
    tools_ttl: float | None = None
    per_request: bool = False

    @property
    def transport(self) -> Literal["stdio"]:
        """The word for this transport."""
        return "stdio"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What it is given, but nobody else may see; short values are mere settings."""
        return tuple(value for _, value in self.env if len(value) >= SHORTEST_SECRET)

    @property
    def shared(self) -> bool:
        """Whether every request uses the same child."""
        return not self.per_request

    @property
    def complete(self) -> bool:
        """Whether it can be started before there was a request."""
        return self.shared

    @property
    def at_start(self) -> StdioServer:
        """The server as it is reached before there was a request."""
        return self


Server: TypeAlias = HttpServer | StdioServer


def resolved(server: HttpServer, request: Mapping[str, str]) -> HttpServer:
    """The server as one caller reaches it; `request` has the caller's headers by lower-case name.

    A header of the caller wins over the fixed one of the same name, also when it is empty. Values
    are passed on as they are. Names come out in lower case, so that each is sent once.
    """
    headers = {name.lower(): value for name, value in server.headers}
    for name, source in server.from_request:
        value = request.get(source.lower())
        if value is not None:
            headers[name.lower()] = value
    return replace(server, headers=tuple(sorted(headers.items())), from_request=())
