"""The HTTP API. A handler decodes, finds the agent and returns what answers."""

from __future__ import annotations

import anyio.to_thread
from litestar import Response, get

from aura.server.backend import AnyRequest, backend_of, header_values
from aura.server.introspection import Info, ModelList, detail, info, model_list
from aura.server.openapi import document


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
