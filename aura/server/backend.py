"""What the handlers share, and what they all ask of a request."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from litestar import Request
from litestar.datastructures import State

from aura.catalog import Catalog
from aura.errors import RequestError
from aura.server.drain import Drain
from aura.server.handovers import Handovers
from aura.server.metrics import Metrics
from aura.server.runs import Runs
from aura.server.settings import Settings

OPEN = frozenset({"/health", "/ready"})
"""What may be asked without a token."""

AnyRequest: TypeAlias = Request[Any, Any, State]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Lives in the application's state."""

    settings: Settings
    catalog: Catalog
    drain: Drain
    runs: Runs
    handovers: Handovers
    metrics: Metrics


def backend_of(request: AnyRequest) -> Backend:
    """What the handlers share; asking litestar for its state would copy it for each request."""
    backend: Backend = request.app.state.backend
    return backend


def bearer_token(headers: Mapping[str, str]) -> str:
    """The token that a request was sent with, or nothing."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def authenticate(backend: Backend, path: str, headers: Mapping[str, str]) -> None:
    """Let a request pass whose bearer token is one of the server's, if it has any.

    Raises `RequestError` (401). Tokens are compared in constant time.
    """
    tokens = backend.settings.auth_tokens
    if not tokens or path in OPEN:
        return
    given = bearer_token(headers).encode()
    matches = [hmac.compare_digest(given, known.encode()) for known in tokens]
    if not any(matches):
        raise RequestError(
            "The bearer token is missing or wrong.", status=401, code="invalid_api_key"
        )


async def authorized(request: AnyRequest) -> None:
    """The same, before every handler of litestar's; a guard would cost several times as much."""
    authenticate(backend_of(request), request.scope["path"], request.headers)


def header_values(request: AnyRequest) -> dict[str, str]:
    """The headers of the request by lower-case name, byte for byte as Latin-1; of one that comes
    twice the last value."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in request.scope["headers"]
    }
