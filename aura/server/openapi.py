"""The API as an OpenAPI document (3.1.1), with the structs that the routes read and write.

Written by hand but for the schemas: the handlers take raw requests, so nothing could be derived.
"""

from __future__ import annotations

from collections.abc import Iterable
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

ANYWHERE = {
    400: "The request cannot be answered as it was asked.",
    405: "The path does not have this method.",
    431: "The headers are larger than the server accepts.",
    500: "A defect of this server; its log says more.",
    503: "The server is shutting down.",
}
UNKNOWN = {401: "The bearer token is missing or wrong."}
NO_RUN = {
    404: "There is no such run, or another token started it.",
    410: "The run, or this position in it, is not kept any more.",
}
FAILED = {
    404: "There is no such agent or, with `Last-Event-ID`, no such run.",
    410: "With `Last-Event-ID`: the run, or this position in it, is not kept any more.",
    413: "The body is larger than the server accepts.",
    415: "The body does not claim to be JSON.",
    422: "The body is JSON of another shape.",
    429: "Too many requests, here or at the provider.",
    499: "The run was cancelled.",
    502: "The provider failed.",
    504: "The provider, or the run, took too long.",
}
SAID_WITH = {
    401: {"WWW-Authenticate": "How to authenticate."},
    405: {"Allow": "The methods that the path has."},
    429: {"Retry-After": "Seconds after which to try again."},
    503: {"Retry-After": "Seconds after which to try again."},
}
"""Status to the headers that may come with it."""

RUN_HEADERS = {
    "X-Chat-Session-Id": "The session.",
    "X-Request-Id": "The request.",
    "X-Aura-Run-Id": "The run.",
}

FRAME = {
    "type": "object",
    "description": (
        "A server-sent event. `data` is JSON, a chat completion chunk or an error, or the text"
        " `[DONE]`, which ends the stream. `id` is the run and the number of the frame; `event` is"
        " there for what only Aura has, which clients of OpenAI read as an empty chunk. Comments"
        " keep the connection alive."
    ),
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["data"],
}

QUESTION = {"messages": [{"role": "user", "content": "What can you do?"}]}
EXAMPLES = {
    "whole": {"summary": "Answered as JSON.", "value": QUESTION},
    "streamed": {"summary": "Answered as a stream.", "value": {**QUESTION, "stream": True}},
}


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
            "paths": {**_about_the_server(), **_about_agents(), **_about_runs()},
            "components": {
                "schemas": {**schemas, "Frame": FRAME},
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "Needed only where the server was given tokens.",
                    }
                },
            },
            "security": [{"token": []}, {}],
        }
    )


def _anything(kind: type) -> dict[str, Any]:
    """The schema of what has no type: the words of MCP servers, whatever those are."""
    return {"description": f"Any {kind.__name__}."}


def _about_the_server() -> dict[str, Any]:
    state = {"type": "object", "properties": {"status": _text()}, "required": ["status"]}
    plain = {"schema": _text()}
    counts = {"text/plain": plain, "application/openmetrics-text": plain}
    described = {JSON: {"schema": {"type": "object"}}}
    return {
        "/health": {
            "get": _operation("health", "Whether the process lives.", {JSON: {"schema": state}})
            | {"security": []}
        },
        "/ready": {
            "get": _operation("ready", "Whether requests are welcome.", {JSON: {"schema": state}})
            | {"security": []}
        },
        "/metrics": {
            "get": _operation("metrics", "What was counted, for Prometheus.", counts, UNKNOWN)
        },
        "/schema/openapi.json": {
            "get": _operation("openapi", "This document.", described, UNKNOWN)
        },
    }


