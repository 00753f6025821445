"""Images that are part of a request, as `data:` URLs (RFC 2397) have them. Pure."""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes


class Inline(NamedTuple):
    """An image with its media type, in lower case, and its bytes as base64."""

    media_type: str
    data: str


def inline(url: str) -> Inline | None:
    """The image in a `data:` URL; nothing if it is none."""
    head, comma, data = url.partition(",")
    if not comma or head[:5].lower() != "data:":
        return None
    media_type, *parameters = head[5:].lower().split(";")
    if "base64" not in parameters:
        return Inline(media_type, base64.b64encode(unquote_to_bytes(data)).decode())
    return Inline(media_type, unquote(data))
