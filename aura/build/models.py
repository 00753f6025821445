"""A model from the table that describes it; its modules are imported when one is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import assert_never

import anyio.to_thread

from aura.adapters.models.transport import Transport
from aura.config.llm import Anthropic, Llm, OpenAI, Scripted
from aura.pipeline.ports import Log, Model
from aura.pipeline.run import Sources


async def built(
    llm: Llm, transport: Callable[[], Awaitable[Transport]], sources: Sources, log: Log
) -> Model:
    """The model; `transport` gives what all of them share."""
    match llm:
        case OpenAI():
            from aura.adapters.models.openai import OpenAIModel

            return OpenAIModel(
                model=llm.model,
                api_key=llm.api_key.reveal(),
                base_url=llm.base_url,
                transport=await transport(),
                ids=sources.ids,
                temperature=llm.temperature,
                max_tokens=llm.max_tokens,
                reasoning_effort=llm.reasoning_effort,
                tool_images=llm.tool_images,
                additional_params=llm.additional_params,
                now=sources.now,
            )
        case Anthropic():
            from aura.adapters.models.anthropic import AnthropicModel

            return AnthropicModel(
                model=llm.model,
                api_key=llm.api_key.reveal(),
                base_url=llm.base_url,
                transport=await transport(),
                ids=sources.ids,
                temperature=llm.temperature,
                max_tokens=llm.max_tokens,
                additional_params=llm.additional_params,
                now=sources.now,
                log=log,
            )
        case Scripted():
            from aura.adapters.models.scripted import Scripted as ScriptedModel
            from aura.adapters.models.scripted import load_script

            script = await anyio.to_thread.run_sync(load_script, llm.script)
            return ScriptedModel(
                script.replies,
                name=f"scripted/{llm.model}",
                ids=sources.ids,
                path=script.path,
            )
        case _:
            assert_never(llm)
