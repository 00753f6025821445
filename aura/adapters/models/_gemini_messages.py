"""A prompt as the body of a request for Gemini's generateContent. Pure."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from aura.adapters.models._gemini_schema import Schema, fitted
from aura.adapters.models.complaints import UNREADABLE
from aura.adapters.models.images import inline
from aura.events import Json, Thought, ToolCalled
from aura.pipeline.ports import Assistant, Message, Options, Prompt, ToolReply, ToolSpec, User

PROVIDER = "gemini"
"""Whose thoughts are put back."""

OPENING = "(The beginning of the conversation is missing.)"
"""What a user is made to say when a conversation begins with an answer: calls have to follow a
question."""

UNSIGNED = "skip_thought_signature_validator"
"""What the API wants as the signature of a call that another model made, or a client gave back."""

SIGNING = re.compile(r"gemini-(?:[3-9]|\d\d|.*latest)")
"""Models that refuse calls without a signature, and can answer in a form while they have tools."""

SEEN = {"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}
"""Kinds of images that are taken."""

GENERATION = {
    "candidateCount",
    "enableEnhancedCivicAnswers",
    "frequencyPenalty",
    "imageConfig",
    "logprobs",
    "maxOutputTokens",
    "mediaResolution",
    "presencePenalty",
    "responseJsonSchema",
    "responseLogprobs",
    "responseMimeType",
    "responseModalities",
    "responseSchema",
    "seed",
    "speechConfig",
    "stopSequences",
    "temperature",
    "thinkingConfig",
    "topK",
    "topP",
}
"""Parameters that belong into `generationConfig`."""

_UNDERSCORE = re.compile(r"_([a-z])")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_Part = dict[str, object]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about a model; `additional_params` wins over all else."""

    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    additional_params: Mapping[str, Json] = {}

    @property
    def signs(self) -> bool:
        """Whether the model refuses calls that are not signed."""
        return SIGNING.search(self.model) is not None


def request_body(prompt: Prompt, settings: Settings) -> bytes:
    """The JSON to post."""
    own, others = _additional(settings.additional_params)
    tools = _tools(prompt, settings)
    optional: dict[str, object] = {
        "systemInstruction": {"parts": [{"text": prompt.system}]}
        if prompt.system.strip()
        else None,
        "tools": [{"functionDeclarations": list(map(_tool, tools))}] if tools else None,
        "toolConfig": _tool_config(prompt.options, tools),
        "generationConfig": _generation(prompt.options, settings, plain=not tools) | own,
    }
    body: dict[str, object] = {"contents": _contents(prompt.messages, settings)}
    body.update({name: value for name, value in optional.items() if value})
    body.update(others)
    return _encode(body)


