"""HTTP answers of a server, read so that a broken one concerns only the call it belongs to."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx2

from aura.pipeline.compose import opened

MOST_BYTES = 64 * 1024 * 1024
"""How long an answer may be, unpacked."""

ABOUT_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class HttpClient(httpx2.AsyncClient):
    """Reads every answer that is no stream of events before it hands it on.

    The SDK ends the whole connection when an answer breaks off, cannot be unpacked, or fills the
    memory. Here that is an answer with status 502, which fails one call.
    """

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request."""
        response = await super().send(request, **options)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.is_redirect or media_type == "text/event-stream":
            return response
        try:
            content = await _content(response)
        except (httpx2.HTTPError, httpx2.StreamError):
            content = None
        finally:
            await response.aclose()
        if content is None:
            return httpx2.Response(HTTPStatus.BAD_GATEWAY, request=request)
        kept = [(k, v) for k, v in response.headers.raw if k.decode().lower() not in ABOUT_THE_BODY]
        return httpx2.Response(response.status_code, headers=kept, content=content, request=request)


async def _content(response: httpx2.Response) -> bytes | None:
    """The whole body, unless it is too long."""
    parts: list[bytes] = []
    size = 0
    async with opened(response.aiter_bytes()) as body:
        async for part in body:
            size += len(part)
            if size > MOST_BYTES:
                return None
            parts.append(part)
    return b"".join(parts)
