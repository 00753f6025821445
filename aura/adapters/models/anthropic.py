"""Anthropic's messages API, as Anthropic and the servers compatible with it speak it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping

import structlog

from aura.adapters.models._anthropic_events import MessageParser
from aura.adapters.models._anthropic_messages import Settings, left_out, request_body
from aura.adapters.models.address import located
from aura.adapters.models.exchange import Exchange
from aura.adapters.models.transport import Transport
from aura.events import AnyEvent, Json
from aura.masking import Mask, in_url
from aura.pipeline.compose import opened
from aura.pipeline.ports import Log, Options, Prompt

ANTHROPIC = "https://api.anthropic.com"

VERSION = "2023-06-01"
"""The version of the API: the one that compatible servers know, and that takes a temperature."""


class AnthropicModel:
    """A model behind a server that speaks Anthropic's messages API.

    `ids` makes the ids of tool calls that the server left without. No failed request is repeated:
    that is the pipeline's decision. An answer that the provider pauses is one answer here, however
    many requests it takes.
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
        log: Log | None = None,
    ) -> None:
        self._name = name or f"anthropic/{model}"
        self._ids = ids
        self._log: Log = log or structlog.get_logger()
        self._url, authorization = located(base_url or ANTHROPIC, "/v1/messages", version="/v1")
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "anthropic-version": VERSION,
        }
        if api_key:
            self._headers["x-api-key"] = api_key
        if authorization:
            self._headers["Authorization"] = authorization
        sent = authorization.partition(" ")[2]
        self._mask = Mask((api_key, sent, *in_url(base_url or ANTHROPIC)))
        self._exchange = Exchange(name=self._name, transport=transport, mask=self._mask, now=now)
        self._settings = Settings(
            model=model,
            temperature=temperature,
            max_tokens=max_tokens,
            additional_params=additional_params or {},
        )
        self._told = False

    def __repr__(self) -> str:
        key = "***" if "x-api-key" in self._headers else ""
        url = self._url.partition("?")[0]
        return f"AnthropicModel(name={self._name!r}, url={url!r}, api_key={key!r})"

    @property
    def most_tools(self) -> int | None:
        """No limit is known."""
        return None

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self._name

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """Ask, and again after each pause; the events of the answer. Closing early closes the
        connection at once."""
        self._tell(prompt.options)
        parser = MessageParser(
            prompt.agent_id, model=self._name, ids=self._ids, mask=self._mask, live=prompt.live
        )
        while True:
            body = request_body(prompt, self._settings, parser.said)
            answer = self._exchange.stream(self._url, self._headers, body, parser)
            async with opened(answer) as events:
                async for event in events:
                    yield event
            if not parser.paused:
                return
            parser.resume()

    def _tell(self, options: Options) -> None:
        """Say once what this model is not sent, so that nobody wonders why it has no effect."""
        if self._told:
            return
        if names := left_out(options, self._settings):
            self._told = True
            self._log.warning(
                "parameters left out: the model, or its thinking, does not take them",
                model=self._name,
                parameters=names,
            )
