"""OpenAI's chat completions, as OpenAI and the many compatible servers speak them."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

import anyio

from aura.adapters.models._openai_chunks import ChunkParser
from aura.adapters.models._openai_errors import bounded, from_answer
from aura.adapters.models._openai_messages import Settings, request_body
from aura.adapters.models.transport import Answer, Transport, TransportError
from aura.errors import CutOff, ProviderError, TimedOut, Unavailable
from aura.events import AnyEvent, Json
from aura.masking import Mask, in_url
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.ports import Prompt

OPENAI = "https://api.openai.com/v1"

MOST_TOOLS = 128
"""Tools that OpenAI takes in one request."""

LINGER = 0.05
"""Seconds to wait for the end of the body after its end mark, so that the connection can be used
again; most servers send both at once."""

NOT_STREAMED = ("application/json", "text/html")
"""Content types of whole bodies: answers of servers that do not stream, and pages that say that
`base_url` names something else."""

MAX_COMPLAINT = 64 * 1024
"""Bytes read of an answer that is an error."""

COMPLAINT_TIMEOUT = 5.0
"""Seconds that reading it may take."""

MAX_BODY = 64 * 1024 * 1024
"""Bytes read of an answer that is not streamed."""


class OpenAIModel:
    """A model behind a server that speaks OpenAI's chat completions.

    `ids` makes the ids of tool calls that the server left without. Nothing is asked twice: that
    is the pipeline's decision. `tool_images` says whether the model is shown the images that tools
    give; if it is not said, only models of OpenAI itself are.
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
        now: Callable[[], float] = time.time,
    ) -> None:
        self._name = name or f"openai/{model}"
        self._transport = transport
        self._ids = ids
        self._now = now
        self._url, self._authorization = _address(base_url or OPENAI, api_key)
        sent = self._authorization.partition(" ")[2]
        self._mask = Mask((api_key, sent, *in_url(base_url or OPENAI)))
        host = urlsplit(self._url).hostname or ""
        official = host == "api.openai.com" or host.endswith(".api.openai.com")
        self._settings = Settings(
            model=model,
            official=official,
            tool_images=official if tool_images is None else tool_images,
            temperature=temperature,
            max_tokens=max_tokens,
            reasoning_effort=reasoning_effort,
            additional_params=additional_params or {},
        )

    def __repr__(self) -> str:
        key = "***" if self._authorization else ""
        url = self._url.partition("?")[0]
        return f"OpenAIModel(name={self._name!r}, url={url!r}, api_key={key!r})"

    @property
    def most_tools(self) -> int | None:
        """As many as OpenAI takes; what other services take is not known."""
        return MOST_TOOLS if self._settings.official else None

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self._name

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """Ask once; the events of the answer. Closing early closes the connection at once."""
        answer = await self._ask(request_body(prompt, self._settings))
        parser = ChunkParser(prompt.agent_id, model=self._name, ids=self._ids, mask=self._mask)
        try:
            if answer.headers.get("content-type", "").startswith(NOT_STREAMED):
                for event in await self._whole(answer, parser):
                    yield event
                return
            async with opened(settled(answer.batches())) as batches:
                async for batch in batches:
                    if isinstance(batch, Failure):
                        if parser.complete:  # the connection is lost, but nothing is missing
                            break
                        raise self._lost(batch.error)
                    for event in parser.feed(batch):
                        yield event
                    if parser.ended:
                        break
                for event in parser.finish():
                    yield event
                with anyio.move_on_after(LINGER):
                    await anext(batches, None)
        finally:
            answer.close()

    async def _ask(self, body: bytes) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "User-Agent": "aura",
        }
        if self._authorization:
            headers["Authorization"] = self._authorization
        try:
            answer = await self._transport.post(self._url, headers, body)
        except TransportError as error:
            raise self._unreached(error) from error
        if 200 <= answer.status < 300:
            return answer
        try:
            words = await _complaint(answer)
        finally:
            answer.close()
        raise from_answer(
            self._name,
            answer.status,
            answer.headers,
            words,
            mask=self._mask,
            now=self._now(),
        )

    async def _whole(self, answer: Answer, parser: ChunkParser) -> list[AnyEvent]:
        """The events of a server that does not stream, although it was asked to."""
        try:
            body = await _read(answer, MAX_BODY)
        except TransportError as error:
            raise self._lost(error) from error
        return parser.whole(body) + parser.finish()

    def _unreached(self, error: TransportError) -> ProviderError:
        """The error of a request that got no answer."""
        detail = bounded(str(error), self._mask)
        match error.kind:
            case "connect":
                return Unavailable(
                    f"The provider of {self._name} could not be reached. Check `base_url` and the"
                    " network.",
                    detail=detail,
                )
            case "read":
                return Unavailable(
                    f"The provider of {self._name} closed the connection without an answer. Try"
                    " again.",
                    detail=detail,
                )
            case "silence":
                return self._silent(detail)

    def _lost(self, error: Exception) -> Exception:
        """The error of an answer that was begun."""
        if not isinstance(error, TransportError):
            return error
        detail = bounded(str(error), self._mask)
        if error.kind == "silence":
            return self._silent(detail)
        return CutOff(
            f"The connection to the provider of {self._name} was lost within an answer. Try again.",
            detail=detail,
        )

    def _silent(self, detail: str) -> TimedOut:
        return TimedOut(
            f"The provider of {self._name} was silent for too long. Try again later.",
            detail=detail,
        )


async def _read(answer: Answer, limit: int) -> bytes:
    """The body, or its first `limit` bytes and a little more."""
    body = bytearray()
    async with opened(answer.batches()) as batches:
        async for batch in batches:
            body += batch
            if len(body) >= limit:
                break
    return bytes(body)


async def _complaint(answer: Answer) -> bytes:
    """What an answer that is an error says, as far as it can be read."""
    with anyio.move_on_after(COMPLAINT_TIMEOUT):
        try:
            return await _read(answer, MAX_COMPLAINT)
        except TransportError:
            pass
    return b""


def _address(base_url: str, api_key: str) -> tuple[str, str]:
    """The URL to post to, and the `Authorization` to send.

    Credentials in the URL are for whatever guards the server; they are taken out of it and win
    over the key.
    """
    parts = urlsplit(base_url)
    login, _, host = parts.netloc.rpartition("@")
    path = parts.path.rstrip("/") + "/chat/completions"
    url = urlunsplit((parts.scheme, host, path, parts.query, ""))
    if login:
        return url, f"Basic {base64.b64encode(unquote(login).encode()).decode()}"
    return url, f"Bearer {api_key}" if api_key else ""
