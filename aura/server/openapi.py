"""The API as an OpenAPI document (3.1.1), with the structs that the routes read and write.

Written by hand but for the schemas: the handlers take raw requests, so nothing could be derived.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from aura.server.asked import ChatRequest
from aura.server.completion import ChatCompletion
from aura.server.errors import ErrorAnswer
from aura.server.introspection import Info, ModelList
from aura.server.run_routes import MOST_LISTED, RunInfo, RunList

VERSION = version("aura")
JSON = "application/json"
STREAM = "text/event-stream"

EVERYWHERE = {
    400: "The request cannot be answered as it was asked.",
    401: "The bearer token is missing or wrong.",
    405: "The path does not have this method.",
    413: "The body is larger than the server accepts.",
    431: "The headers are larger than the server accepts.",
    503: "The server is shutting down; `Retry-After` says when to try again.",
}
FAILED = {
    404: "There is no such agent or, with `Last-Event-ID`, no such run.",
    410: "With `Last-Event-ID`: the run, or this position in it, is not kept any more.",
    415: "The body does not claim to be JSON.",
    422: "The body is JSON of another shape.",
    429: "Too many requests, here or at the provider; `Retry-After` says when to try again.",
    499: "The run was cancelled.",
    500: "A defect of this server, or a script without a reply.",
    502: "The provider failed.",
    504: "The provider, or the run, took too long.",
}
NO_RUN = {
    404: "There is no such run, or another token started it.",
    410: "The run, or this position in it, is not kept any more.",
}

_FRAMES = (
    "Server-sent events. Each frame has an `id`, the run and a number; its `data` is a chat"
    " completion chunk, an error object, or `[DONE]`, which ends the stream."
)


@cache
def document() -> bytes:
    """The document, as JSON."""
    structs = (ChatRequest, ChatCompletion, ErrorAnswer, ModelList, Info, RunInfo, RunList)
    _, schemas = msgspec.json.schema_components(
        structs, schema_hook=_anything, ref_template="#/components/schemas/{name}"
    )
    return msgspec.json.encode(
        {
            "openapi": "3.1.1",
            "info": {
                "title": "Aura",
                "version": VERSION,
                "description": "Agents from TOML, behind the API of OpenAI.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": _paths(),
            "components": {
                "schemas": schemas,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
            "security": [{"token": []}, {}],
        }
    )


def _anything(kind: type) -> dict[str, Any]:
    """The schema of what has no type: the words of MCP servers, whatever those are."""
    return {"description": f"Any {kind.__name__}."}


def _paths() -> dict[str, Any]:
    plain = {"schema": {"type": "string"}}
    return {
        "/health": {"get": _operation("health", "Whether the process lives.", _state())},
        "/ready": {"get": _operation("ready", "Whether requests are welcome.", _state())},
        "/metrics": {
            "get": _operation(
                "metrics",
                "What was counted, for Prometheus.",
                {"text/plain": plain, "application/openmetrics-text": plain},
            )
        },
        "/schema/openapi.json": {
            "get": _operation("openapi", "This document.", {JSON: {"schema": {"type": "object"}}})
        },
        "/v1/models": {
            "get": _operation("models", "The agents, as models.", {JSON: _schema("ModelList")})
        },
        "/v1/chat/completions": {"post": _chat()},
        "/aura/info": {
            "get": _operation(
                "info",
                "Agents and MCP servers, without secrets.",
                {JSON: _schema("Info")},
                parameters=(_query("detail", "`tools` or `tools:summary`."),),
            )
        },
        "/aura/runs": {"get": _list()},
        "/aura/runs/{id}": {
            "get": _operation(
                "run",
                "How a run stands.",
                {JSON: _schema("RunInfo")},
                parameters=(_run_id(),),
                errors=NO_RUN,
            )
        },
        "/aura/runs/{id}/events": {"get": _events()},
        "/aura/runs/{id}/cancel": {
            "post": _operation(
                "cancel",
                "End a run; one that is over stays as it is.",
                {JSON: _schema("RunInfo")},
                parameters=(_run_id(),),
                errors=NO_RUN,
            )
        },
    }


def _chat() -> dict[str, Any]:
    operation = _operation(
        "chat",
        "Answer a conversation, or go on with an answer that broke off.",
        {JSON: _schema("ChatCompletion"), STREAM: _stream()},
        parameters=(
            _header("X-Chat-Session-Id", "The session, 1 to 256 visible ASCII characters."),
            _header("X-Aura-Events", "Which events are sent: `all`, `none` or `reasoning`."),
            _header("X-Aura-Event-Frames", "`merged` into chunks, or `bare`."),
            _header("X-Aura-On-Disconnect", "`cancel`, `detach` or `grace:SECS`."),
            _header("Last-Event-ID", "The last frame that arrived, to go on behind it."),
        ),
        errors=FAILED,
    )
    operation["responses"]["200"]["headers"] = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in (
            ("X-Chat-Session-Id", "The session."),
            ("X-Request-Id", "The request."),
            ("X-Aura-Run-Id", "The run."),
            ("X-Aura-Ignored", "Parts of the request that have no effect."),
        )
    }
    operation["responses"]["204"] = {"description": "Nothing follows this position."}
    operation["requestBody"] = {"required": True, "content": {JSON: _schema("ChatRequest")}}
    return operation


def _events() -> dict[str, Any]:
    operation = _operation(
        "events",
        "The frames of a run behind a position, live or over.",
        {STREAM: _stream()},
        parameters=(
            _run_id(),
            _query("after", "The last frame that arrived: its number or its id."),
            _header("Last-Event-ID", "The same."),
            _header("X-Aura-Events", "Which events are sent: `all`, `none` or `reasoning`."),
            _header("X-Aura-Event-Frames", "`merged` into chunks, or `bare`."),
        ),
        errors=NO_RUN,
    )
    operation["responses"]["204"] = {"description": "Nothing follows this position."}
    return operation


def _list() -> dict[str, Any]:
    return _operation(
        "runs",
        "The runs of the caller's token, the newest first.",
        {JSON: _schema("RunList")},
        parameters=(
            {
                **_query("limit", "How many."),
                "schema": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED},
            },
            _query("before", "Only runs older than this one."),
            _query("session_id", "Only runs of this session."),
        ),
    )


def _operation(
    name: str,
    summary: str,
    content: dict[str, Any],
    *,
    parameters: tuple[dict[str, Any], ...] = (),
    errors: dict[int, str] | None = None,
) -> dict[str, Any]:
    failures = {**EVERYWHERE, **(errors or {})}
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": summary, "content": content},
            **{
                str(status): {"description": text, "content": {JSON: _schema("ErrorAnswer")}}
                for status, text in sorted(failures.items())
            },
        },
    }


def _schema(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _stream() -> dict[str, Any]:
    return {"schema": {"type": "string", "description": _FRAMES}}


def _state() -> dict[str, Any]:
    properties = {"status": {"type": "string"}}
    shape = {"type": "object", "properties": properties, "required": ["status"]}
    return {JSON: {"schema": shape}}


def _query(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}


def _run_id() -> dict[str, Any]:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The run.",
        "schema": {"type": "string"},
    }
