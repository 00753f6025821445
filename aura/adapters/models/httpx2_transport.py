"""The transport over httpx2: any anyio back end, proxies, mTLS; several times slower per read."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import anyio.to_thread
import httpx2

from aura.adapters.models.transport import (
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    KEEP_ALIVE,
    TransportError,
)

GRACE = 1.0
"""Seconds that closing a connection in good order may take."""


@asynccontextmanager
async def open_httpx2(
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    idle_timeout: float = IDLE_TIMEOUT,
    client: httpx2.AsyncClient | None = None,
) -> AsyncIterator[Httpx2Transport]:
    """A transport over `client`, or over one of its own; on the way out the client is closed.

    The own one has no limit on connections, keeps no cookies and heeds the proxy variables of the
    environment. Hand one in for a proxy or a client certificate.
    """
    if client is None:  # reads certificates and more, so not on the event loop
        client = await anyio.to_thread.run_sync(_client, connect_timeout, idle_timeout)
    async with client:
        yield Httpx2Transport(client)


def _client(connect_timeout: float, idle_timeout: float) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(idle_timeout, connect=connect_timeout, pool=None),
        limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class Httpx2Transport:
    """Posts through a borrowed client."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Httpx2Answer:
        """The answer, as soon as its headers are there. Redirects are not followed."""
        try:
            request = self._client.build_request(
                "POST", url, headers={"Accept-Encoding": "identity", **headers}, content=body
            )
            response = await self._client.send(request, stream=True, follow_redirects=False)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise _translated(error) from error
        return Httpx2Answer(response)


class Httpx2Answer:
    """An answer that httpx2 is receiving."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """The status code."""
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are found in any case."""
        return self._response.headers

    async def batches(self) -> AsyncGenerator[bytes, None]:
        """The body, one item per HTTP chunk."""
        response = self._response
        encoded = "content-encoding" in response.headers
        chunks = response.aiter_bytes() if encoded else response.aiter_raw()
        try:
            while batch := await _read(chunks):
                yield batch
        finally:
            shut = self._shut()
            with anyio.move_on_after(GRACE, shield=True):
                # Generators within httpx2 are left to the garbage collector unless they end by
                # themselves, which they do once the socket is shut.
                with suppress(TransportError):
                    while shut and await _read(chunks):
                        pass
                await chunks.aclose()
                await response.aclose()

    def close(self) -> None:
        """Shut the socket down, which the server sees at once.

        The client forgets the connection when `batches` is closed. Does nothing once the whole
        body was read, nor over HTTP/2, where other answers share the socket.
        """
        self._shut()

    def _shut(self) -> bool:
        response = self._response
        stream = response.extensions.get("network_stream")
        if response.is_closed or stream is None or response.http_version == "HTTP/2":
            return False
        raw = stream.get_extra_info("socket")
        # The socket objects of the event loops do not all offer `shutdown`; a copy does.
        with (
            suppress(OSError),
            socket.fromfd(raw.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy,
        ):
            copy.shutdown(socket.SHUT_RDWR)
        return True


async def _read(chunks: AsyncIterator[bytes]) -> bytes:
    try:
        return await anext(chunks, b"")
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> TransportError:
    text = str(error) or type(error).__name__
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.InvalidURL():
            return TransportError("connect", text)
        case httpx2.ProxyError() | httpx2.UnsupportedProtocol():
            return TransportError("connect", text)
        case httpx2.TimeoutException():
            return TransportError("silence", text)
        case _:
            return TransportError("read", text)
