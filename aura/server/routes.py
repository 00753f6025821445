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
from aura.pipeline.compose import Events
from aura.pipeline.delegation import ClientTools, resumed
from aura.pipeline.run import Run, Sources
from aura.server.asked import ChatRequest, ignored_fields, options, parsed_request
from aura.server.client_tools import client_tools
from aura.server.conversation import conversation, dropped_roles
from aura.server.drain import Drain
from aura.server.handovers import Caller, Handovers
from aura.server.introspection import Info, ModelList, detail, info, model_list
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
    handovers: Handovers


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


@get("/aura/info")
async def aura_info(request: AnyRequest) -> Info:
    """Describe the visible agents."""
    asked = detail(request.query_params.get("detail"))
    return await info(backend_of(request).catalog, asked, header_values(request))


@post("/v1/chat/completions", status_code=200)
async def chat_completions(request: AnyRequest) -> Answer:
    """Answer a conversation, as JSON or as a stream."""
    backend = backend_of(request)
    backend.drain.admit()
    body = await json_body(request)
    asked = parsed_request(body)
    served = backend.catalog.find(asked.model)
    caller = Caller(bearer_token(request), served.id, session_id(asked, request))
    messages = conversation(asked.messages, tools=served.takes_tool is not None)
    specs, refused = client_tools(asked.tools, served.takes_tool)
    if served.takes_tool is not None:
        messages = resumed(messages, partial(backend.handovers.find, caller=caller))

    def events(run: Run) -> Events:
        keep = partial(backend.handovers.keep, caller=caller.within(run.session_id))
        wanted = options(asked, served.overrides)
        return answer(served.agent, messages, run, wanted, ClientTools(specs, keep))

    reply = Reply(
        events=events,
        model=served.model,
        session_id=caller.session,
        request_headers=header_values(request),
        stream=asked.stream is True,
        mode=mode(
            backend.settings,
            request.headers,
            tool_calls=asked.tools is None,
            usage_chunk=bool(asked.stream_options and asked.stream_options.include_usage),
        ),
        timeout=backend.settings.streaming_timeout_secs,
        buffer=backend.settings.streaming_buffer_size,
        headers=ignored_headers(asked, body, served, refused),
    )
    return Answer(reply, drain=backend.drain, sources=backend.sources)


def header_values(request: AnyRequest) -> dict[str, str]:
    """The headers of the request by lower-case name, byte for byte as Latin-1; of one that comes
    twice the last value."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in request.scope["headers"]
    }


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
    return {"x-aura-ignored": ", ".join(named).encode("ascii", "replace").decode()}


async def authorized(request: AnyRequest) -> None:
    """Let a request pass whose bearer token is one of the server's, if it has any.

    Raises `RequestError` (401). Tokens are compared in constant time. Runs before every handler; a
    guard of litestar's would cost several times as much.
    """
    tokens = backend_of(request).settings.auth_tokens
    if not tokens or request.url.path == "/health":
        return
    given = bearer_token(request).encode()
    matches = [hmac.compare_digest(given, known.encode()) for known in tokens]
    if not any(matches):
        raise RequestError(
            "The bearer token is missing or wrong.", status=401, code="invalid_api_key"
        )


def bearer_token(request: AnyRequest) -> str:
    """The token that the request was sent with, or nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
