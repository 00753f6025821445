"""The way to a provider: one POST, and its answer as it comes off the network. No SDK here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection must stand, TLS included."""

IDLE_TIMEOUT = 300.0
"""Seconds without a byte, before the answer or within it. Reasoning can be silent for minutes;
the deadline for the first event is the pipeline's and much shorter."""

KEEP_ALIVE = 60.0
"""Seconds that an idle connection is kept: a round of tools should not cost a TLS handshake."""


class TransportError(Exception):
    """Raised by a transport when bytes could not be exchanged; the model adapter translates it.

    `connect`: the server could not be reached; `read`: the connection was lost; `silence`: it
    stands, but nothing came for too long. The text may name hosts and belongs in the log.
    """

    def __init__(self, kind: Literal["connect", "read", "silence"], text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Answer(Protocol):
    """An HTTP answer whose body has not been read yet."""

    @property
    def status(self) -> int:
        """The status code; a redirect is an answer like any other."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are found in any case."""
        ...

    def batches(self) -> AsyncIterator[bytes]:
        """The body, decompressed, one item per network read. To be read once and closed."""
        ...

    def close(self) -> None:
        """Give the connection up at once, unless the body was read to its end."""
        ...


class Transport(Protocol):
    """Something that can post, shared by every model of the process."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer, as soon as its headers are there. Raises `TransportError`."""
        ...
