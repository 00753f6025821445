"""The images in what an MCP server answered, as models take them. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence

from mcp_types import BlobResourceContents, ContentBlock, EmbeddedResource, ImageContent

MOST_IMAGES = 8
LONGEST_IMAGE = 8 * 1024 * 1024
"""Images of one result that are passed on, and bytes of base64 in one of them."""


def images_of(content: Sequence[ContentBlock]) -> tuple[str, ...]:
    """The images as `data:` URLs, in their order.

    What kind an image is says its data, whatever the server calls it; what is no image of a kind
    that models take, or is too much, is left out: the text has a note of it all the same.
    """
    found = (_url(data) for data in _base64(content))
    return tuple(url for url in found if url is not None)[:MOST_IMAGES]


def _base64(content: Sequence[ContentBlock]) -> Iterator[str]:
    for block in content:
        match block:
            case ImageContent():
                yield block.data
            case EmbeddedResource(resource=BlobResourceContents(mime_type=str(kind)) as blob) if (
                kind.lower().startswith("image/")
            ):
                yield blob.blob


def _url(data: str) -> str | None:
    if len(data) > LONGEST_IMAGE:
        return None
    try:
        start = base64.b64decode(data, validate=True)[:16]
    except binascii.Error:
        return None
    kind = _kind(start)
    return None if kind is None else f"data:{kind};base64,{data}"


def _kind(start: bytes) -> str | None:
    """The media type that the first bytes of a file tell."""
    match start:
        case _ if start.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        case _ if start.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        case _ if start.startswith((b"GIF87a", b"GIF89a")):
            return "image/gif"
        case _ if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
            return "image/webp"
        case _:
            return None
