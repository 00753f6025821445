"""The TOML as immutable structs: every key with its type, its default and its limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from aura.config.secret import Secret
from aura.config.source import Source


class Rule(NamedTuple):
    """What a value has to fulfil beyond its type; `otherwise` ends a sentence that names it."""

    holds: Callable[[Any], object]
    otherwise: str


def _rule(holds: Callable[[Any], object], otherwise: str, pattern: str | None = None) -> Meta:
    schema = {"pattern": pattern} if pattern else {}
    return Meta(extra={"rule": Rule(holds, otherwise)}, extra_json_schema=schema)


def _is_filled(secret: Secret) -> bool:
    return bool(secret.reveal().strip())


def _is_one_line(secret: Secret) -> bool:
    return not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", secret.reveal())


def _are_distinct(headers: dict[str, object]) -> bool:
    return len({name.lower() for name in headers}) == len(headers)


Filled: TypeAlias = Annotated[str, _rule(str.strip, "must not be empty", r"\S")]
Url: TypeAlias = Annotated[
    str,
    _rule(re.compile("https?://").match, "must start with http:// or https://", "^https?://"),
]
ApiKey: TypeAlias = Annotated[
    Secret, _rule(_is_filled, "must not be empty: an LLM API key is required", r"\S")
]
HeaderName: TypeAlias = Annotated[
    str,
    _rule(
        re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII).fullmatch,
        "must be a valid HTTP header name",
    ),
]
HeaderValue: TypeAlias = Annotated[
    Secret, _rule(_is_one_line, "must not have line breaks or control characters")
]
Headers: TypeAlias = Annotated[
    dict[HeaderName, HeaderValue],
    _rule(_are_distinct, "must not have one header twice in different case"),
]
HeaderMap: TypeAlias = Annotated[
    dict[HeaderName, HeaderName],
    _rule(_are_distinct, "must not have one header twice in different case"),
]
Command: TypeAlias = Annotated[tuple[Filled, ...], _rule(bool, "must name an executable")]

Count: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Temperature: TypeAlias = Annotated[float, Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
SecondsOrNever: TypeAlias = Annotated[float, Meta(ge=0)]

OnDisconnect: TypeAlias = Annotated[
    str,
    _rule(
        re.compile(r"cancel|detach|grace:\d{1,8}(\.\d{1,6})?", re.ASCII).fullmatch,
        "must be cancel, detach or grace:SECS",
        r"^(cancel|detach|grace:[0-9]{1,8}([.][0-9]{1,6})?)$",
    ),
]

ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Override: TypeAlias = Literal[
    "max_tokens", "temperature", "top_p", "seed", "stop", "response_format", "tool_choice"
]

OPENAI_URL: Final = "https://api.openai.com/v1"
CONNECT_TIMEOUT_SECS: Final = 10.0
CALL_TIMEOUT_SECS: Final = 300.0
TOOLS_TTL_SECS: Final = 300.0
IDLE_TIMEOUT_SECS: Final = 300.0


class OpenAI(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="provider",
    tag="openai",
):
    """OpenAI, or any service that speaks its chat completions.

    `max_concurrent_calls` 0 means any number.
    """

    model: Filled
    api_key: ApiKey
    base_url: Url | None = None
    max_concurrent_calls: Count = 0
    max_tokens: Positive | None = None
    context_window: Positive | None = None
    temperature: Temperature | None = None
    reasoning_effort: ReasoningEffort | None = None
    tool_images: bool | None = None
    additional_params: dict[str, Any] | None = None

    @property
    def provider(self) -> str:
        """The word that selects this table."""
        return str(self.__struct_config__.tag)

    @property
    def account(self) -> Hashable:
        """The same for every model that is asked with the same credentials."""
        return self.provider, (self.base_url or OPENAI_URL).rstrip("/"), self.api_key


class Scripted(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="provider",
    tag="scripted",
):
    """A model that answers from a file; `script` is relative to the working directory."""

    script: Filled
    model: Filled = "scripted"
    max_concurrent_calls: Count = 0
    context_window: Positive | None = None

    @property
    def provider(self) -> str:
        """The word that selects this table."""
        return str(self.__struct_config__.tag)

    @property
    def account(self) -> Hashable:
        """The same for every model that has the same script."""
        return self.provider, self.script


Llm: TypeAlias = OpenAI | Scripted


class Agent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers, and how.

    `mcp_filter` keeps two states apart: `None` lets every tool through, `()` none; for
    `client_tool_filter` both let everything through. `created_at` is in milliseconds since the
    epoch; `None` means the time of start.
    """

    name: Filled
    alias: Filled | None = None
    description: str | None = None
    system_prompt: str
    context: tuple[str, ...] = ()
    turn_depth: Count = 5
    created_at: Count | None = None
    model_owner: str | None = None
    mcp_filter: tuple[str, ...] | None = None
    hidden: bool = False
    allow_request_overrides: tuple[Override, ...] = ("max_tokens", "stop", "response_format")
    parallel_tool_calls: bool = True
    max_parallel_tool_calls: Positive = 8
    per_call_timeout_secs: SecondsOrNever = 0.0
    on_disconnect: OnDisconnect = "cancel"
    enable_client_tools: bool = False
    client_tool_filter: tuple[str, ...] | None = None
    nudge_last_turn: bool = False
    nudge_turns_remaining: Count | None = None
    llm: Llm

    @property
    def id(self) -> str:
        """The name that requests use: the alias, or the name when there is none."""
        return self.alias or self.name


