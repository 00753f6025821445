"""A model from the table that describes it; its modules are imported when one is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TypedDict, assert_never

import anyio.to_thread

from aura.adapters.models.transport import Transport
from aura.config.llm import (
    Anthropic,
    Bedrock,
    Gemini,
    Llm,
    Ollama,
    OpenAI,
    OpenRouter,
    Provided,
    Scripted,
)
from aura.config.schema import Config
from aura.errors import Problem
from aura.events import Json
from aura.pipeline.ports import Log, Model
from aura.pipeline.run import Sources

EXTRAS: Mapping[type[Llm], str] = {Bedrock: "botocore"}
"""Packages that are only there if the extra was asked for that is called like the provider."""


def lacking(configs: Sequence[Config]) -> Iterator[Problem]:
    """Models whose packages are not installed."""
    for config in configs:
        for path, llm in config.llms.items():
            package = EXTRAS.get(type(llm))
            if package and find_spec(package) is None:
                message = (
                    f"{llm.provider!r} needs the package {package}, which is not installed: run"
                    f" `pip install 'aura[{llm.provider}]'`"
                )
                yield config.source.problem((*path, "provider"), message, kind="io")


class _Common(TypedDict):
    """What every model behind a service is made of."""

    model: str
    base_url: str | None
    temperature: float | None
    max_tokens: int | None
    additional_params: Mapping[str, Json] | None
    transport: Transport
    ids: Callable[[str], str]
    now: Callable[[], float]


async def built(
    llm: Llm, transport: Callable[[], Awaitable[Transport]], sources: Sources, log: Log
) -> Model:
    """The model; `transport` gives what all of them share."""
    if isinstance(llm, Scripted):
        from aura.adapters.models.scripted import Scripted as ScriptedModel
        from aura.adapters.models.scripted import load_script

        script = await anyio.to_thread.run_sync(load_script, llm.script)
        name = f"scripted/{llm.model}"
        return ScriptedModel(script.replies, name=name, ids=sources.ids, path=script.path)
    common = _common(llm, await transport(), sources)
    match llm:
        case OpenAI():
            from aura.adapters.models.openai import OpenAIModel

            return OpenAIModel(
                api_key=llm.api_key.reveal(),
                reasoning_effort=llm.reasoning_effort,
                tool_images=llm.tool_images,
                log=log,
                **common,
            )
        case Anthropic():
            from aura.adapters.models.anthropic import AnthropicModel

            return AnthropicModel(api_key=llm.api_key.reveal(), log=log, **common)
        case Bedrock():
            from aura.adapters.models.bedrock import BedrockModel

            return BedrockModel(
                region=llm.region, profile=llm.profile, tool_images=llm.tool_images, **common
            )
        case Gemini():
            from aura.adapters.models.gemini import GeminiModel

            return GeminiModel(api_key=llm.api_key.reveal(), **common)
        case Ollama():
            from aura.adapters.models.ollama import OllamaModel

            return OllamaModel(api_key=llm.api_key.reveal(), **common)
        case OpenRouter():
            from aura.adapters.models.openrouter import OpenRouterModel

            return OpenRouterModel(
                api_key=llm.api_key.reveal(), tool_images=llm.tool_images, **common
            )
        case _:
            assert_never(llm)


def _common(llm: Provided, transport: Transport, sources: Sources) -> _Common:
    return {
        "model": llm.model,
        "base_url": llm.base_url,
        "temperature": llm.temperature,
        "max_tokens": llm.max_tokens,
        "additional_params": llm.additional_params,
        "transport": transport,
        "ids": sources.ids,
        "now": sources.now,
    }
