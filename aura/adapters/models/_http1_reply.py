"""An answer over HTTP/1.1 (RFC 9112), while it arrives and is read."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Final, Protocol, cast

from aura.adapters.models.transport import TransportError

PIECE: Final = 1024 * 1024
"""Bytes that decompressing gives at a time: a read of compressed data can be a thousand times as
large."""

EMPTY: Final = frozenset({204, 304})
"""Answers that have no body, whatever their headers say."""

GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class Source(Protocol):
    """The connection that an answer comes from."""

    @property
    def status(self) -> int:
        """The status of the answer."""
        ...

    @property
    def lasting(self) -> bool:
        """Whether the server keeps the connection after the answer that has just ended."""
        ...

    async def news(self) -> None:
        """Wait until something has come. Raises `TransportError` when that takes too long."""
        ...

    def resume(self) -> None:
        """There is room again."""
        ...

    def abort(self) -> None:
        """Close the connection without a word."""
        ...


class Fields(Mapping[str, str]):
    """Headers by name in any case. Of one that comes several times, the values are joined."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def add(self, name: bytes, value: bytes) -> None:
        """One more, as it came off the network."""
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape")
        before = self._values.get(key)
        self._values[key] = text if before is None else f"{before}, {text}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Reply:
    """The answer to one request, while it arrives and is read. A parser calls its `on_` methods."""

    def __init__(self, link: Source) -> None:
        self._link: Source | None = link
        self._parts: list[bytes] = []
        self._lost: TransportError | None = None
        self.waiting = 0
        self.status = 0
        self.headers = Fields()
        self.headed = False
        self.complete = False
        self.reusable = False

    def on_message_begin(self) -> None:
        """An answer begins. There can be interim ones before it, but none after it."""
        if self.complete:
            message = "the server said more than it was asked"
            raise TransportError("read", message)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody needs."""
        if not self.headed:
            self.headers.add(name, value)

    def on_headers_complete(self) -> None:
        """The status is known, and unless it is an interim one, the headers are."""
        self.status = self._link.status if self._link is not None else 0
        if self.status >= 200:
            self.headed = True
        else:
            self.headers = Fields()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._parts.append(data)
        self.waiting += len(data)

    def on_message_complete(self) -> None:
        """It is all there, unless this was an interim answer."""
        if self.headed and self._link is not None:
            self.complete = True
            self.reusable = self._link.lasting

    @property
    def until_closed(self) -> bool:
        """Whether the end of the connection is the end of the body."""
        encoding = self.headers.get("transfer-encoding", "").lower()
        bounded = "content-length" in self.headers or encoding.endswith("chunked")
        return self.headed and not bounded and self.status not in EMPTY

    def part(self, error: TransportError | None = None) -> None:
        """The connection is lost, or goes on without this answer."""
        self._link = None
        if not self.complete:
            self._lost = error

    async def head(self) -> None:
        """Wait for status and headers. Raises `TransportError`."""
        while not self.headed:
            await self._news()

    async def batches(self) -> AsyncGenerator[bytes, None]:
        """The body: each time everything that has arrived."""
        try:
            inflate = _decompressor(self.headers.get("content-encoding", ""))
            while data := await self._read():
                if inflate is None:
                    yield data
                    continue
                for piece in inflate(data):
                    yield piece
        finally:
            self.close()

    async def _read(self) -> bytes:
        while not self._parts:
            if self.complete:
                return b""
            await self._news()
        parts, self._parts, self.waiting = self._parts, [], 0
        if self._link is not None:
            self._link.resume()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _news(self) -> None:
        if self._lost is not None:
            raise self._lost
        await cast("Source", self._link).news()

    def close(self) -> None:
        """Close the connection at once, unless the whole body has arrived."""
        if self._link is not None:
            self._link.abort()


def _decompressor(encoding: str) -> Callable[[bytes], Iterator[bytes]] | None:
    """What undoes a content encoding, although none was asked for. Raises `TransportError` for one
    that is not known."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _inflated(zlib.decompressobj(GZIP_OR_ZLIB))
        case other:
            raise TransportError("read", f"the answer is encoded as {other!r}")


def _inflated(state: zlib._Decompress) -> Callable[[bytes], Iterator[bytes]]:
    def inflate(data: bytes) -> Iterator[bytes]:
        try:
            while data:
                if piece := state.decompress(data, PIECE):
                    yield piece
                data = state.unconsumed_tail
        except zlib.error as error:
            raise TransportError("read", f"the answer cannot be decompressed: {error}") from None

    return inflate
