"""Google's Gemini API: generateContent, as a stream of server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from urllib.parse import quote

from aura.adapters.models._gemini_chunks import ChunkParser
from aura.adapters.models._gemini_messages import Settings, request_body
from aura.adapters.models.address import located
from aura.adapters.models.exchange import Exchange
from aura.adapters.models.transport import Transport
from aura.events import AnyEvent, Json
from aura.masking import Mask, in_url
from aura.pipeline.ports import Prompt

GEMINI = "https://generativelanguage.googleapis.com"

VERSION = "/v1beta"
"""The version of the API, in front of every path: the first has no tools."""


class GeminiModel:
    """A model behind a server that speaks the Gemini API.

    `model` is a name, or a path such as `tunedModels/mine`. `ids` makes the ids of tool calls that
    came without. Nothing is asked twice: that is the pipeline's decision.
    """

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
        additional_params: Mapping[str, Json] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._name = name or f"gemini/{model}"
        self._ids = ids
        path = quote(model if "/" in model else f"models/{model}")
        self._url, authorization = located(
            base_url or GEMINI,
            f"{VERSION}/{path}:streamGenerateContent",
            version=VERSION,
            query="alt=sse",
        )
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if api_key:
            self._headers["x-goog-api-key"] = api_key
        if authorization:
            self._headers["Authorization"] = authorization
        sent = authorization.partition(" ")[2]
        self._mask = Mask((api_key, sent, *in_url(base_url or GEMINI)))
        self._exchange = Exchange(name=self._name, transport=transport, mask=self._mask, now=now)
        self._settings = Settings(
            model=model,
            temperature=temperature,
            max_tokens=max_tokens,
            additional_params=additional_params or {},
        )

    def __repr__(self) -> str:
        key = "***" if "x-goog-api-key" in self._headers else ""
        url = self._url.partition("?")[0]
        return f"GeminiModel(name={self._name!r}, url={url!r}, api_key={key!r})"

    @property
    def most_tools(self) -> int | None:
        """No limit is known."""
        return None

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self._name

    def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """Ask once; the events of the answer. Closing early closes the connection at once."""
        body = request_body(prompt, self._settings)
        parser = ChunkParser(
            prompt.agent_id, model=self._name, ids=self._ids, mask=self._mask, live=prompt.live
        )
        return self._exchange.stream(self._url, self._headers, body, parser)
