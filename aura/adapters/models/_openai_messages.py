"""A prompt as the body of a chat completion request. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from aura.adapters.models._openai_families import UNKNOWN, Family, effort, family, refused
from aura.adapters.models._openai_reasoning import Keeps, put_back
from aura.events import Json
from aura.pipeline.ports import Assistant, Message, Prompt, ToolReply, ToolSpec, User

_encode = msgspec.json.Encoder().encode


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about a model; `additional_params` wins over all else.

    `official` is true when OpenAI itself is asked, which knows fields that others refuse, `azure`
    when Azure is, where the same models are, and `mistral` when Mistral is, which refuses what it
    does not know. `keeps` is what is put back of what the model thought. With `tool_images` the
    model is shown the images that tools give.
    """

    model: str
    official: bool
    azure: bool = False
    mistral: bool = False
    keeps: Keeps = "nothing"
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    tool_images: bool = False
    additional_params: Mapping[str, Json] = {}

    @property
    def family(self) -> Family:
        """What the model takes; nothing is known of those of others."""
        return family(self.model) if self.official or self.azure else UNKNOWN


def request(prompt: Prompt, settings: Settings) -> tuple[bytes, list[str]]:
    """The JSON to post, and what is configured or asked for, but would be refused by this model:
    it is not sent, or another effort is."""
    body: dict[str, object] = {
        "model": settings.model,
        "messages": [*_system(prompt.system), *_messages(prompt.messages, settings)],
        "stream": True,
    }
    if not settings.mistral:
        body["stream_options"] = {"include_usage": True}
    if settings.official:
        body["stream_options"] = {"include_usage": True, "include_obfuscation": False}
    optional, left_out = _optional(prompt, settings)
    body.update(optional)
    body.update(settings.additional_params)
    return _encode(body), left_out


def _optional(prompt: Prompt, settings: Settings) -> tuple[dict[str, object], list[str]]:
    """The parameters that need not be there, and the names of those that are not sent as asked."""
    asked = {name: value for name, value in _asked(prompt, settings).items() if value is not None}
    sent, operator = dict(asked), settings.additional_params
    wanted = effort(settings.family, settings.reasoning_effort, tools=bool(prompt.tools))
    if wanted != settings.reasoning_effort:
        sent["reasoning_effort"] = wanted
    in_effect = operator.get("reasoning_effort", wanted)
    gone = refused(settings.family, in_effect if isinstance(in_effect, str) else None)
    sent = {name: sent[name] for name in sent if name not in gone and sent[name] is not None}
    names = {name for name in asked | sent if asked.get(name) != sent.get(name)}
    return sent, sorted(names - operator.keys())


def _asked(prompt: Prompt, settings: Settings) -> dict[str, object]:
    """What the request and the configuration ask for; `None` where neither does."""
    options = prompt.options
    asked: dict[str, object] = {
        "temperature": _first(options.temperature, settings.temperature),
        "top_p": options.top_p,
        "random_seed" if settings.mistral else "seed": options.seed,
        "stop": options.stop,
        "response_format": options.response_format,
        "reasoning_effort": settings.reasoning_effort,
    }
    # Not every service heeds a choice of none; OpenAI keeps what it knows of the prompt with it.
    theirs = settings.official or settings.azure
    tools = prompt.tools if theirs else prompt.callable_tools
    if tools:  # without tools the other two are refused
        asked["tools"] = list(map(_tool, tools))
        asked["tool_choice"] = options.tool_choice
        asked["parallel_tool_calls"] = options.parallel_tool_calls
    if settings.additional_params.keys().isdisjoint({"max_tokens", "max_completion_tokens"}):
        limit = "max_completion_tokens" if theirs else "max_tokens"
        asked[limit] = _least(options.max_tokens, settings.max_tokens)
    return asked


def _first(asked: float | None, configured: float | None) -> float | None:
    return configured if asked is None else asked


def _least(asked: int | None, configured: int | None) -> int | None:
    """What was asked for, but never more than the operator allows."""
    given = [limit for limit in (asked, configured) if limit is not None]
    return min(given, default=None)


def _system(text: str) -> list[dict[str, object]]:
    return [{"role": "system", "content": text}] if text else []


def _messages(messages: Sequence[Message], settings: Settings) -> Iterator[dict[str, object]]:
    """The conversation. Only users can show images in this format, so those of tools follow the
    results of their round in a message of their own."""
    shown: list[ToolReply] = []
    for message in messages:
        if shown and not isinstance(message, ToolReply):
            yield _pictures(shown)
            shown = []
        yield _message(message, settings)
        if settings.tool_images and isinstance(message, ToolReply) and message.images:
            shown.append(message)
    if shown:
        yield _pictures(shown)


def _pictures(replies: Sequence[ToolReply]) -> dict[str, object]:
    content: list[dict[str, object]] = []
    for reply in replies:
        text = f"The images in the result of the call {reply.tool_id} of {reply.tool_name}:"
        content.append({"type": "text", "text": text})
        content += [{"type": "image_url", "image_url": {"url": url}} for url in reply.images]
    return {"role": "user", "content": content}


def _message(message: Message, settings: Settings) -> dict[str, object]:
    match message:
        case User():
            return {"role": "user", "content": _content(message)}
        case Assistant(text=text, calls=()):
            return {"role": "assistant", "content": text, **put_back(message, settings.keeps)}
        case Assistant(text=text, calls=calls):
            return {
                "role": "assistant",
                "content": text or None,
                **put_back(message, settings.keeps),
                "tool_calls": [
                    {
                        "id": call.tool_id,
                        "type": "function",
                        "function": {"name": call.tool_name, "arguments": call.arguments},
                    }
                    for call in calls
                ],
            }
        case ToolReply():
            return {"role": "tool", "tool_call_id": message.tool_id, "content": message.text}


def _content(message: User) -> str | list[dict[str, object]]:
    if not message.images:
        return message.text
    text: list[dict[str, object]] = [{"type": "text", "text": message.text}]
    images = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
    return [*(text if message.text else ()), *images]


def _tool(tool: ToolSpec) -> dict[str, object]:
    function: dict[str, object] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