class HttpStreamable(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="transport", tag="http_streamable"
):
    """An MCP server that is reached over HTTP.

    `headers_from_request` names, for a header sent to the server, the header of the request whose
    value it takes. `tools_ttl_secs` 0 means that the list of tools is never asked for again on
    account of its age.
    """

    url: Url
    headers: Headers = {}
    headers_from_request: HeaderMap = {}
    description: str | None = None
    required: bool = False
    connect_timeout_secs: Seconds = CONNECT_TIMEOUT_SECS
    call_timeout_secs: Seconds = CALL_TIMEOUT_SECS
    tools_ttl_secs: SecondsOrNever = TOOLS_TTL_SECS
    idle_timeout_secs: Seconds = IDLE_TIMEOUT_SECS


class Sse(HttpStreamable, frozen=True, kw_only=True, tag_field="transport", tag="sse"):
    """An MCP server that speaks the HTTP transport of old, with a stream of events."""


class Stdio(msgspec.Struct, frozen=True, kw_only=True, tag_field="transport", tag="stdio"):
    """An MCP server that runs as a child process; its command line is `cmd`, then `args`.

    One child serves every request, or each request has its own with `per_request`.
    """

    cmd: Command
    args: tuple[str, ...] = ()
    env: dict[str, Secret] = {}
    cwd: Filled | None = None
    description: str | None = None
    required: bool = False
    per_request: bool = False
    connect_timeout_secs: Seconds = CONNECT_TIMEOUT_SECS
    call_timeout_secs: Seconds = CALL_TIMEOUT_SECS
    tools_ttl_secs: SecondsOrNever = TOOLS_TTL_SECS


Server: TypeAlias = HttpStreamable | Sse | Stdio


class Mcp(msgspec.Struct, frozen=True, kw_only=True):
    """Where tools come from; the servers keep the order of the file.

    `sanitize_schemas` fits the schemas of tools to providers that take only a part of JSON Schema.
    """

    servers: dict[str, Server] = {}
    sanitize_schemas: bool = True


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """Tools that are built in: reading files below `root`, by default the working directory."""

    filesystem: bool = False
    root: Filled = "."
    custom_tools: tuple[str, ...] = ()


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What one TOML file says."""

    agent: Agent
    mcp: Mcp = msgspec.field(default_factory=Mcp)
    tools: Tools = msgspec.field(default_factory=Tools)


class Config(Document, frozen=True, kw_only=True):
    """What one TOML file says, and the file."""

    source: Source = Source()

    @property
    def id(self) -> str:
        """The name that requests use for the agent."""
        return self.agent.id
