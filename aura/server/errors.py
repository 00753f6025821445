"""Errors as OpenAI clients expect them: one JSON shape for every status."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from aura.errors import RequestError
from aura.events import RunFailed
from aura.runs.log import Missing, Trimmed

TYPES = {400: "invalid_request_error", 429: "rate_limit_error", 500: "internal_error"}

MESSAGES = {
    404: "There is nothing at {path}. The API is under /v1/models and /v1/chat/completions.",
    405: "{method} is not allowed at {path}.",
}

LONGEST_MESSAGE = 2000
"""Characters; what a request has too much of is not sent back whole."""


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The inner object of an OpenAI error answer."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """An OpenAI error answer, whole."""

    error: ErrorBody


def error_type(status: int) -> str:
    """The `type` of an error whose status says all there is to say."""
    if status in TYPES:
        return TYPES[status]
    return "invalid_request_error" if status < 500 else "upstream_error"


def failed_body(event: RunFailed) -> ErrorBody:
    """A failed run as an error."""
    return ErrorBody(message=event.message, type=error_type(event.status), code=event.code)


def failed_answer(event: RunFailed) -> ErrorAnswer:
    """A failed run as an error answer."""
    return ErrorAnswer(failed_body(event))


def trimmed(error: Trimmed) -> ErrorAnswer:
    """What a client is told that reads where the log has nothing any more."""
    return ErrorAnswer(
        ErrorBody(
            message=f"The beginning of the run is not kept any more: its log starts at frame"
            f" {error.begins}. Read on from there with ?after={error.begins - 1}.",
            type="invalid_request_error",
            code="run_trimmed",
        )
    )


def missing(error: Missing) -> ErrorAnswer:
    """What a client is told that asks for a run we do not have, or it may not see."""
    if error.expired:
        message, code = "The run is not kept any more (--run-log-ttl-secs).", "run_expired"
    else:
        message, code = "There is no such run, or your token did not start it.", "run_not_found"
    return ErrorAnswer(ErrorBody(message=message, type="invalid_request_error", code=code))


def _gone(answer: ErrorAnswer, status: int) -> Response[ErrorAnswer]:
    return Response(answer, status_code=status)


def retry_headers(seconds: float | None) -> dict[str, str]:
    """`Retry-After` in whole seconds (RFC 9110), when there is something to say."""
    return {} if seconds is None else {"retry-after": str(math.ceil(seconds))}


def challenge(status: int) -> dict[str, str]:
    """The scheme to authenticate by, which a 401 has to name (RFC 9110)."""
    return {"www-authenticate": "Bearer"} if status == 401 else {}


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorAnswer]:
    """Turn whatever a handler or the framework raised into an error answer."""
    path = request.scope["path"]  # its URL cannot be had where the header Host is nonsense
    match error:
        case RequestError():
            return Response(
                ErrorAnswer(
                    ErrorBody(
                        message=str(error)[:LONGEST_MESSAGE],
                        type=error.type,
                        param=error.param,
                        code=error.code,
                    )
                ),
                status_code=error.status,
                headers=challenge(error.status) | retry_headers(error.retry_after),
            )
        case Missing():
            return _gone(missing(error), 410 if error.expired else 404)
        case Trimmed():
            return _gone(trimmed(error), 410)
        case HTTPException(status_code=status) if status < 500:
            message = error.detail
            if status in MESSAGES:
                message = MESSAGES[status].format(path=path, method=request.method)
            return Response(
                ErrorAnswer(ErrorBody(message[:LONGEST_MESSAGE], error_type(status))),
                status_code=status,
                headers=error.headers,
            )
        case _:
            structlog.get_logger().error("request failed", path=path, exc_info=error)
            return Response(
                ErrorAnswer(
                    ErrorBody(message="The server failed; its log says why.", type="internal_error")
                ),
                status_code=500,
            )
