"""What every request has to pass before anybody looks at it, and where it is counted."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

import anyio
import msgspec
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Send

from aura.server.drain import Drain
from aura.server.errors import ErrorAnswer, ErrorBody, error_type, retry_headers
from aura.server.metrics import Metrics

SHUTDOWN_RETRY_AFTER = 5.0
"""Seconds after which another server should be there."""

_encode = msgspec.json.Encoder().encode


async def gate(
    app: ASGIApp,
    scope: HTTPScope,
    receive: Receive,
    send: Send,
    *,
    drain: Drain,
    metrics: Metrics,
    most_header_bytes: int,
) -> None:
    """Let `app` answer a request, unless the server is shutting down or the headers of the request
    are too large. Counts it from its arrival to its end."""
    begun = False

    def sent(message: Message) -> Awaitable[None]:
        nonlocal begun
        if message["type"] == "http.response.start":
            begun = True
            metrics.answered(scope["method"], scope.get("path_template", ""), message["status"])
        return send(message)

    if drain.closing:
        await _turn_away(sent)
        return
    size, has_body = _measured(scope["headers"])
    if most_header_bytes and size > most_header_bytes:
        message = (
            f"The headers of the request have {size} bytes; this server takes"
            f" {most_header_bytes} (--max-header-bytes)."
        )
        body = ErrorBody(message, error_type(431), code="headers_too_large")
        await _refuse(sent, 431, body)
        return
    with anyio.CancelScope() as cut, drain.request(cut.cancel) as whole:

        async def received() -> ReceiveMessage:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body"):
                whole()
            return message

        if not has_body:
            whole()
        await app(scope, received, sent)
    if cut.cancelled_caught and not begun:  # its body was still on the way
        await _turn_away(sent)


def _measured(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, bool]:
    """How many bytes headers have, and whether a body follows them (RFC 9112, section 6)."""
    size, has_body = 0, False
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            has_body = True
    return size, has_body


async def _turn_away(send: Send) -> None:
    body = ErrorBody("Server is shutting down", "service_unavailable", code="shutting_down")
    await _refuse(send, 503, body, retry_after=SHUTDOWN_RETRY_AFTER)


async def _refuse(
    send: Send, status: int, body: ErrorBody, *, retry_after: float | None = None
) -> None:
    headers = {"content-type": "application/json", **retry_headers(retry_after)}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    start: Message = {"type": "http.response.start", "status": status, "headers": encoded}
    await send(start)
    await send(
        {"type": "http.response.body", "body": _encode(ErrorAnswer(body)), "more_body": False}
    )
