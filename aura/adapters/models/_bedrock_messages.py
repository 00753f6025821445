"""A prompt as the body of a ConverseStream request. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from aura.adapters.models.complaints import UNREADABLE
from aura.adapters.models.images import inline
from aura.events import Json, Thought, ToolCalled
from aura.pipeline.ports import Assistant, Message, Options, Prompt, ToolReply, ToolSpec, User

PROVIDER = "bedrock"
"""Whose thoughts are put back."""

LONGEST_ID = 64
"""Characters that the id of a call may have."""

OPENING = "(The beginning of the conversation is missing.)"
"""What a user is made to say when a conversation begins with an answer, which is refused."""

NAMES = {
    "maxTokens": {"maxTokens", "max_tokens"},
    "temperature": {"temperature"},
    "topP": {"topP", "top_p"},
    "stopSequences": {"stopSequences", "stop_sequences"},
}
"""How else the models call what all of them know; Bedrock refuses to be told both."""

FORMATS = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
"""Kinds of images that can be shown."""

Block = dict[str, object]

_FOREIGN = re.compile(r"[^a-zA-Z0-9_.:-]")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about a model.

    `additional_params` are the model's own fields and win over all else; with `tool_images` the
    model is shown the images that tools give.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    tool_images: bool = False
    additional_params: Mapping[str, Json] = {}


def request_body(prompt: Prompt, settings: Settings) -> bytes:
    """The JSON to post.

    Tools cannot be forbidden, only left out, and then no message may speak of calls: they are
    retold as text.
    """
    options = prompt.options
    choice = _choice(options.tool_choice)
    tools = () if choice == "none" else prompt.tools
    messages = prompt.messages if tools else [_retold(each, settings) for each in prompt.messages]
    optional: dict[str, object] = {
        "system": [{"text": prompt.system}] if prompt.system.strip() else None,
        "inferenceConfig": _inference(options, settings),
        "toolConfig": _tool_config(tools, choice) if tools else None,
        "outputConfig": _output_config(options.response_format),
        "additionalModelRequestFields": dict(settings.additional_params),
    }
    body: dict[str, object] = {"messages": _messages(messages, settings)}
    body.update({name: value for name, value in optional.items() if value})
    return _encode(body)


def _inference(options: Options, settings: Settings) -> Block:
    limits = [each for each in (options.max_tokens, settings.max_tokens) if each is not None]
    asked = options.temperature
    wanted: Block = {
        "maxTokens": min(limits, default=None),
        "temperature": settings.temperature if asked is None else asked,
        "topP": options.top_p,
        "stopSequences": options.stop or None,
    }
    given = settings.additional_params.keys()
    return {
        name: value
        for name, value in wanted.items()
        if value is not None and given.isdisjoint(NAMES[name])
    }


def _choice(wanted: msgspec.Raw | None) -> str | Block:
    """OpenAI's `tool_choice` as Bedrock's; `none`, which Bedrock does not know, stays that word."""
    value = None if wanted is None else _decode(wanted)
    match value:
        case "none":
            return "none"
        case "required":
            return {"any": {}}
        case {"function": {"name": str(name)}}:
            return {"tool": {"name": name}}
        case _:
            return {}


def _tool_config(tools: Sequence[ToolSpec], choice: str | Block) -> Block:
    config: Block = {"tools": list(map(_tool, tools))}
    if choice:
        config["toolChoice"] = choice
    return config


def _tool(tool: ToolSpec) -> Block:
    described: Block = {"description": tool.description} if tool.description else {}
    return {"toolSpec": {"name": tool.name, **described, "inputSchema": {"json": tool.parameters}}}


def _output_config(wanted: msgspec.Raw | None) -> Block | None:
    """The schema that the answer must keep to, if there is one; JSON without a schema cannot be
    asked for."""
    match None if wanted is None else _decode(wanted):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **more}}:
            texts = {name: more[name] for name in ("name", "description") if more.get(name)}
            asked = {"schema": _encode(schema).decode(), **texts}
            return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": asked}}}
        case _:
            return None


def _retold(message: Message, settings: Settings) -> Message:
    """The message without calls and results. Thoughts only go with calls."""
    match message:
        case Assistant(text=text, calls=calls) if calls:
            told = [f"[called {call.tool_name} with {call.arguments}]" for call in calls]
            return Assistant("\n".join([text, *told] if text else told))
        case ToolReply(text=text, images=images):
            shown = images if settings.tool_images else ()
            return User(f"[{message.tool_name} answered]\n{text}", shown)
        case _:
            return message


def _messages(messages: Sequence[Message], settings: Settings) -> list[Block]:
    """The conversation: users and assistants by turns, a user first, nothing empty."""
    merged: list[Block] = []
    role, content = "", list[Block | msgspec.Raw]()
    for message in messages:
        blocks = _blocks(message, settings)
        if not blocks:
            continue
        speaker = "assistant" if isinstance(message, Assistant) else "user"
        if speaker != role:
            role, content = speaker, []
            merged.append({"role": role, "content": content})
        content += blocks
    if merged and merged[0]["role"] == "assistant":
        merged.insert(0, {"role": "user", "content": [{"text": OPENING}]})
    return merged


def _blocks(message: Message, settings: Settings) -> list[Block | msgspec.Raw]:
    match message:
        case User(text=text, images=images):
            return [*_text(text), *map(_image, images)]
        case Assistant(text=text, calls=calls, thoughts=thoughts):
            said = [*_text(text), *map(_call, calls)]
            return [*_own(thoughts), *said] if said else []
        case ToolReply(text=text, images=images):
            shown = map(_image, images) if settings.tool_images else ()
            result = {"toolUseId": _id(message.tool_id), "content": [{"text": text}, *shown]}
            return [{"toolResult": result}]


def _text(text: str) -> Iterator[Block]:
    """A block with the text; one without visible characters is refused."""
    if text.strip():
        yield {"text": text}


def _own(thoughts: Iterable[Thought]) -> Iterator[msgspec.Raw]:
    """The thoughts of this provider, which must be as they came."""
    for thought in thoughts:
        if thought.provider == PROVIDER:
            yield msgspec.Raw(thought.block.encode())


def _call(call: ToolCalled) -> Block:
    use = {"toolUseId": _id(call.tool_id), "name": call.tool_name, "input": _input(call.arguments)}
    return {"toolUse": use}


def _input(arguments: str) -> msgspec.Raw | Block:
    """The arguments as the object that is demanded; what is none is shown in one."""
    try:
        _decode_object(arguments)
    except UNREADABLE:
        return {"arguments": arguments} if arguments.strip() else {}
    return msgspec.Raw(arguments.encode())


def _id(tool_id: str) -> str:
    """The id in the characters that are accepted; other providers' may have others."""
    return _FOREIGN.sub("_", tool_id)[-LONGEST_ID:] or "_"


def _image(url: str) -> Block:
    """The image, which must be part of the request, or a text that says that it is not there."""
    image = inline(url)
    if image and (form := FORMATS.get(image.media_type)):
        return {"image": {"format": form, "source": {"bytes": image.data}}}
    if url[:5].lower() == "data:":
        return {"text": "[An image is left out: only PNG, JPEG, GIF and WebP can be shown.]"}
    return {"text": f"[The image at {url} is left out: it is not part of the request.]"}
