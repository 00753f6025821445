"""MCP over HTTP+SSE as of protocol 2024-11-05: one stream of events, and a POST for each message.

The SDK has a client for it, in which a message that stalls or fails holds up all others.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

import anyio
import httpx2
from anyio.abc import TaskGroup
from mcp.client._transport import TransportStreams, WriteStream
from mcp.shared._context_streams import ContextReceiveStream, create_context_streams
from mcp.shared._httpx_utils import stream_within_origin
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    RequestId,
    jsonrpc_message_adapter,
)

from aura.adapters.mcp.faults import Lost
from aura.pipeline.compose import opened

MAX_EVENT = 64 * 1024 * 1024
"""Bytes that one event may take."""

MAX_RECEIPT = 64 * 1024
"""Bytes that are read of what the server says to a message that it takes."""

LONGEST_NOTICE = 30.0
"""Seconds that sending a message may take for whose answer nobody waits."""

GRACE = 1.0
"""Seconds that a request has to arrive before its cancellation is sent, and a stream to close."""

ASKING = {"accept": "text/event-stream"}
SENDING = {"content-type": "application/json"}


@asynccontextmanager
async def sse_streams(
    client: httpx2.AsyncClient, url: str, *, max_event: int = MAX_EVENT
) -> AsyncIterator[TransportStreams]:
    """The streams of a server that speaks HTTP+SSE. Redirects are followed within its origin.

    What the server says ends when its stream of events does, or when it no longer knows the
    session. Raises `Lost` when the server cannot be used; also later, out of the open context, when
    an event is larger than `max_event` bytes.
    """
    async with (
        stream_within_origin(client, "GET", url, headers=ASKING) as response,
        opened(_events(response, max_event)) as events,
    ):
        _check(response)
        endpoint = await _named(events, response.url)
        inbound, read_stream = create_context_streams[SessionMessage | Exception](0)
        write_stream, outbound = create_context_streams[SessionMessage](0)
        session = _Session(client, endpoint, inbound)
        async with inbound, read_stream, write_stream, outbound, anyio.create_task_group() as tasks:
            tasks.start_soon(session.hear, events)
            tasks.start_soon(session.say, outbound, tasks)
            yield read_stream, write_stream
            tasks.cancel_scope.cancel()


def message_endpoint(reference: str, base: httpx2.URL) -> httpx2.URL:
    """Where messages go, by what the server at `base` says. Raises `Lost`.

    Never another origin, because the credentials for this one go along; those in `base` itself are
    kept, those in `reference` are not.
    """
    reference = reference.strip()
    unusable = Lost("the endpoint that it names for messages is no usable URL")
    if not reference or "\\" in reference:
        raise unusable
    try:
        url = base.join(reference)
        elsewhere = url.origin != base.origin
    except (httpx2.InvalidURL, ValueError):
        raise unusable from None
    if elsewhere:
        host = "" if url.host == base.host else f" ({url.raw_host.decode()[:253]})"
        raise Lost(f"the endpoint that it names for messages is on another origin{host}")
    return url.copy_with(userinfo=base.userinfo)


class Event(NamedTuple):
    """One event that a server sent."""

    name: bytes
    data: bytes


class Splitter:
    """Cuts a byte stream into its events, wherever the reads fall. Events without data are none."""

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._held = 0
        self._line: list[bytes] = []
        self._name = b""
        self._data: list[bytes] = []
        self._after_cr = self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order. Raises `Lost` when one is too large."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr |= data.endswith(b"\r")
        *lines, rest = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        taken = [self._take(line) for line in lines]
        self._hold(rest)
        return [event for event in taken if event is not None]

    def _hold(self, part: bytes) -> None:
        """Keep a part of a line."""
        if part:
            self._line.append(part)
            self._held += len(part)
        if self._held > self._max_event:
            raise Lost(f"it sent an event of more than {self._max_event} bytes")

    def _take(self, rest: bytes) -> Event | None:
        """Note a line, of which the rest has come; gives the event that an empty one ends."""
        self._hold(rest)
        line = b"".join(self._line)
        self._line.clear()
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        field, _, value = line.partition(b":")
        match field:
            case b"data":
                self._data.append(value.removeprefix(b" "))
            case b"event":
                self._name = value.removeprefix(b" ")
            case _ if line:
                self._held -= len(line)  # a comment, or of no use here: not kept
            case _:
                name, data = self._name or b"message", self._data
                self._held, self._name, self._data = 0, b"", []
                return Event(name, b"\n".join(data)) if data else None
        return None


async def _events(response: httpx2.Response, max_event: int) -> AsyncGenerator[Event, None]:
    """What the server sends, until it ends or cannot be read."""
    splitter = Splitter(max_event)
    parts = response.aiter_bytes()
    try:
        while (part := await _next(parts)) is not None:
            for event in splitter.feed(part):
                yield event
    finally:
        with anyio.move_on_after(GRACE, shield=True):
            await response.aclose()
            while await _next(parts) is not None:
                pass  # httpx2 leaves a generator behind, unless an error of the socket ends it


async def _next(parts: AsyncIterator[bytes]) -> bytes | None:
    with suppress(StopAsyncIteration, httpx2.HTTPError):
        return await anext(parts)
    return None


def _check(response: httpx2.Response) -> None:
    """Raises what tells why this is no stream of events."""
    if response.is_redirect:
        raise Lost("it redirects elsewhere, which is not followed")
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        raise Lost("it offers no stream of events (405 Method Not Allowed)")
    response.raise_for_status()
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != "text/event-stream":
        raise Lost("it does not answer with a stream of events (text/event-stream)")


async def _named(events: AsyncIterator[Event], base: httpx2.URL) -> httpx2.URL:
    """The endpoint that the server names before it says anything else of interest."""
    async for event in events:
        if event.name == b"endpoint":
            return message_endpoint(event.data.decode(errors="replace"), base)
    raise Lost("its stream of events ended before it named an endpoint for messages")


class _Post:
    """A message on its way."""

    def __init__(self, message: JSONRPCMessage) -> None:
        self.message = message
        self.ended = anyio.Event()
        self.scope = anyio.CancelScope()
        if not isinstance(message, JSONRPCRequest):
            self.scope.deadline = anyio.current_time() + LONGEST_NOTICE

    async def withdraw(self) -> None:
        """Return when the server has the message, or will not get it any more."""
        with anyio.move_on_after(GRACE):
            await self.ended.wait()
        self.scope.cancel()


@dataclass(frozen=True, slots=True)
class _Session:
    """What is said in both directions, once it is known where messages go."""

    client: httpx2.AsyncClient
    endpoint: httpx2.URL
    inbound: WriteStream[SessionMessage | Exception]
    hearing: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    requests: dict[RequestId, _Post] = field(default_factory=dict)

    async def hear(self, events: AsyncIterator[Event]) -> None:
        """Pass on what the server says, until it says no more or the session is gone.

        A later word on where messages go is ignored, like everything else that is no message.
        """
        with self.hearing, suppress(anyio.BrokenResourceError):
            async for event in events:
                if event.name == b"message" and (message := _parsed(event.data)) is not None:
                    await self.inbound.send(SessionMessage(message))
        await self.inbound.aclose()

    async def say(self, outbound: ContextReceiveStream[SessionMessage], tasks: TaskGroup) -> None:
        """Send each message in a task of its own, begun in order, in the context of its sender."""
        async for item in outbound:
            post = _Post(item.message)
            if isinstance(item.message, JSONRPCRequest):
                self.requests[item.message.id] = post
            context = copy_context() if outbound.last_context is None else outbound.last_context
            context.run(tasks.start_soon, self._send, post)
            match item.message:
                case JSONRPCNotification(method="notifications/initialized"):
                    await post.ended.wait()  # servers refuse what overtakes it

    async def _send(self, post: _Post) -> None:
        """Send one message. A failure answers its request, and concerns no other."""
        failure = ""
        with post.scope:
            match post.message:
                case JSONRPCNotification(
                    method="notifications/cancelled", params={"requestId": int() | str() as request}
                ) if request in self.requests:
                    await self.requests[request].withdraw()
            failure = await self._failure(post.message)
        post.ended.set()
        if isinstance(post.message, JSONRPCRequest):
            self.requests.pop(post.message.id, None)
            if failure:
                error = ErrorData(code=INTERNAL_ERROR, message=failure)
                answer = JSONRPCError(jsonrpc="2.0", id=post.message.id, error=error)
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await self.inbound.send(SessionMessage(answer))

    async def _failure(self, message: JSONRPCMessage) -> str:
        """Send one message. Gives why the server did not take it, or nothing."""
        try:
            body = message.model_dump_json(by_alias=True, exclude_unset=True)
            async with stream_within_origin(
                self.client, "POST", self.endpoint, content=body, headers=SENDING
            ) as response:
                if response.is_success:
                    await _finish(response)
                elif response.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                    self.hearing.cancel()
                else:
                    return f"the server refused the message (HTTP {response.status_code})"
        except Exception as error:  # noqa: BLE001 - one message must not end the others
            return f"sending the message to the server failed ({type(error).__name__})"
        return ""


def _parsed(data: bytes) -> JSONRPCMessage | None:
    with suppress(ValueError):
        return jsonrpc_message_adapter.validate_json(data, by_name=False)
    return None


async def _finish(response: httpx2.Response) -> None:
    """Read the little that is said to a message, so that its HTTP connection can be used again."""
    with suppress(httpx2.HTTPError, httpx2.StreamError):
        async for _ in response.aiter_raw():
            if response.num_bytes_downloaded > MAX_RECEIPT:
                await response.aclose()  # which ends the loop by an error
