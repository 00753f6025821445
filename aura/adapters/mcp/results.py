"""What an MCP server answered, as text and images for a model. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

import msgspec
from mcp import MCPError
from mcp_types import (
    INVALID_PARAMS,
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from aura.adapters.mcp.images import images_of
from aura.masking import NOTHING_SECRET, Mask
from aura.pipeline.ports import Outcome

LONGEST_ERROR = 8192
LONGEST_RESOURCE = 100_000
"""Bytes of UTF-8 that an error, and the text of one resource, may take."""

LARGE = 256 * 1024
"""Characters."""

TEXTUAL = frozenset({"application/json", "application/xml", "application/yaml"})


def large(result: CallToolResult) -> bool:
    """Whether making an outcome of a result takes so long that others would have to wait."""
    texts = (block.text for block in result.content if isinstance(block, TextContent))
    return sum(map(len, texts)) > LARGE


def outcome(result: CallToolResult, mask: Mask = NOTHING_SECRET) -> Outcome:
    """The outcome of a call that the server answered; `mask` takes secrets out of its errors."""
    text = text_of(result)
    if result.is_error:
        return Outcome(f"Tool returned an error: {shortened(mask(text))}", failure="tool")
    return Outcome(text, images=images_of(result.content))


def refused(error: MCPError, mask: Mask = NOTHING_SECRET) -> Outcome:
    """The outcome of a call that the server, or the connection, refused."""
    return Outcome(
        f"ToolCallError: Tool execution failed: {shortened(mask(error.message))}",
        failure="arguments" if error.code == INVALID_PARAMS else "transport",
    )


def invalid(error: Exception, mask: Mask = NOTHING_SECRET) -> Outcome:
    """The outcome of a call whose result is not what the server itself promised."""
    detail = shortened(mask(str(error)))
    return Outcome(f"ToolCallError: the tool gave an invalid result: {detail}", failure="tool")


def lost(server: str, detail: str = "Connection closed") -> Outcome:
    """The outcome of a call whose connection went away."""
    return Outcome(
        f"ToolCallError: the connection to the MCP server {server!r} was lost during the call"
        f" ({shortened(detail)}). It is not known whether the call took effect.",
        failure="transport",
    )


def timed_out(tool: str, seconds: float) -> Outcome:
    """The outcome of a call that took too long."""
    return Outcome(
        f"ToolCallError: the tool {tool!r} did not answer within {seconds:g} seconds and was"
        " cancelled.",
        failure="timeout",
    )


def text_of(result: CallToolResult) -> str:
    """The content as text; structured content first, without the text that only repeats it."""
    content = list(result.content)
    if result.structured_content is None:
        return "\n".join(_text(block) for block in content)
    texts = [block.text for block in content if isinstance(block, TextContent)]
    if _repeats(texts, result.structured_content):
        content = [block for block in content if not isinstance(block, TextContent)]
    return "\n".join([_structured(result.structured_content), *map(_text, content)])


def _repeats(texts: list[str], structured: Mapping[str, object]) -> bool:
    """Whether the texts say what the structured content says: as one text or, of a list, as one
    text for each element. Servers send both for clients that know only texts."""
    wrapped = structured.get("result") if len(structured) == 1 else structured
    match texts, wrapped:
        case [text], str():
            return _says(text, wrapped) or _says(text, structured)
        case [text], _ if _says(text, structured):
            return True
        case _, list(elements) if len(texts) == len(elements) and len(texts) != 1:
            return all(map(_says, texts, elements))
        case [text], list([element]):
            return _says(text, element) or _says(text, wrapped)
        case [text], _:
            return _says(text, wrapped)
        case _:
            return False


def _says(text: str, value: object) -> bool:
    """Whether a text is a value, or JSON that stands for it. Large ones are compared as JSON in one
    spelling first, which is several times as fast as building what they stand for."""
    if text == value:
        return True
    beginning = text.lstrip()[:1]
    match value:
        case dict() | list() if beginning != ("{" if isinstance(value, dict) else "["):
            return False
        case str() if beginning != '"':
            return False
        case _:
            return _respelled(text) == _written(value) or _value(text) == value


def _respelled(text: str) -> bytes | None:
    try:
        return msgspec.json.format(text.encode(), indent=-1)
    except (ValueError, RecursionError):
        return None


def _written(value: object) -> bytes:
    """A value as JSON, in the order of its keys."""
    try:
        return msgspec.json.encode(value)
    except (ValueError, OverflowError, RecursionError):  # numbers of any size, halves of characters
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _value(text: str) -> object:
    """What a JSON text stands for; a text that is no JSON stands for itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _structured(value: Mapping[str, object]) -> str:
    """Pretty-printed JSON; a text that a server only wrapped to make it an object, unwrapped."""
    match value:
        case {"result": str(text)} if len(value) == 1:
            return text
        case _:
            written = msgspec.json.format(_written(value), indent=2)
            return written.decode("utf-8", "surrogatepass")


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return f"[Image: {block.mime_type} ({len(block.data)})]"
        case AudioContent():
            return f"[Audio: {block.mime_type} ({len(block.data)})]"
        case EmbeddedResource(resource=TextResourceContents(text=text)):
            return _resource(text)
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            return _blob(blob)
        case ResourceLink():
            return f"[Resource link: {block.name} ({block.uri})]"
        case _:
            return "[Unsupported content type]"


def _blob(blob: BlobResourceContents) -> str:
    media_type = (blob.mime_type or "unknown").partition(";")[0].strip().lower()
    if not media_type.startswith("text/") and media_type not in TEXTUAL:
        return f"[Binary resource: {blob.uri} (mime: {media_type})]"
    try:
        return _resource(base64.b64decode(blob.blob, validate=True).decode())
    except binascii.Error:
        return f"[Binary resource: {blob.uri} (invalid base64)]"
    except UnicodeDecodeError:
        return f"[Binary resource: {blob.uri} (not valid UTF-8)]"


def _resource(text: str) -> str:
    data = text.encode()
    if len(data) <= LONGEST_RESOURCE:
        return text
    head = data[:LONGEST_RESOURCE].decode(errors="ignore")
    return f"{head}\n[Resource truncated: {LONGEST_RESOURCE} of {len(data)} bytes shown]"


def shortened(text: str) -> str:
    """The text; of one that is too long the head and the tail, three to one, around a notice."""
    data = text.encode("utf-8", "replace")
    if len(data) <= LONGEST_ERROR:
        return text
    room = LONGEST_ERROR - len(_notice(len(data), len(data)).encode())
    head = data[: room * 3 // 4].decode(errors="ignore")
    tail = data[-(room // 4) :].decode(errors="ignore")
    left_out = len(data) - len(head.encode()) - len(tail.encode())
    return head + _notice(left_out, len(data)) + tail


def _notice(left_out: int, total: int) -> str:
    return f"\n[tool error truncated: {left_out} of {total} bytes omitted]\n"
