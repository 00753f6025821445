"""Why a server cannot be reached, in words that may be shown."""

from __future__ import annotations

import socket
import ssl
from http import HTTPStatus

import anyio
import httpx2
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED
from pydantic import ValidationError

from aura.masking import NOTHING_SECRET, Mask

LONGEST_MESSAGE = 300
"""Characters of a server's own words that are passed on."""

SESSION = "mcp-session-id"


class Lost(Exception):
    """The connection cannot be used, or not any more. The text may be shown."""


class Statuses:
    """What the HTTP statuses tell, since the SDK does not pass them on.

    `error` is the status of the latest response if it was an error. `gone` is set when the server
    no longer knows our session.
    """

    def __init__(self, gone: anyio.Event) -> None:
        self.error: int | None = None
        self._gone = gone

    async def note(self, response: httpx2.Response) -> None:
        """Look at one response. 405 only says that the server does not offer a GET stream."""
        status = response.status_code
        if status == HTTPStatus.NOT_FOUND and SESSION in response.request.headers:
            self._gone.set()
        if status != HTTPStatus.METHOD_NOT_ALLOWED:
            self.error = status if status >= 400 else None


def explained(
    group: BaseExceptionGroup[Exception], statuses: Statuses, mask: Mask = NOTHING_SECRET
) -> str:
    """The reason for clients and operators. Nothing in it comes from our headers or URLs: what an
    unexpected error says is left out, because HTTP libraries quote what they could not send, and
    `mask` takes secrets out of what the server says."""
    return f"Connection failed: {_cause(_leaf(group), statuses.error, mask)}"


def _cause(error: Exception, status: int | None, mask: Mask) -> str:
    match error:
        case Lost():
            return str(error)
        case MCPError():
            return _refusal(error, status, mask)
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return _unconnected(error)
        case httpx2.LocalProtocolError() | UnicodeError():
            return "one of its headers cannot be sent"
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return "its URL cannot be used"
        case httpx2.HTTPError() if status is not None:
            return _status(status)
        case httpx2.HTTPError():
            return f"the HTTP exchange failed ({type(error).__name__})"
        case ValidationError():
            place = ".".join(map(str, error.errors()[0]["loc"]))[:LONGEST_MESSAGE]
            return f"what it answers does not fit the protocol ({place})"
        case OSError():
            return _system(error)
        case _:
            return type(error).__name__


def _refusal(error: MCPError, status: int | None, mask: Mask) -> str:
    match status:
        case None if error.code == CONNECTION_CLOSED:
            return "the server ended the connection"
        case None:
            return f"the server answered with an error: {mask(error.message)[:LONGEST_MESSAGE]}"
        case _:
            return _status(status)


def _status(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            "authentication failed (401 Unauthorized); check the server's headers, those that are"
            " passed on from the request, and its credentials"
        )
    return f"server returned HTTP {status} {_phrase(status)}".rstrip()


def _unconnected(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case socket.gaierror():
                return "its host name is not known"
            case ssl.SSLError():
                return f"no secure connection can be made ({cause.reason})"
        cause = cause.__cause__ or cause.__context__
    return "nothing answers at its address"


def _system(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "its command was not found"
        case PermissionError():
            return "its command may not be executed"
        case _:
            return error.strerror or type(error).__name__


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _leaf(error: Exception | BaseExceptionGroup[Exception]) -> Exception:
    """The first error that is no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
