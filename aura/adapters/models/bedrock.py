"""Amazon Bedrock's ConverseStream, signed by us and spoken over our own transport."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from urllib.parse import quote

from aura.adapters.models._bedrock_events import EventParser
from aura.adapters.models._bedrock_messages import Settings, request_body
from aura.adapters.models._bedrock_signing import Signer
from aura.adapters.models.exchange import Exchange
from aura.adapters.models.transport import Transport
from aura.events import AnyEvent, Json
from aura.masking import in_url
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Prompt

BEDROCK = "https://bedrock-runtime.{region}.amazonaws.com"

HEADERS = {"Content-Type": "application/json", "Accept": "application/vnd.amazon.eventstream"}

SEEING = ("anthropic.claude-", "amazon.nova-")
"""Families that take images in the results of tools."""

REFUSED = {401, 403}
"""Statuses that may mean that the credentials are not valid any more."""


class BedrockModel:
    """A model of Amazon Bedrock, whatever its maker.

    `model` is the id or ARN of a model or an inference profile. Without `profile` the credentials
    are those of AWS's default chain, or the API key in `AWS_BEARER_TOKEN_BEDROCK`. `ids` makes the
    ids of tool calls that came without. Nothing is asked twice: that is the pipeline's decision.
    `tool_images` says whether the model is shown the images that tools give; if it is not said,
    only models that are known to take them are.
    """

    def __init__(
        self,
        *,
        model: str,
        region: str,
        transport: Transport,
        ids: Callable[[str], str],
        profile: str | None = None,
        base_url: str | None = None,
        name: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        tool_images: bool | None = None,
        additional_params: Mapping[str, Json] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._name = name or f"bedrock/{model}"
        self._transport = transport
        self._ids = ids
        self._now = now
        base = (base_url or BEDROCK.format(region=region)).rstrip("/")
        # A colon stays as it is: HTTP clients disagree on its quoted form, and what is sent must
        # be what was signed.
        self._url = f"{base}/model/{quote(model, safe=':')}/converse-stream"
        self._signer = Signer(
            model=self._name, region=region, profile=profile, hidden=in_url(self._url)
        )
        self._settings = Settings(
            temperature=temperature,
            max_tokens=max_tokens,
            tool_images=_sees(model) if tool_images is None else tool_images,
            additional_params=additional_params or {},
        )

    def __repr__(self) -> str:
        return f"BedrockModel(name={self._name!r})"

    @property
    def most_tools(self) -> int | None:
        """Unknown: it is up to the model."""
        return None

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self._name

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """Ask once; the events of the answer. Closing early closes the connection at once."""
        body = request_body(prompt, self._settings)
        proof = await self._signer.proof(self._url, HEADERS, body)
        exchange = Exchange(
            name=self._name, transport=self._transport, mask=proof.mask, now=self._now
        )
        parser = EventParser(
            prompt.agent_id, model=self._name, ids=self._ids, mask=proof.mask, live=prompt.live
        )
        answer = exchange.stream(self._url, proof.headers, body, parser)
        async with opened(settled(answer)) as events:
            async for event in events:
                if isinstance(event, Failure):
                    if getattr(event.error, "upstream_status", None) in REFUSED:
                        self._signer.forget()
                    raise event.error
                yield event


def _sees(model: str) -> bool:
    return any(family in model for family in SEEING) and "nova-micro" not in model
