"""The chat completion request, and what it asks of the model.

The format is OpenAI's Chat Completions API; what is not listed in `ChatRequest` is reported as
ignored, never silently dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from aura.errors import RequestError
from aura.pipeline.ports import Options

NULL = msgspec.Raw(b"null")


def _null() -> msgspec.Raw:
    """As a default value it could not be part of a schema."""
    return NULL


class Function(msgspec.Struct, frozen=True):
    """The function of a tool call in a conversation."""

    name: str
    arguments: str = "{}"


class CalledTool(msgspec.Struct, frozen=True):
    """A tool call that an assistant message carries."""

    id: str
    function: Function
    type: str = "function"


class ImageUrl(msgspec.Struct, frozen=True):
    """Where an image is."""

    url: str


class Part(msgspec.Struct, frozen=True):
    """A part of a message; which field counts depends on `type`."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class ChatMessage(msgspec.Struct, frozen=True):
    """A message of the conversation, as clients send it."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[CalledTool] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """How the stream should end."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request that mean something here."""

    messages: list[ChatMessage]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    tools: list[msgspec.Raw] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    response_format: msgspec.Raw = msgspec.field(default_factory=_null)
    tool_choice: msgspec.Raw = msgspec.field(default_factory=_null)


OVERRIDES = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "response_format": "response_format",
    "tool_choice": "tool_choice",
}
"""Request field to the word in `allow_request_overrides` that lets it through."""

ALWAYS_READ = frozenset({"messages", "model", "stream", "stream_options", "metadata", "user"})

_decode = msgspec.json.Decoder(ChatRequest).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parsed_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises `RequestError`: 400 when it is not JSON or has no messages,
    422 when it is JSON of another shape."""
    try:
        body.decode()  # the decoder looks only at the texts that it keeps
        request = _decode(body)
    except msgspec.ValidationError as error:
        message = f"The request body has the wrong shape: {error}."
        raise RequestError(message, status=422) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"The request body is not valid JSON: {error}."
        raise RequestError(message, status=400) from None
    if not request.messages:
        raise RequestError("No messages provided.", param="messages")
    return request


def check_counts(request: ChatRequest, *, most_messages: int, most_tools: int) -> None:
    """Raise `RequestError` for more messages or tools than are allowed, 0 for any number."""
    for name, things, most in (
        ("messages", request.messages, most_messages),
        ("tools", request.tools or (), most_tools),
    ):
        if most and len(things) > most:
            message = (
                f"The request has {len(things)} {name}; this server takes {most} (--max-{name})."
            )
            raise RequestError(message, param=name, code=f"too_many_{name}")


MOST_NAMED = 20
LONGEST_NAME = 64


def named(names: Sequence[str]) -> tuple[str, ...]:
    """Names that a client chose, as they can stand in a header and in the log: visible ASCII, none
    of them long, and only the first if there are many."""
    shown = tuple(ascii(name[:LONGEST_NAME])[1:-1][:LONGEST_NAME] for name in names[:MOST_NAMED])
    more = len(names) - len(shown)
    return (*shown, f"{more} more") if more else shown


HARMLESS = {
    "n": b"1",
    "parallel_tool_calls": b"true",
    "tool_choice": b'"auto"',
    "store": b"false",
    "logprobs": b"false",
}
"""Values that ask for nothing beyond what happens anyway; some SDKs always send them."""


def ignored_fields(body: bytes, allowed: frozenset[str], *, tools: bool) -> tuple[str, ...]:
    """The fields of the request that have no effect on this agent, in the order they came, as
    `named` shows them.

    `tools` says whether it takes the tools of clients.
    """
    return named(
        [
            field
            for field, value in _decode_fields(body).items()
            if field not in ALWAYS_READ
            and not (tools and field == "tools")
            and OVERRIDES.get(field) not in allowed
            and _given(value) is not None
            and HARMLESS.get(field) != bytes(value)
        ]
    )


def options(request: ChatRequest, allowed: frozenset[str]) -> Options:
    """What the request may ask of each model call, given the overrides that the agent allows."""
    stop = [request.stop] if isinstance(request.stop, str) else request.stop
    limit = request.max_completion_tokens
    wanted = {
        "max_tokens": request.max_tokens if limit is None else limit,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": None if stop is None else tuple(stop),
        "response_format": _given(request.response_format),
        "tool_choice": _given(request.tool_choice),
    }
    return msgspec.structs.replace(
        Options(),
        **{name: value for name, value in wanted.items() if name in allowed and value is not None},
    )


def _given(value: msgspec.Raw) -> msgspec.Raw | None:
    return None if bytes(value) == b"null" else value.copy()
