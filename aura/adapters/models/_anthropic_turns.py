"""A conversation as turns of content blocks, the way Anthropic's API wants it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from aura.adapters.models.complaints import UNREADABLE
from aura.adapters.models.images import inline
from aura.errors import Rejected
from aura.events import ToolCalled
from aura.pipeline.ports import Assistant, Message, ToolReply, User

PROVIDER = "anthropic"
"""Whose thoughts are understood here."""

CACHED = {"cache_control": {"type": "ephemeral"}}
"""On a block: what comes before it, and the block, can be cached."""

BLANK = "(no text)"
"""In place of a message that the API wants to be there, but not empty."""

MEDIA_TYPES = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
"""The images that are taken, and what they are to be called."""

PLACE = "place"
"""The member of a kept thought that says where it was, if it was not the first; it is not sent."""

Block: TypeAlias = dict[str, object] | msgspec.Raw
_Role: TypeAlias = Literal["user", "assistant"]

_unusual = re.compile(r"[^a-zA-Z0-9_-]")
_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Place(msgspec.Struct, frozen=True):
    """What came before a thought in its answer: so many characters of text, and calls."""

    text: int = 0
    calls: int = 0


_decode_place = msgspec.json.Decoder(Place).decode


class Turn(msgspec.Struct):
    """What one side said, up to where the other one speaks; the encoded form is the API's."""

    role: _Role
    content: list[Block]


def turns(messages: Sequence[Message], *, thoughts: bool = True) -> list[Turn]:
    """The conversation, by turns and beginning with the user. `thoughts` are put back if wanted.

    Raises `Rejected` when a user shows what the API cannot see.
    """
    found: list[Turn] = []
    for message in messages:
        role, content = _said(message, thoughts=thoughts)
        add(found, role, content)
    if not found or found[0].role != "user":
        found.insert(0, Turn("user", [_text(BLANK)]))
    return found


def add(found: list[Turn], role: _Role, content: Iterable[Block]) -> None:
    """Let one side say something more."""
    said = list(content)
    if found and found[-1].role == role:
        found[-1].content += said
    elif said:
        found.append(Turn(role, said))


def kept(thought: msgspec.Raw, place: Place) -> str:
    """A block as the JSON of a `Thought`."""
    if place == Place():
        return bytes(thought).decode()
    fields = _decode_object(thought)
    return _encode({**fields, PLACE: place}).decode()


def mark(found: Sequence[Turn]) -> None:
    """Mark the end of the conversation for the cache, and the end of what was asked before: with
    many calls between the two, the cache is not found from the new end."""
    for turn in [turn for turn in found if turn.role == "user"][-2:]:
        last = turn.content[-1]
        if isinstance(last, dict):
            last.update(CACHED)


def _said(message: Message, *, thoughts: bool) -> tuple[_Role, list[Block]]:
    match message:
        case User():
            seen: list[Block] = [_shown(url) for url in message.images]
            return "user", [*seen, *_texts(message.text)]
        case Assistant():
            ours = [each.block for each in message.thoughts if each.provider == PROVIDER]
            return "assistant", _answer(message, ours if thoughts else [])
        case ToolReply():
            return "user", [_result(message)]


def _answer(message: Assistant, thoughts: Iterable[str]) -> list[Block]:
    """The answer with each thought where it was: those that were moved are refused."""
    found: list[Block] = []
    text = calls = 0
    for thought in thoughts:
        fields = _decode_object(thought)
        place = _decode_place(fields.pop(PLACE, b"{}"))
        found += _texts(message.text[text : place.text])
        found += map(_call, message.calls[calls : place.calls])
        text, calls = max(text, place.text), max(calls, place.calls)
        found.append(dict(fields))
    return [*found, *_texts(message.text[text:]), *map(_call, message.calls[calls:])]


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _texts(text: str) -> list[dict[str, object]]:
    """The text as a block, unless there is nothing to see: such blocks are refused."""
    return [_text(text)] if text.strip() else []


def _call(call: ToolCalled) -> dict[str, object]:
    return {
        "type": "tool_use",
        "id": _id(call.tool_id),
        "name": call.tool_name,
        "input": _input(call.arguments),
    }


def _input(arguments: str) -> object:
    """The arguments as the object that they have to be, even if the model wrote something else."""
    encoded = arguments.encode()
    try:
        _decode_object(encoded)
    except UNREADABLE:
        return {"arguments": arguments} if arguments.strip() else {}
    return msgspec.Raw(encoded)


def _result(reply: ToolReply) -> dict[str, object]:
    """What a tool gave. Images of other types than the API takes are left out: the text says that
    they were there."""
    images = [image for image in map(_image, reply.images) if image is not None]
    block: dict[str, object] = {"type": "tool_result", "tool_use_id": _id(reply.tool_id)}
    if images:
        block["content"] = [*_texts(reply.text), *images]
    elif reply.text.strip():
        block["content"] = reply.text
    return block


def _id(tool_id: str) -> str:
    """The id of a call, which may come from another provider, in the letters that are taken."""
    return _unusual.sub("_", tool_id)


def _shown(url: str) -> dict[str, object]:
    image = _image(url)
    if image is None:
        kind = url.partition(",")[0][:40] if url.startswith("data:") else url.partition(":")[0][:40]
        raise Rejected(
            f"Anthropic's API takes PNG, JPEG, GIF and WebP images, inline or by an HTTP URL, but"
            f" no {kind!r}. Send the image as one of these.",
        )
    return image


def _image(url: str) -> dict[str, object] | None:
    """The image of a `data:` or HTTP URL, if it can be shown."""
    if url.startswith(("http://", "https://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    image = inline(url)
    media_type = image and MEDIA_TYPES.get(image.media_type)
    if image is None or media_type is None:
        return None
    source = {"type": "base64", "media_type": media_type, "data": image.data}
    return {"type": "image", "source": source}
