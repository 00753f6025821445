"""The transport over aiohttp: the fastest one, for asyncio only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import aiohttp

from aura.adapters.models.transport import (
    CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    KEEP_ALIVE,
    TransportError,
)


@asynccontextmanager
async def open_aiohttp(
    *, connect_timeout: float = CONNECT_TIMEOUT, idle_timeout: float = IDLE_TIMEOUT
) -> AsyncIterator[AiohttpTransport]:
    """A transport with a connection pool of its own; on the way out the pool is closed.

    No limit on connections, no proxies from the environment, and no cookies, because the pool
    serves many callers.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=connect_timeout, sock_read=idle_timeout
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        trust_env=False,
    ) as session:
        yield AiohttpTransport(session)


class AiohttpTransport:
    """Posts through a borrowed session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> AiohttpAnswer:
        """The answer, as soon as its headers are there. Redirects are not followed."""
        try:
            response = await self._session.post(
                url, headers=headers, data=body, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error) from error
        return AiohttpAnswer(response)


class AiohttpAnswer:
    """An answer that aiohttp is receiving."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._lost: TransportError | None = None

    @property
    def status(self) -> int:
        """The status code."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are found in any case."""
        return self._response.headers

    async def batches(self) -> AsyncGenerator[bytes, None]:
        """The body: each time everything that has arrived."""
        try:
            while batch := await self._read():
                yield batch
        finally:
            self.close()

    async def _read(self) -> bytes:
        if self._lost is not None:
            raise self._lost
        content = self._response.content
        try:
            return await content.readany()
        except (aiohttp.ClientError, OSError) as error:
            self._lost = _translated(error)
            # aiohttp raises first and would never give what had arrived before.
            content.set_exception(cast("BaseException", None))
            if rest := content.read_nowait():
                return rest
            raise self._lost from error

    def close(self) -> None:
        """Close the connection; does nothing once the whole body has arrived."""
        self._response.close()


def _translated(error: Exception) -> TransportError:
    text = str(error) or type(error).__name__
    match error:
        case aiohttp.SocketTimeoutError():
            return TransportError("silence", text)
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError():
            return TransportError("connect", text)
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch() | aiohttp.InvalidURL():
            return TransportError("connect", text)
        case _:
            return TransportError("read", text)
