"""OpenRouter: chat completions of many providers, with the blocks of their reasoning."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from aura.adapters.models.openai import OpenAIModel
from aura.adapters.models.transport import Transport
from aura.events import Json

OPENROUTER = "https://openrouter.ai/api/v1"


class OpenRouterModel(OpenAIModel):
    """A model behind OpenRouter. Blocks of reasoning go back with the answer that they led to,
    as some of its providers demand; what was billed is asked for."""

    def __init__(
        self,
        *,
        model: str,
        transport: Transport,
        ids: Callable[[str], str],
        api_key: str = "",
        base_url: str | None = None,
        name: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        tool_images: bool | None = None,
        additional_params: Mapping[str, Json] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            model=model,
            transport=transport,
            ids=ids,
            api_key=api_key,
            base_url=base_url or OPENROUTER,
            name=name or f"openrouter/{model}",
            temperature=temperature,
            max_tokens=max_tokens,
            tool_images=tool_images,
            additional_params={"usage": {"include": True}, **(additional_params or {})},
            keeps="details",
            now=now,
        )
