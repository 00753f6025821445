"""Ollama's own chat API, which streams lines of JSON."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping

from aura.adapters.models._ollama_lines import LineParser
from aura.adapters.models._ollama_messages import Settings, request_body
from aura.adapters.models.address import located
from aura.adapters.models.exchange import Exchange
from aura.adapters.models.transport import Transport
from aura.errors import ProviderError, Rejected
from aura.events import AnyEvent, Json
from aura.masking import Mask, in_url
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Prompt

OLLAMA = "http://localhost:11434"


class OllamaModel:
    """A model that an Ollama server runs.

    `api_key` is for servers behind a proxy, and for Ollama's own in the cloud. `ids` makes the ids
    of tool calls that came without. Nothing is asked twice: that is the pipeline's decision.
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
        self._model = model
        self._name = name or f"ollama/{model}"
        self._ids = ids
        self._url, login = located(base_url or OLLAMA, "/api/chat", version="/api")
        self._headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson"}
        if authorization := login or (f"Bearer {api_key}" if api_key else ""):
            self._headers["Authorization"] = authorization
        sent = authorization.partition(" ")[2]
        self._mask = Mask((api_key, sent, *in_url(base_url or OLLAMA)))
        self._exchange = Exchange(name=self._name, transport=transport, mask=self._mask, now=now)
        self._settings = Settings(
            model=model,
            temperature=temperature,
            max_tokens=max_tokens,
            additional_params=additional_params or {},
        )

    def __repr__(self) -> str:
        key = "***" if "Authorization" in self._headers else ""
        url = self._url.partition("?")[0]
        return f"OllamaModel(name={self._name!r}, url={url!r}, api_key={key!r})"

    @property
    def most_tools(self) -> int | None:
        """No limit is known."""
        return None

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self._name

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """Ask once; the events of the answer. Closing early closes the connection at once."""
        body = request_body(prompt, self._settings)
        parser = LineParser(
            prompt.agent_id, model=self._name, ids=self._ids, mask=self._mask, live=prompt.live
        )
        answer = self._exchange.stream(self._url, self._headers, body, parser)
        async with opened(settled(answer)) as events:
            async for event in events:
                if isinstance(event, Failure):
                    raise self._advised(event.error)
                yield event

    def _advised(self, error: Exception) -> Exception:
        """The error, with what helps on a machine of one's own."""
        if not isinstance(error, ProviderError):
            return error
        if error.upstream_status == 404 and "not found" in error.detail:
            return Rejected(
                f"Ollama does not have {self._name} (404). Run `ollama pull {self._model}` where"
                " it runs.",
                detail=error.detail,
                upstream_status=404,
            )
        return error
