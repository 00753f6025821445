"""OpenAI's chat completions, as OpenAI and the many compatible servers speak them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from urllib.parse import urlsplit

import structlog

from aura.adapters.models._openai_chunks import ChunkParser
from aura.adapters.models._openai_messages import Settings, request
from aura.adapters.models._openai_reasoning import Keeps
from aura.adapters.models.address import located
from aura.adapters.models.exchange import Exchange
from aura.adapters.models.transport import Transport
from aura.events import AnyEvent, Json
from aura.masking import Mask, in_url
from aura.pipeline.ports import Log, Prompt

OPENAI = "https://api.openai.com/v1"

AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
"""Where the models of OpenAI are, too."""

MISTRAL = "api.mistral.ai"

THINKERS = {"api.deepseek.com", "api.moonshot.ai", "api.moonshot.cn"}
"""Services that want back what was thought before a call."""

MOST_TOOLS = 128
"""Tools that OpenAI takes in one request."""


class OpenAIModel:
    """A model behind a server that speaks OpenAI's chat completions.

    `ids` makes the ids of tool calls that the server left without. Nothing is asked twice: that
    is the pipeline's decision. `tool_images` says whether the model is shown the images that tools
    give; if it is not said, only models of OpenAI itself are. Credentials in the URL win over the
    key. `keeps` is what is put back of what the model thought.
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
        reasoning_effort: str | None = None,
        tool_images: bool | None = None,
        additional_params: Mapping[str, Json] | None = None,
        keeps: Keeps = "nothing",
        now: Callable[[], float] = time.time,
        log: Log | None = None,
    ) -> None:
        self._name = name or f"openai/{model}"
        self._ids = ids
        self._log: Log = log or structlog.get_logger()
        self._url, login = located(base_url or OPENAI, "/chat/completions")
        authorization = login or (f"Bearer {api_key}" if api_key else "")
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if authorization:
            self._headers["Authorization"] = authorization
        sent = authorization.partition(" ")[2]
        self._mask = Mask((api_key, sent, *in_url(base_url or OPENAI)))
        self._exchange = Exchange(name=self._name, transport=transport, mask=self._mask, now=now)
        host = urlsplit(self._url).hostname or ""
        official = host == "api.openai.com" or host.endswith(".api.openai.com")
        self._settings = Settings(
            model=model,
            official=official,
            azure=host.endswith(AZURE),
            mistral=host == MISTRAL,
            tool_images=official if tool_images is None else tool_images,
            temperature=temperature,
            max_tokens=max_tokens,
            reasoning_effort=reasoning_effort,
            additional_params=additional_params or {},
            keeps="text" if host in THINKERS else keeps,
        )
        self._told = False

    def __repr__(self) -> str:
        key = "***" if "Authorization" in self._headers else ""
        url = self._url.partition("?")[0]
        return f"{type(self).__name__}(name={self._name!r}, url={url!r}, api_key={key!r})"

    @property
    def most_tools(self) -> int | None:
        """As many as OpenAI takes; what other services take is not known."""
        return MOST_TOOLS if self._settings.official else None

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self._name

    def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """Ask once; the events of the answer. Closing early closes the connection at once."""
        body, left_out = request(prompt, self._settings)
        self._tell(left_out)
        parser = ChunkParser(
            prompt.agent_id,
            model=self._name,
            ids=self._ids,
            mask=self._mask,
            live=prompt.live,
            keeps=self._settings.keeps,
        )
        return self._exchange.stream(self._url, self._headers, body, parser)

    def _tell(self, names: Sequence[str]) -> None:
        """Say once what this model is not sent, so that nobody wonders why it has no effect."""
        if names and not self._told:
            self._told = True
            self._log.warning(
                "parameters left out or replaced: the model does not take them as they are",
                model=self._name,
                parameters=names,
            )
