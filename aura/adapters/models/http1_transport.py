"""The transport of our own: the fastest one, for asyncio only, straight to the provider."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
from aiohappyeyeballs import start_connection

from aura.adapters.models._http1_link import Link
from aura.adapters.models._http1_reply import Reply
from aura.adapters.models.transport import (
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    KEEP_ALIVE,
    TransportError,
)

NEXT_ADDRESS = 0.25
"""Seconds after which the next address of a host is tried beside the one before (RFC 8305)."""

PORTS = {"http": 80, "https": 443}
SAFE = "/:?@!$&'()*+,;=~%[]-._"
"""What stays as it is in the target of a request (RFC 3986)."""

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
"""What a header can be called and hold (RFC 9110, section 5)."""


class Origin(NamedTuple):
    """Where connections go."""

    scheme: str
    host: str
    port: int


@asynccontextmanager
async def open_http1(
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    idle_timeout: float = IDLE_TIMEOUT,
    keep_alive: float = KEEP_ALIVE,
) -> AsyncIterator[Http1Transport]:
    """A transport with a pool of its own; on the way out all its connections are closed.

    No limit on connections, no proxies from the environment, and no cookies, because the pool
    serves many callers.
    """
    transport = Http1Transport(
        connect_timeout=connect_timeout, idle_timeout=idle_timeout, keep_alive=keep_alive
    )
    try:
        yield transport
    finally:
        transport.close()


class Http1Transport:
    """Posts over connections that are kept for the next request to the same server."""

    def __init__(self, *, connect_timeout: float, idle_timeout: float, keep_alive: float) -> None:
        self._connect_timeout = connect_timeout
        self._idle_timeout = idle_timeout
        self._keep_alive = keep_alive
        self._links: set[Link] = set()
        self._spare: dict[Origin, list[Link]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None
        self._reading = anyio.Lock()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer, as soon as its headers are there. Redirects are not followed."""
        origin, line = _target(url)
        head = _head(line, headers, len(body))
        link = self._taken(origin) or await self._connected(origin)
        reply = link.send(head, body)
        try:
            await reply.head()
        except BaseException:
            reply.close()
            raise
        return reply

    def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for link in tuple(self._links):
            link.abort()

    def _taken(self, origin: Origin) -> Link | None:
        """The connection that was used last, if one is left that can be used."""
        spare = self._spare.get(origin)
        while spare:
            link = spare.pop()
            if link.usable:
                return link
        return None

    async def _connected(self, origin: Origin) -> Link:
        """A new connection."""
        scheme, host, port = origin
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(self._connect_timeout):
                tls = await self._context() if scheme == "https" else None
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                sock = await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                _, link = await loop.create_connection(
                    lambda: Link(
                        silence=self._idle_timeout,
                        spare=lambda link: self._keep(origin, link),
                        gone=self._links.discard,
                    ),
                    sock=sock,
                    ssl=tls,
                    server_hostname=host if tls else None,
                )
        except TimeoutError:
            message = f"no connection to {host}:{port} within {self._connect_timeout:g} seconds"
            raise TransportError("connect", message) from None
        except (OSError, UnicodeError) as error:
            message = f"{host}:{port}: {error or type(error).__name__}"
            raise TransportError("connect", message) from error
        self._links.add(link)
        return link

    async def _context(self) -> ssl.SSLContext:
        """Trusts what the system trusts. Reads its certificates once, and not on the event loop."""
        async with self._reading:
            if self._tls is None:
                self._tls = await anyio.to_thread.run_sync(ssl.create_default_context)
            return self._tls

    def _keep(self, origin: Origin, link: Link) -> None:
        self._spare.setdefault(origin, []).append(link)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._keep_alive, self._tidy)

    def _tidy(self) -> None:
        """Close what was not used for long."""
        loop = asyncio.get_running_loop()
        kept, oldest = 0, loop.time() - self._keep_alive
        for origin, spare in tuple(self._spare.items()):
            for link in spare:
                if link.spare_since <= oldest:
                    link.abort()
            spare[:] = [link for link in spare if link.usable]
            kept += len(spare)
            if not spare:
                del self._spare[origin]
        self._sweep = loop.call_later(self._keep_alive / 4, self._tidy) if kept else None


@lru_cache(256)
def _target(url: str) -> tuple[Origin, bytes]:
    """Where a URL leads, and the first lines of a request for it. Raises `TransportError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        name = host if host.isascii() else host.encode("idna").decode()
    except ValueError as error:
        raise TransportError("connect", f"the URL cannot be used: {error}") from None
    if not name or parts.scheme not in PORTS:
        raise TransportError("connect", "the URL needs http:// or https:// and a host")
    address = f"[{name}]" if ":" in name else name
    if port is not None and port != PORTS[parts.scheme]:
        address = f"{address}:{port}"
    path = quote(parts.path or "/", SAFE) + (f"?{quote(parts.query, SAFE)}" if parts.query else "")
    lines = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: identity\r\n"
    return Origin(parts.scheme, name, port or PORTS[parts.scheme]), lines.encode("ascii")


def _head(line: bytes, headers: Mapping[str, str], length: int) -> bytes:
    """The head of a request. Raises `TransportError` for a header that would break it."""
    return b"%b%bContent-Length: %d\r\n\r\n" % (line, _fields(tuple(headers.items())), length)


@lru_cache(64)
def _fields(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Headers as they are sent, which for most requests are those of the one before."""
    for name, value in headers:
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise TransportError("connect", f"the header {name!r} has characters it cannot have")
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("utf-8")
