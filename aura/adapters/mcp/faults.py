"""Why a server cannot be reached, in words that may be shown."""

from __future__ import annotations

from http import HTTPStatus

import httpx2
from mcp import MCPError


class Statuses:
    """The first HTTP status that was an error, since the SDK does not pass it on."""

    def __init__(self) -> None:
        self.first: int | None = None

    async def note(self, response: httpx2.Response) -> None:
        """Look at one response. 405 only says that the server does not offer a GET stream."""
        if response.status_code >= 400 and response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            self.first = self.first or response.status_code


def explained(group: BaseExceptionGroup[Exception], statuses: Statuses) -> str:
    """The reason for clients and operators. Nothing in it comes from headers or URLs."""
    return f"Connection failed: {_cause(_leaf(group), statuses.first)}"


def _cause(error: Exception, status: int | None) -> str:
    match error:
        case _ if status == HTTPStatus.UNAUTHORIZED:
            return (
                "authentication failed (401 Unauthorized); check the server's headers and"
                " credentials"
            )
        case _ if status is not None:
            return f"server returned HTTP {status} {_phrase(status)}".rstrip()
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return "nothing answers at its address"
        case FileNotFoundError():
            return "its command was not found"
        case PermissionError():
            return "its command may not be executed"
        case MCPError():
            return f"the server ended the connection ({error.error.message})"
        case _:
            return str(error) or type(error).__name__


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
