"""The chat completion: the one route whose every microsecond is felt."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import structlog
from litestar import Request, asgi
from litestar.exceptions import MethodNotAllowedException
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from aura.catalog import Served
from aura.errors import RequestError
from aura.pipeline.answered import answer
from aura.pipeline.compose import Events
from aura.pipeline.delegation import ClientTools, resumed
from aura.pipeline.ports import ToolSpec
from aura.pipeline.run import Run
from aura.runs.deadlines import Limits
from aura.runs.lingering import lingering
from aura.server.asked import ChatRequest, check_counts, ignored_fields, options, parsed_request
from aura.server.backend import (
    AnyRequest,
    Backend,
    authenticate,
    backend_of,
    bearer_token,
    header_values,
)
from aura.server.client_tools import client_tools
from aura.server.conversation import conversation, dropped_roles
from aura.server.handovers import Caller
from aura.server.modes import mode
from aura.server.run_routes import resumed_answer
from aura.server.runs import Task, owner_of
from aura.server.stream import Answer

PATH = "/v1/chat/completions"
ALLOW = {"allow": "OPTIONS, POST"}

TOO_LARGE = "The request body is larger than this server accepts (--max-body-bytes)."

SESSION_HEADERS = ("x-chat-session-id", "x-openwebui-chat-id")
SESSION_ID = re.compile(r"[\x21-\x7e]{1,256}")


@asgi(PATH, copy_scope=False)
async def chat_completions(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a conversation, as JSON or as a stream; or go on with an answer that broke off.

    A plain ASGI application: litestar's own way to a handler takes a tenth of a millisecond.
    """
    scope = cast("HTTPScope", scope)
    if scope["method"] == "OPTIONS":
        await ASGIResponse(status_code=204, headers=ALLOW)(scope, receive, send)
        return
    if scope["method"] != "POST":
        raise MethodNotAllowedException(headers=ALLOW)
    request: AnyRequest = Request(scope)
    await (await _answer(request, header_values(request), receive))(scope, receive, send)


async def _answer(request: AnyRequest, headers: Mapping[str, str], receive: Receive) -> ASGIApp:
    """What answers a request."""
    backend = backend_of(request)
    authenticate(backend, PATH, headers)
    if position := headers.get("last-event-id"):
        return await resumed_answer(request, position)
    settings = backend.settings
    check_media_type(headers)
    body = await whole_body(headers, receive, most=settings.max_body_bytes)
    asked = parsed_request(body)
    check_counts(asked, most_messages=settings.max_messages, most_tools=settings.max_tools)
    served = backend.catalog.find(asked.model)
    caller = Caller(bearer_token(headers), served.id, session_id(asked, headers))
    specs, refused = client_tools(asked.tools, served.takes_tool)
    task = Task(
        events=_events(backend, served, asked, caller, specs),
        agent=served.id,
        model=served.model,
        session_id=caller.session,
        owner=owner_of(caller.token),
        request_headers=headers,
        stream=asked.stream is True,
        mode=mode(
            settings,
            headers,
            tool_calls=asked.tools is None,
            usage_chunk=bool(asked.stream_options and asked.stream_options.include_usage),
        ),
        limits=Limits(
            total=settings.streaming_timeout_secs,
            silence=settings.stream_inactivity_timeout_secs,
        ),
        linger=_linger(headers, served),
        buffer=settings.streaming_buffer_size,
    )
    ignored = ignored_headers(asked, body, served, refused)
    live = await backend.runs.start(task)
    return Answer(
        live, task, backend.runs, headers=ignored, longest_write=settings.write_timeout_secs
    )


def _events(
    backend: Backend,
    served: Served,
    asked: ChatRequest,
    caller: Caller,
    specs: tuple[ToolSpec, ...],
) -> Callable[[Run], Events]:
    """What happens in a run that answers this request. Raises `RequestError` for a conversation
    that cannot be answered."""
    messages = conversation(asked.messages, tools=served.takes_tool is not None)
    if served.takes_tool is not None:
        messages = resumed(messages, partial(backend.handovers.find, caller=caller))
    wanted = options(asked, served.overrides)

    def events(run: Run) -> Events:
        keep = partial(backend.handovers.keep, caller=caller.within(run.session_id))
        return answer(served.agent, messages, run, wanted, ClientTools(specs, keep))

    return events


def _linger(headers: Mapping[str, str], served: Served) -> float | None:
    """How long the run goes on without its client. Raises `RequestError` for a header with
    another word."""
    asked = headers.get("x-aura-on-disconnect")
    if asked is None:
        return served.linger
    try:
        return lingering(asked.strip().lower())
    except ValueError as error:
        message = f"The header x-aura-on-disconnect: {str(error)[:200]}."
        raise RequestError(message, param="x-aura-on-disconnect") from None


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raise `RequestError` (415) for a body that does not claim to be JSON."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        message = f"Content-Type must be application/json, not {media_type or 'missing'}."
        raise RequestError(message, status=415)


async def whole_body(headers: Mapping[str, str], receive: Receive, *, most: int) -> bytes:
    """The body of a request. Raises `RequestError`: 413 when it has more than `most` bytes, 0 for
    any number, 400 when it breaks off."""
    announced = headers.get("content-length", "")
    if most and announced.isdecimal() and int(announced) > most:
        raise RequestError(TOO_LARGE, status=413)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestError("The request body breaks off.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if most and size > most:
            raise RequestError(TOO_LARGE, status=413)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def session_id(asked: ChatRequest, headers: Mapping[str, str]) -> str | None:
    """The session that the client named, if it did. Raises `RequestError` for one that cannot be
    sent back in a header."""
    named = (asked.metadata or {}).get("chat_session_id")
    for header in SESSION_HEADERS:
        named = named or headers.get(header)
    if named and not SESSION_ID.fullmatch(named):
        raise RequestError(
            "The session id must be 1 to 256 visible ASCII characters.",
            param="metadata.chat_session_id",
        )
    return named or None


def ignored_headers(
    asked: ChatRequest, body: bytes, served: Served, tools: tuple[str, ...]
) -> dict[str, str]:
    """Headers that tell the client which parts of its request have no effect; `tools` are those
    that the agent does not take."""
    takes_tools = served.takes_tool is not None
    fields = ignored_fields(body, served.overrides, tools=takes_tools)
    roles = dropped_roles(asked.messages, tools=takes_tools)
    if not fields and not roles and not tools:
        return {}
    structlog.get_logger().warning(
        "request asks for what this agent does not allow",
        agent=served.id,
        ignored_fields=fields,
        ignored_roles=roles,
        ignored_tools=tools,
    )
    named = [
        *fields,
        *(f"messages[role={role}]" for role in roles),
        *(f"tools[{tool}]" for tool in tools),
    ]
    return {"x-aura-ignored": ", ".join(named)}
