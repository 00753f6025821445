"""The HTTP API. A handler decodes, finds the agent and returns what answers."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from functools import partial

import anyio.to_thread
import structlog
from litestar import Response, get, post
from litestar.exceptions import InternalServerException
from litestar.response.base import ASGIResponse

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
from aura.server.backend import AnyRequest, Backend, backend_of, bearer_token, header_values
from aura.server.client_tools import client_tools
from aura.server.conversation import conversation, dropped_roles
from aura.server.handovers import Caller
from aura.server.introspection import Info, ModelList, detail, info, model_list
from aura.server.modes import mode
from aura.server.openapi import document
from aura.server.run_routes import resumed_answer
from aura.server.runs import Task, owner_of
from aura.server.stream import Answer

SESSION_HEADERS = ("x-chat-session-id", "x-openwebui-chat-id")
OPEN = frozenset({"/health", "/ready"})
"""What may be asked without a token."""

SESSION_ID = re.compile(r"[\x21-\x7e]{1,256}")


@get("/health", sync_to_thread=False)
def health() -> dict[str, str]:
    """Say that the process is alive."""
    return {"status": "healthy"}


@get("/ready", sync_to_thread=False)
def ready() -> dict[str, str]:
    """Say that requests are welcome: the agents are built and the server does not shut down."""
    return {"status": "ready"}


@get("/metrics")
async def metrics(request: AnyRequest) -> Response[bytes]:
    """What was counted, for Prometheus."""
    expose = backend_of(request).metrics.exposition
    accept = request.headers.get("accept", "")
    body, media_type = await anyio.to_thread.run_sync(expose, accept)  # reads files of /proc
    return Response(body, media_type=media_type)


@get("/schema/openapi.json")
async def openapi() -> Response[bytes]:
    """Describe this API."""
    body = await anyio.to_thread.run_sync(document)  # imports what makes schemas
    return Response(body, media_type="application/json")


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
async def chat_completions(request: AnyRequest) -> ASGIResponse:
    """Answer a conversation, as JSON or as a stream; or go on with an answer that broke off."""
    if position := request.headers.get("last-event-id"):
        return await resumed_answer(request, position)
    backend = backend_of(request)
    settings = backend.settings
    body = await json_body(request)
    asked = parsed_request(body)
    check_counts(asked, most_messages=settings.max_messages, most_tools=settings.max_tools)
    served = backend.catalog.find(asked.model)
    caller = Caller(bearer_token(request), served.id, session_id(asked, request))
    specs, refused = client_tools(asked.tools, served.takes_tool)
    task = Task(
        events=_events(backend, served, asked, caller, specs),
        agent=served.id,
        model=served.model,
        session_id=caller.session,
        owner=owner_of(caller.token),
        request_headers=header_values(request),
        stream=asked.stream is True,
        mode=mode(
            settings,
            request.headers,
            tool_calls=asked.tools is None,
            usage_chunk=bool(asked.stream_options and asked.stream_options.include_usage),
        ),
        limits=Limits(
            total=settings.streaming_timeout_secs,
            silence=settings.stream_inactivity_timeout_secs,
        ),
        linger=_linger(request, served),
        buffer=settings.streaming_buffer_size,
    )
    return Answer(
        await backend.runs.start(task),
        task,
        backend.runs,
        headers=ignored_headers(asked, body, served, refused),
        longest_write=settings.write_timeout_secs,
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


def _linger(request: AnyRequest, served: Served) -> float | None:
    """How long the run goes on without its client. Raises `RequestError` for a header with
    another word."""
    asked = request.headers.get("x-aura-on-disconnect")
    if asked is None:
        return served.linger
    try:
        return lingering(asked.strip().lower())
    except ValueError as error:
        message = f"The header x-aura-on-disconnect: {str(error)[:200]}."
        raise RequestError(message, param="x-aura-on-disconnect") from None


async def json_body(request: AnyRequest) -> bytes:
    """The body of the request. Raises `RequestError`: 415 when it does not claim to be JSON, 400
    when it breaks off."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        message = f"Content-Type must be application/json, not {media_type or 'missing'}."
        raise RequestError(message, status=415)
    try:
        return await request.body()
    except InternalServerException:
        raise RequestError("The request body breaks off.") from None


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
    return {"x-aura-ignored": ", ".join(named)}


async def authorized(request: AnyRequest) -> None:
    """Let a request pass whose bearer token is one of the server's, if it has any.

    Raises `RequestError` (401). Tokens are compared in constant time. Runs before every handler; a
    guard of litestar's would cost several times as much.
    """
    tokens = backend_of(request).settings.auth_tokens
    if not tokens or request.scope["path"] in OPEN:
        return
    given = bearer_token(request).encode()
    matches = [hmac.compare_digest(given, known.encode()) for known in tokens]
    if not any(matches):
        raise RequestError(
            "The bearer token is missing or wrong.", status=401, code="invalid_api_key"
        )
