"""A prompt as the body of a request for Ollama's chat API. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from aura.adapters.models.complaints import UNREADABLE
from aura.adapters.models.images import inline
from aura.events import Json, ToolCalled
from aura.pipeline.ports import Assistant, Message, Options, Prompt, ToolReply, ToolSpec, User

TOP_LEVEL = frozenset(
    {"format", "keep_alive", "logprobs", "shift", "think", "top_logprobs", "truncate"}
)
"""Parameters of the request itself; all others are options of the model."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_Object = dict[str, object]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about a model; `additional_params` wins over all else."""

    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    additional_params: Mapping[str, Json] = {}


def request_body(prompt: Prompt, settings: Settings) -> bytes:
    """The JSON to post. Tools cannot be forbidden, only left out."""
    given = settings.additional_params
    options = _options(prompt.options, settings)
    options |= {name: value for name, value in given.items() if name not in TOP_LEVEL}
    if isinstance(nested := options.pop("options", None), dict):
        options |= nested
    optional: _Object = {
        "tools": list(map(_tool, prompt.callable_tools)),
        "format": _form(prompt.options.response_format),
        "options": options,
    }
    body: _Object = {
        "model": settings.model,
        "messages": [*_system(prompt.system), *_messages(prompt.messages)],
        "stream": True,
    }
    body.update({name: value for name, value in optional.items() if value})
    body.update({name: value for name, value in given.items() if name in TOP_LEVEL})
    return _encode(body)


def _options(options: Options, settings: Settings) -> _Object:
    limits = [each for each in (options.max_tokens, settings.max_tokens) if each is not None]
    asked = options.temperature
    wanted: _Object = {
        "temperature": settings.temperature if asked is None else asked,
        "top_p": options.top_p,
        "seed": options.seed,
        "stop": options.stop or None,
        "num_predict": min(limits, default=None),
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _form(wanted: msgspec.Raw | None) -> object:
    """The form that the answer has to have: any JSON, or that of a schema."""
    match None if wanted is None else _decode(wanted):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case {"type": "json_schema" | "json_object"}:
            return "json"
        case _:
            return None


def _tool(tool: ToolSpec) -> _Object:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def _system(text: str) -> list[_Object]:
    return [{"role": "system", "content": text}] if text else []


def _messages(messages: Sequence[Message]) -> Iterator[_Object]:
    for message in messages:
        match message:
            case User(text=text, images=images):
                yield _shown({"role": "user"}, text, images)
            case Assistant(text=text, calls=calls):
                said: _Object = {"role": "assistant", "content": text}
                yield {**said, "tool_calls": list(map(_call, calls))} if calls else said
            case ToolReply(text=text, images=images):
                head: _Object = {
                    "role": "tool",
                    "tool_name": message.tool_name,
                    "tool_call_id": message.tool_id,
                }
                yield _shown(head, text, images)


def _shown(head: _Object, text: str, urls: Iterable[str]) -> _Object:
    """The message with its images, which have to be part of the request; of others the text says
    that they are not there."""
    images = [(url, inline(url)) for url in urls]
    missing = [f"[The image at {url} is left out.]" for url, image in images if image is None]
    found = [image.data for _, image in images if image is not None]
    content = "\n".join([*([text] if text else []), *missing])
    return {**head, "content": content, **({"images": found} if found else {})}


def _call(call: ToolCalled) -> _Object:
    function = {"name": call.tool_name, "arguments": _arguments(call.arguments)}
    return {"id": call.tool_id, "function": function}


def _arguments(text: str) -> msgspec.Raw | _Object:
    """The arguments as the object that is demanded; what is none is shown in one."""
    try:
        _decode_object(text)
    except UNREADABLE:
        return {"arguments": text} if text.strip() else {}
    return msgspec.Raw(text.encode())
