"""What `aura check --connect` tells: which MCP servers answer, and with which tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aura.build import open_agents
from aura.catalog import Served
from aura.config import Config
from aura.events import ServerStatus
from aura.pipeline.ports import Offer, Toolbox, ToolSpec

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for JSON; every model counts differently."""


async def reached(configs: Sequence[Config]) -> tuple[list[str], bool]:
    """Connect to the MCP servers of all agents. Gives lines to read, and whether all answered."""
    lines: list[str] = []
    fine = True
    async with open_agents(configs, insist=False) as catalog:
        for served in catalog:
            with served.agent.toolset.open({}) as toolbox:
                await toolbox.ready()
                lines += _agent(served, toolbox)
                fine &= all(status.status == "connected" for status in toolbox.statuses())
    return lines, fine


def _agent(served: Served, toolbox: Toolbox) -> Iterator[str]:
    specs = [tool.spec for tool in toolbox.tools()]
    yield f"agent {served.id!r}: {len(specs)} tool(s), {_cost(specs)}"
    offers = toolbox.offers()
    for status in toolbox.statuses():
        own = [offer for offer in offers if offer.server_name == status.server_name]
        yield f"  {_server(status, own)}"
        for offer in own:
            yield f"    {_tool(offer)}"
            yield from (f"      {change}" for change in offer.changes)


def _server(status: ServerStatus, offers: Sequence[Offer]) -> str:
    name = f"{status.server_name} ({status.transport})"
    if status.status != "connected":
        return f"{name}: {status.reason or status.status}"
    left_out = status.tools_count - len(offers)
    more = f", {left_out} more left out" if left_out else ""
    return f"{name}: {len(offers)} tool(s), {_cost([offer.spec for offer in offers])}{more}"


def _tool(offer: Offer) -> str:
    renamed = f" (on the server {offer.own_name!r})" if offer.own_name != offer.spec.name else ""
    return f"{offer.spec.name}{renamed}: {_cost([offer.spec])}"


def _cost(specs: Sequence[ToolSpec]) -> str:
    characters = sum(
        len(spec.name) + len(spec.description) + len(spec.parameters) for spec in specs
    )
    return f"about {-(-characters // CHARACTERS_PER_TOKEN):,} tokens"