def _about_agents() -> dict[str, Any]:
    chat = _operation(
        "chat",
        "Answer a conversation, or go on with an answer that broke off.",
        {JSON: _schema("ChatCompletion"), STREAM: _schema("Frame")},
        {**UNKNOWN, **FAILED},
        (
            _header("X-Chat-Session-Id", "The session.", pattern=r"^[\x21-\x7e]{0,256}$"),
            _header("X-OpenWebUI-Chat-Id", "The session, if the other header is missing."),
            *_views(),
            _header(
                "X-Aura-On-Disconnect",
                "What becomes of the run when its client leaves.",
                pattern=r"^(cancel|detach|grace:\d{1,8}(\.\d{1,6})?)$",
            ),
            _header(
                "Last-Event-ID",
                "The last frame that arrived, to go on behind it.",
                pattern=r"^([A-Za-z0-9_-]{1,64}:\d{1,15})?$",
            ),
        ),
        with_run=True,
    )
    body = {JSON: {**_schema("ChatRequest"), "examples": EXAMPLES}}
    chat["requestBody"] = {"required": True, "content": body}
    ignored = {"X-Aura-Ignored": "Parts of the request that have no effect."}
    chat["responses"]["200"]["headers"] |= _headers(ignored)
    run = {"id": "$response.header.X-Aura-Run-Id"}
    chat["responses"]["200"]["links"] = {
        name: {"operationId": name, "parameters": run} for name in ("run", "events", "cancel")
    }
    models = {JSON: _schema("ModelList")}
    info = _operation(
        "info",
        "Agents and MCP servers, without secrets.",
        {JSON: _schema("Info")},
        UNKNOWN,
        (_query("detail", "`tools` for all about them, `tools:summary` for less."),),
    )
    return {
        "/v1/models": {"get": _operation("models", "The agents, as models.", models, UNKNOWN)},
        "/v1/chat/completions": {"post": chat},
        "/aura/info": {"get": info},
    }


def _about_runs() -> dict[str, Any]:
    run = {JSON: _schema("RunInfo")}
    missed = {**UNKNOWN, **NO_RUN}
    identity = {"name": "id", "in": "path", "required": True, "schema": _text()}
    listed = _operation(
        "runs",
        "The runs of the caller's token, the newest first.",
        {JSON: _schema("RunList")},
        UNKNOWN,
        (
            _query("limit", "How many.", type="integer", minimum=1, maximum=MOST_LISTED),
            _query("before", "Only runs older than this one."),
            _query("session_id", "Only runs of this session."),
        ),
    )
    events = _operation(
        "events",
        "The frames of a run behind a position, live or over.",
        {STREAM: _schema("Frame")},
        missed,
        (
            identity,
            _query("after", "The last frame that arrived: its number or its id."),
            _header("Last-Event-ID", "The same."),
            *_views(),
        ),
        with_run=True,
    )
    cancel = "End a run; one that is over stays as it is."
    return {
        "/aura/runs": {"get": listed},
        "/aura/runs/{id}": {
            "get": _operation("run", "How a run stands.", run, missed, (identity,))
        },
        "/aura/runs/{id}/events": {"get": events},
        "/aura/runs/{id}/cancel": {
            "post": _operation("cancel", cancel, run, missed, (identity,)),
        },
    }


def _operation(
    name: str,
    summary: str,
    content: dict[str, Any],
    errors: dict[int, str] | None = None,
    parameters: Iterable[dict[str, Any]] = (),
    *,
    with_run: bool = False,
) -> dict[str, Any]:
    """An operation that answers 200 with `content`; one `with_run` names the run as well, or
    answers 204 when nothing follows the position that was asked for."""
    answers: dict[str, Any] = {"200": {"description": summary, "content": content}}
    if with_run:
        answers["200"]["headers"] = _headers(RUN_HEADERS)
        answers["204"] = {"description": "Nothing follows this position."}
    for status, text in sorted({**ANYWHERE, **(errors or {})}.items()):
        answers[str(status)] = {
            "description": text,
            "content": {JSON: _schema("ErrorAnswer")},
            "headers": _headers(SAID_WITH.get(status, {})),
        }
    return {
        "operationId": name,
        "summary": summary,
        "parameters": tuple(parameters),
        "responses": answers,
    }


def _schema(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _text(**rules: Any) -> dict[str, Any]:
    return {"type": "string", **rules}


def _headers(texts: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": _text()} for name, text in texts.items()}


def _query(name: str, text: str, **rules: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": _text(**rules)}


def _header(name: str, text: str, **rules: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "schema": _text(**rules)}


def _views() -> tuple[dict[str, Any], ...]:
    """What a client can ask to see of a run."""
    return (
        _header("X-Aura-Events", "Which events are sent.", enum=["all", "none", "reasoning"]),
        _header(
            "X-Aura-Event-Frames",
            "Whether events of Aura's are merged into empty chunks.",
            enum=["merged", "bare"],
        ),
    )
