"""One request to a provider over HTTP and the stream that answers it, whatever the dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import anyio

from aura.adapters.models.complaints import bounded, from_answer
from aura.adapters.models.transport import Answer, Transport, TransportError
from aura.errors import CutOff, ProviderError, TimedOut, Unavailable
from aura.events import AnyEvent
from aura.masking import Mask
from aura.pipeline.compose import Failure, opened, settled

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


class Parser(Protocol):
    """Reads one answer: `feed` until `ended` or there is no more, then `finish` once. Pure.

    Nothing that was read before a failure is lost: `feed` gives it, and `finish` raises.
    """

    @property
    def ended(self) -> bool:
        """Whether nothing that follows matters: the end was marked, or the answer failed."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the provider has said that the answer is over; its usage may still follow."""
        ...

    def feed(self, data: bytes) -> list[AnyEvent]:
        """The events in what one network read gave."""
        ...

    def whole(self, body: bytes) -> list[AnyEvent]:
        """The events in an answer that was not streamed."""
        ...

    def finish(self) -> list[AnyEvent]:
        """The last events, `Stopped` at the end; raises `ProviderError` when there is no end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How to reach one model: `name` is for messages, `mask` takes the secrets out of them, `now`
    is seconds since the epoch. Nothing is asked twice: that is the pipeline's decision."""

    name: str
    transport: Transport
    mask: Mask
    now: Callable[[], float]

    async def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, parser: Parser
    ) -> AsyncGenerator[AnyEvent, None]:
        """Post the body; what the parser reads in the answer. Closing early closes the connection
        at once. Raises `ProviderError`."""
        answer = await self._ask(url, headers, body)
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

    async def _ask(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            answer = await self.transport.post(url, {**headers, "User-Agent": "aura"}, body)
        except TransportError as error:
            raise self._unreached(error) from error
        if 200 <= answer.status < 300:
            return answer
        try:
            words = await _complaint(answer)
        finally:
            answer.close()
        raise from_answer(
            self.name, answer.status, answer.headers, words, mask=self.mask, now=self.now()
        )

    async def _whole(self, answer: Answer, parser: Parser) -> list[AnyEvent]:
        """The events of a server that does not stream, although it was asked to."""
        try:
            body = await _read(answer, MAX_BODY)
        except TransportError as error:
            raise self._lost(error) from error
        return parser.whole(body) + parser.finish()

    def _unreached(self, error: TransportError) -> ProviderError:
        """The error of a request that got no answer."""
        detail = bounded(str(error), self.mask)
        match error.kind:
            case "connect":
                return Unavailable(
                    f"The provider of {self.name} could not be reached. Check `base_url` and the"
                    " network.",
                    detail=detail,
                )
            case "read":
                return Unavailable(
                    f"The provider of {self.name} closed the connection without an answer. Try"
                    " again.",
                    detail=detail,
                )
            case "silence":
                return self._silent(detail)

    def _lost(self, error: Exception) -> Exception:
        """The error of an answer that was begun."""
        if not isinstance(error, TransportError):
            return error
        detail = bounded(str(error), self.mask)
        if error.kind == "silence":
            return self._silent(detail)
        return CutOff(
            f"The connection to the provider of {self.name} was lost within an answer. Try again.",
            detail=detail,
        )

    def _silent(self, detail: str) -> TimedOut:
        return TimedOut(
            f"The provider of {self.name} was silent for too long. Try again later.",
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
