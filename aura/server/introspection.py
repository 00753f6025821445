"""What clients may learn about the agents: the model list and `/aura/info`."""

from __future__ import annotations

from typing import Literal

import msgspec

from aura.catalog import Catalog, Served


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


class AgentInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent as it is configured, without anything secret."""

    id: str
    model: str
    mcp_servers: dict[str, dict[str, str]]
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


def info(catalog: Catalog) -> Info:
    """The visible agents, their models and where their tools come from."""
    return Info(
        default_agent=catalog.default,
        agents=tuple(_agent(served) for served in catalog.visible()),
    )


def _agent(served: Served) -> AgentInfo:
    servers: dict[str, dict[str, str]] = {}
    for server in served.servers:
        place = "command" if server.transport == "stdio" else "url"
        servers[server.name] = {"transport": server.transport, place: server.place}
        if server.description is not None:
            servers[server.name]["description"] = server.description
    return AgentInfo(
        id=served.id, model=served.model, description=served.description, mcp_servers=servers
    )
