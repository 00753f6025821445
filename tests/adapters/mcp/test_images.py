"""Images that tools give, and what only claims to be one."""

from __future__ import annotations

import base64

import pytest
from mcp_types import (
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
)

from aura.adapters.mcp.images import LONGEST_IMAGE, MOST_IMAGES, images_of
from aura.adapters.mcp.results import outcome

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8
JPEG = b"\xff\xd8\xff\xe0" + b"0" * 8
WEBP = b"RIFF0000WEBPVP8 "


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def image(data: bytes, mime_type: str = "image/png") -> ImageContent:
    return ImageContent(type="image", data=encoded(data), mime_type=mime_type)


def blob(data: bytes, mime_type: str | None) -> EmbeddedResource:
    contents = BlobResourceContents(uri="x://y", mime_type=mime_type, blob=encoded(data))
    return EmbeddedResource(type="resource", resource=contents)


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (image(PNG), "image/png"),
        (image(JPEG, "image/jpeg"), "image/jpeg"),
        (image(b"GIF89a" + b"0" * 8, "image/gif"), "image/gif"),
        (image(WEBP, "image/webp"), "image/webp"),
        (image(JPEG, "image/png"), "image/jpeg"),
        (image(PNG, "text/html"), "image/png"),
        (blob(PNG, "image/png"), "image/png"),
    ],
)
def test_the_data_says_what_kind_an_image_is(block: ContentBlock, kind: str) -> None:
    [url] = images_of([block])
    assert url.startswith(f"data:{kind};base64,")


@pytest.mark.parametrize(
    "block",
    [
        image(b"<script>alert(1)</script>"),
        image(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        image(b""),
        ImageContent(type="image", data="no base64!", mime_type="image/png"),
        ImageContent(
            type="image", data=encoded(PNG) * (LONGEST_IMAGE // 16), mime_type="image/png"
        ),
        blob(PNG, None),
        blob(PNG, "application/octet-stream"),
        TextContent(type="text", text=encoded(PNG)),
    ],
    ids=["html", "svg", "empty", "no base64", "too long", "untyped", "binary", "text"],
)
def test_what_is_no_image_that_models_take_is_left_out(block: ContentBlock) -> None:
    assert images_of([block]) == ()


def test_only_so_many_images_are_passed_on() -> None:
    assert len(images_of([image(PNG)] * (MOST_IMAGES + 1))) == MOST_IMAGES


def test_an_outcome_has_both_a_note_and_the_image() -> None:
    given = outcome(CallToolResult(content=[TextContent(type="text", text="See:"), image(PNG)]))
    assert given.text == f"See:\n[Image: image/png ({len(encoded(PNG))})]"
    assert given.images == (f"data:image/png;base64,{encoded(PNG)}",)
    failed = outcome(CallToolResult(content=[image(PNG)], is_error=True))
    assert (failed.failure, failed.images) == ("tool", ())
