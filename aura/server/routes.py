"""The HTTP API. A handler decodes, finds the agent and returns what answers."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import structlog
from litestar import Request, get, post
from litestar.datastructures import State

from aura.catalog import Catalog, Served
from aura.errors import RequestError
from aura.pipeline.answered import answer
from aura.pipeline.run import Sources
from aura.server.asked import (
    ChatRequest,
    conversation,
    dropped_roles,
    ignored_fields,
    options,
    parsed_request,
)
from aura.server.drain import Drain
from aura.server.introspection import Info, ModelList, info, model_list
from aura.server.modes import mode
from aura.server.settings import Settings
from aura.server.stream import Answer, Reply

SESSION_HEADERS = ("x-chat-session-id", "x-openwebui-chat-id")
SESSION_ID = re.compile(r"[\x21-\x7e]{1,256}")

AnyRequest: TypeAlias = Request[Any, Any, State]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What the handlers share; lives in the application's state."""

    settings: Settings
    catalog: Catalog
    drain: Drain
    sources: Sources


def backend_of(request: AnyRequest) -> Backend:
    """What the handlers share; asking litestar for its state would copy it for each request."""
    backend: Backend = request.app.state.backend
    return backend


@get("/health", sync_to_thread=False)
def health(request: AnyRequest) -> dict[str, str]:
    """Say whether new requests are welcome."""
    backend = backend_of(request)
    if backend.drain.closing:
        backend.drain.admit()
    return {"status": "healthy"}


@get("/v1/models", sync_to_thread=False)
def models(request: AnyRequest) -> ModelList:
    """List the visible agents."""
    return model_list(backend_of(request).catalog)


@get("/aura/info", sync_to_thread=False)
def aura_info(request: AnyRequest) -> Info:
    """Describe the visible agents."""
    return info(backend_of(request).catalog)


@post("/v1/chat/completions", status_code=200)
async def chat_completions(request: AnyRequest) -> Answer:
    """Answer a conversation, as JSON or as a stream."""
    backend = backend_of(request)
    backend.drain.admit()
    body = await json_body(request)
    asked = parsed_request(body)
    messages = conversation(asked.messages)
    served = backend.catalog.find(asked.model)
    reply = Reply(
        events=partial(answer, served.agent, messages, options=options(asked, served.overrides)),
        model=served.model,
        session_id=session_id(asked, request),
        stream=asked.stream is True,
        mode=mode(
            backend.settings,
            request.headers,
            tool_calls=asked.tools is None,
            usage_chunk=bool(asked.stream_options and asked.stream_options.include_usage),
        ),
        timeout=backend.settings.streaming_timeout_secs,
        buffer=backend.settings.streaming_buffer_size,
        headers=ignored_headers(asked, body, served),
    )
    return Answer(reply, drain=backend.drain, sources=backend.sources)


async def json_body(request: AnyRequest) -> bytes:
    """The body of the request. Raises `RequestError` (415) when it does not claim to be JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        message = f"Content-Type must be application/json, not {media_type or 'missing'}."
        raise RequestError(message, status=415)
    return await request.body()


def session_id(asked: ChatRequest, request: AnyRequest) -> str | None:
    """The session that the client named, if it did. Raises `RequestError` for one that cannot be
    sent back in a header."""
    named = (asked.metadata or {}).get("chat_session_id")
    for header in SESSION_HEADERS:
        named = named or request.headers.get(header)
    if named and not SESSION_ID.fullmatch(named):
        raise RequestError(
            "The session id must be 1 to 256 visible ASCII characters.",
            param="metadata.chat_session_id",
        )
    return named or None


def ignored_headers(asked: ChatRequest, body: bytes, served: Served) -> dict[str, str]:
    """Headers that tell the client which parts of its request have no effect."""
    fields = ignored_fields(body, served.overrides)
    roles = dropped_roles(asked.messages)
    if not fields and not roles:
        return {}
    structlog.get_logger().warning(
        "request asks for what this agent does not allow",
        agent=served.id,
        ignored_fields=fields,
        ignored_roles=roles,
    )
    named = [*fields, *(f"messages[role={role}]" for role in roles)]
    return {"x-aura-ignored": ", ".join(named).encode("ascii", "replace").decode()}


async def authorized(request: AnyRequest) -> None:
    """Let a request pass whose bearer token is one of the server's, if it has any.

    Raises `RequestError` (401). Tokens are compared in constant time. Runs before every handler; a
    guard of litestar's would cost several times as much.
    """
    tokens = backend_of(request).settings.auth_tokens
    if not tokens or request.url.path == "/health":
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else b""
    matches = [hmac.compare_digest(given, known.encode()) for known in tokens]
    if not any(matches):
        raise RequestError(
            "The bearer token is missing or wrong.", status=401, code="invalid_api_key"
        )
