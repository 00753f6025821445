"""What the handlers share, and what they all ask of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from litestar import Request
from litestar.datastructures import State

from aura.catalog import Catalog
from aura.server.drain import Drain
from aura.server.handovers import Handovers
from aura.server.metrics import Metrics
from aura.server.runs import Runs
from aura.server.settings import Settings

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


def bearer_token(request: AnyRequest) -> str:
    """The token that the request was sent with, or nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def header_values(request: AnyRequest) -> dict[str, str]:
    """The headers of the request by lower-case name, byte for byte as Latin-1; of one that comes
    twice the last value."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in request.scope["headers"]
    }
