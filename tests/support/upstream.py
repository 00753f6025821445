"""A provider that fails on request: a real HTTP server that speaks chat completions.

The first part of the path says how it behaves, so `base_url = "{url}/limit/v1"` is a provider
that limits the rate of requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
from anyio.from_thread import start_blocking_portal

REASONS = {401: "Unauthorized", 429: "Too Many Requests", 500: "Internal Server Error"}

REFUSALS: dict[str, tuple[int, str, str]] = {
    "refuse": (401, "invalid_api_key", ""),
    "limit": (429, "rate_limit_exceeded", "Retry-After: 30\r\n"),
    "break": (500, "server_error", ""),
}
"""Behaviour to status, error code and further headers."""

SECRET_DETAIL = "internal words of the provider"
"""In every error body; no client may see it."""


class Upstream:
    """Where the provider is, and how often each behaviour was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, on a connection of its own."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length:")[2].split()[0])
            await reader.readexactly(length)
            behaviour = head.split()[1].split("/")[1]
            self.asked[behaviour] += 1
            match behaviour:
                case "hang":
                    await reader.read()
                case "cut" | "answer":
                    writer.write(_stream(whole=behaviour == "answer"))
                case _:
                    writer.write(_refusal(*REFUSALS[behaviour]))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Serve on loopback, in a thread with an event loop of its own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_serving()) as provider,
    ):
        yield provider


@asynccontextmanager
async def _serving() -> AsyncIterator[Upstream]:
    provider = Upstream()
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider.url = f"http://127.0.0.1:{port}"
    yield provider
    server.close()


def _refusal(status: int, code: str, headers: str) -> bytes:
    error = {"message": SECRET_DETAIL, "type": code, "code": code}
    body = msgspec.json.encode({"error": error})
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _stream(*, whole: bool) -> bytes:
    """An answer of two words; one that is not whole breaks off after the first."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    first = _chunk({"role": "assistant", "content": "Half"}, None)
    if not whole:
        return head + _frame(first)
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    last = _chunk({"content": " and half."}, "stop") | {"usage": usage}
    return head + _frame(first) + _frame(last) + _part(b"data: [DONE]\n\n") + b"0\r\n\r\n"


def _chunk(delta: dict[str, str], finish: str | None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}


def _frame(data: dict[str, object]) -> bytes:
    return _part(b"data: " + msgspec.json.encode(data) + b"\n\n")


def _part(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
