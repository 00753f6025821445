"""What clients may learn about the agents: the model list and `/aura/info`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import anyio
import msgspec

from aura.catalog import Catalog, Served
from aura.errors import RequestError
from aura.pipeline.ports import Offer, Toolbox

Detail: TypeAlias = Literal["tools", "tools:summary"]
Tools: TypeAlias = dict[str, list[dict[str, object]]]

LONGEST_WAIT = 30.0
"""Seconds that servers get to connect before an answer leaves their tools out."""

SERVERS_OWN = ("title", "outputSchema", "annotations", "_meta")
"""What is shown of a tool as its server describes it."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ModelEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent as an OpenAI model."""

    id: str
    object: str
    created: int
    owned_by: str
    description: str | None = None


class ModelList(msgspec.Struct, frozen=True):
    """The answer of `/v1/models`."""

    object: Literal["list"]
    data: tuple[ModelEntry, ...]


class WorkerSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker of a team; its model if that is not the coordinator's."""

    name: str
    description: str
    model: str | None = None


class AgentInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent as it is configured, without anything secret."""

    id: str
    model: str
    mcp_servers: dict[str, dict[str, object]]
    workers: tuple[WorkerSummary, ...] = ()
    description: str | None = None


class Info(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `/aura/info`."""

    agents: tuple[AgentInfo, ...]
    default_agent: str | None = None


def model_list(catalog: Catalog) -> ModelList:
    """The visible agents in the order of the configuration."""
    return ModelList(
        object="list",
        data=tuple(
            ModelEntry(
                id=served.id,
                object="model",
                created=served.created,
                owned_by=served.owned_by,
                description=served.description,
            )
            for served in catalog.visible()
        ),
    )


def detail(asked: str | None) -> Detail | None:
    """What the `detail` of a request asks for: words separated by commas. Raises `RequestError`
    for one that is not known."""
    words = {word.strip() for word in (asked or "").split(",")} - {""}
    for word in sorted(words - {"tools", "tools:summary"}):
        message = f"detail {word!r} is not known: it can be `tools` or `tools:summary`."
        raise RequestError(message, param="detail")
    if "tools" in words:
        return "tools"
    return "tools:summary" if words else None


async def info(catalog: Catalog, detail: Detail | None, headers: Mapping[str, str]) -> Info:
    """The visible agents, their models and where their tools come from; with the tools that they
    offer to a caller who sends these headers, if that is asked for."""
    served = catalog.visible()
    tools: dict[str, Tools] = {}
    if detail is not None:
        async with anyio.create_task_group() as tasks:
            for each in served:
                tasks.start_soon(_collect, each, detail, headers, tools)
    return Info(
        default_agent=catalog.default,
        agents=tuple(_agent(each, tools.get(each.id, {})) for each in served),
    )


async def _collect(
    served: Served, detail: Detail, headers: Mapping[str, str], into: dict[str, Tools]
) -> None:
    with served.agent.toolset.open(headers) as toolbox:
        with anyio.move_on_after(LONGEST_WAIT):
            await toolbox.ready()
        into[served.id] = _tools(toolbox, detail)


def _tools(toolbox: Toolbox, detail: Detail) -> Tools:
    """The tools of each server that is connected."""
    found: Tools = {
        status.server_name: [] for status in toolbox.statuses() if status.status == "connected"
    }
    for offer in toolbox.offers():
        if offer.server_name in found:
            found[offer.server_name].append(_described(offer, detail))
    return found


def _described(offer: Offer, detail: Detail) -> dict[str, object]:
    """A tool in the words of its server, but with the name and the schema that the model sees."""
    shown: dict[str, object] = {"name": offer.spec.name, "description": offer.spec.description}
    if detail == "tools:summary":
        return shown
    own = _decode(offer.described)
    kept = {name: own[name] for name in SERVERS_OWN if name in own}
    return {**shown, "inputSchema": offer.spec.parameters, **kept}


def _agent(served: Served, tools: Tools) -> AgentInfo:
    servers: dict[str, dict[str, object]] = {}
    for server in served.servers:
        place = "command" if server.transport == "stdio" else "url"
        servers[server.name] = {"transport": server.transport, place: server.place}
        if server.description is not None:
            servers[server.name]["description"] = server.description
        if server.name in tools:
            servers[server.name]["tools"] = tools[server.name]
    return AgentInfo(
        id=served.id,
        model=served.model,
        description=served.description,
        mcp_servers=servers,
        workers=tuple(
            WorkerSummary(each.name, each.description, each.model)
            for each in sorted(served.workers, key=lambda each: each.name)
        ),
    )