def _additional(given: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """What the operator adds to `generationConfig`, wherever it is written, and to the body."""
    own: dict[str, Json] = {}
    others: dict[str, Json] = {}
    for name, value in given.items():
        camel = _camel(name)
        if camel == "generationConfig" and isinstance(value, dict):
            own |= {_camel(key): each for key, each in value.items()}
        elif camel in GENERATION:
            own.setdefault(camel, value)
        else:
            others[camel] = value
    return own, others


def _camel(name: str) -> str:
    return _UNDERSCORE.sub(lambda found: found[1].upper(), name)


def _generation(options: Options, settings: Settings, *, plain: bool) -> dict[str, object]:
    limits = [each for each in (options.max_tokens, settings.max_tokens) if each is not None]
    asked = options.temperature
    wanted: dict[str, object] = {
        "temperature": settings.temperature if asked is None else asked,
        "topP": options.top_p,
        "seed": options.seed,
        "maxOutputTokens": min(limits, default=None),
        "stopSequences": options.stop or None,
        **(_form(options.response_format) if plain or settings.signs else {}),
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _form(wanted: msgspec.Raw | None) -> dict[str, object]:
    """The form that the answer has to have."""
    match None if wanted is None else _decode(wanted):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"responseMimeType": "application/json", "responseSchema": fitted(schema)}
        case {"type": "json_schema" | "json_object"}:
            return {"responseMimeType": "application/json"}
        case _:
            return {}


def _tools(prompt: Prompt, settings: Settings) -> tuple[ToolSpec, ...]:
    """The tools to show. Older models refuse a form for the answer beside tools, so those that may
    not be called make room for it."""
    formed = prompt.options.response_format is not None and not settings.signs
    return prompt.callable_tools if formed else prompt.tools


def _tool(tool: ToolSpec) -> dict[str, object]:
    declared: dict[str, object] = {"name": tool.name, "description": tool.description or tool.name}
    if (parameters := _as_object(fitted(_decode(tool.parameters)))) is not None:
        declared["parameters"] = parameters
    return declared


def _as_object(schema: Schema | None) -> Schema | None:
    """The parameters as one object, which they have to be: of a choice, with all members that any
    of the objects in it has."""
    choices = schema.get("anyOf") if schema is not None else None
    if not isinstance(choices, list):
        return schema
    members: Schema = {}
    for each in choices:
        if isinstance(each, dict) and isinstance(found := each.get("properties"), dict):
            members |= found
    return {"type": "object", "properties": members} if members else None


def _tool_config(options: Options, tools: Sequence[ToolSpec]) -> dict[str, object] | None:
    """OpenAI's `tool_choice` in the words of this API."""
    if not tools or options.tool_choice is None:
        return None
    mode: dict[str, object]
    match _decode(options.tool_choice):
        case "none":
            mode = {"mode": "NONE"}
        case "required":
            mode = {"mode": "ANY"}
        case {"function": {"name": str(name)}}:
            mode = {"mode": "ANY", "allowedFunctionNames": [name]}
        case _:
            return None
    return {"functionCallingConfig": mode}


def _contents(messages: Sequence[Message], settings: Settings) -> list[dict[str, object]]:
    """The conversation: users and the model by turns, a user first, nothing empty."""
    merged: list[dict[str, object]] = []
    role, parts = "", list[object]()
    for message in messages:
        found = list(_parts(message, settings))
        if not found:
            continue
        speaker = "model" if isinstance(message, Assistant) else "user"
        if speaker != role:
            role, parts = speaker, []
            merged.append({"role": role, "parts": parts})
        parts += found
    if merged and merged[0]["role"] == "model":
        merged.insert(0, {"role": "user", "parts": [{"text": OPENING}]})
    return merged


def _parts(message: Message, settings: Settings) -> Iterator[object]:
    match message:
        case User(text=text, images=images):
            yield from _text(text)
            yield from map(_image, images)
        case Assistant(text=text, calls=calls, thoughts=thoughts):
            before, behind = _own(thoughts)
            yield from before
            yield from _text(text)
            yield from behind
            for index, call in enumerate(calls):
                yield _call(call, signed=settings.signs and not index)
        case ToolReply():
            yield from _reply(message)


def _text(text: str) -> Iterator[_Part]:
    if text.strip():
        yield {"text": text}


def _own(thoughts: Iterable[Thought]) -> tuple[list[msgspec.Raw], list[msgspec.Raw]]:
    """The parts of this provider that have to be as they came: thoughts, and what signs a text."""
    own = [thought.block.encode() for thought in thoughts if thought.provider == PROVIDER]
    before = [msgspec.Raw(block) for block in own if "thought" in _decode_object(block)]
    behind = [msgspec.Raw(block) for block in own if "thought" not in _decode_object(block)]
    return before, behind


def _call(call: ToolCalled, *, signed: bool) -> _Part:
    """The call; of those made together only the first has to be signed."""
    function = {"id": call.tool_id, "name": call.tool_name, "args": _arguments(call.arguments)}
    part: _Part = {"functionCall": function}
    if signature := call.signature or (UNSIGNED if signed else ""):
        part["thoughtSignature"] = signature
    return part


def _arguments(text: str) -> msgspec.Raw | _Part:
    """The arguments as the object that is demanded; what is none is shown in one."""
    try:
        _decode_object(text)
    except UNREADABLE:
        return {"arguments": text} if text.strip() else {}
    return msgspec.Raw(text.encode())


def _reply(reply: ToolReply) -> Iterator[_Part]:
    """The result, in which numbers keep their digits as it is a text, and the images it has."""
    response = {"output": reply.text}
    function = {"id": reply.tool_id, "name": reply.tool_name, "response": response}
    yield {"functionResponse": function}
    if reply.images:
        text = f"The images in the result of the call {reply.tool_id} of {reply.tool_name}:"
        yield {"text": text}
        yield from map(_image, reply.images)


def _image(url: str) -> _Part:
    """The image: as a part of the request, or where Gemini can fetch it."""
    image = inline(url)
    if image and image.media_type not in SEEN:
        return {"text": "[An image is left out: only PNG, JPEG, WebP, HEIC and HEIF can be shown.]"}
    if image:
        return {"inlineData": {"mimeType": image.media_type, "data": image.data}}
    guessed, _ = mimetypes.guess_type(urlsplit(url).path)
    return {"fileData": {"mimeType": guessed or "image/jpeg", "fileUri": url}}
