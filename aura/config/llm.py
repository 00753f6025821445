"""The models that a configuration can name."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from aura.config.kinds import ApiKey, Count, Filled, Positive, Region, Temperature, Url
from aura.config.secret import Secret

ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class Provided(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model behind a service; at `base_url`, or where the service is at home.

    `max_concurrent_calls` 0 means any number.
    """

    model: Filled
    base_url: Url | None = None
    max_concurrent_calls: Count = 0
    max_tokens: Positive | None = None
    context_window: Positive | None = None
    temperature: Temperature | None = None
    additional_params: dict[str, Any] | None = None

    @property
    def provider(self) -> str:
        """The word that selects this table."""
        return str(self.__struct_config__.tag)


class Keyed(Provided, frozen=True, kw_only=True):
    """A model behind a service that wants a key; at `home`, if `base_url` is not set."""

    home: ClassVar[str]
    api_key: ApiKey

    @property
    def account(self) -> Hashable:
        """The same for every model that is asked with the same credentials."""
        return self.provider, (self.base_url or self.home).rstrip("/"), self.api_key


class OpenAI(Keyed, frozen=True, kw_only=True, tag_field="provider", tag="openai"):
    """OpenAI, or any service that speaks its chat completions."""

    home: ClassVar[str] = "https://api.openai.com/v1"
    reasoning_effort: ReasoningEffort | None = None
    tool_images: bool | None = None
    fallback_tool_parsing: bool = False


class Anthropic(Keyed, frozen=True, kw_only=True, tag_field="provider", tag="anthropic"):
    """Anthropic, or any service that speaks its messages API. Without `max_tokens`, an answer may
    get as long as the model can make it."""

    home: ClassVar[str] = "https://api.anthropic.com"


class Gemini(Keyed, frozen=True, kw_only=True, tag_field="provider", tag="gemini"):
    """Google's Gemini API."""

    home: ClassVar[str] = "https://generativelanguage.googleapis.com"


class OpenRouter(Keyed, frozen=True, kw_only=True, tag_field="provider", tag="openrouter"):
    """OpenRouter, which asks the providers of others."""

    home: ClassVar[str] = "https://openrouter.ai/api/v1"
    tool_images: bool | None = None


class Ollama(Provided, frozen=True, kw_only=True, tag_field="provider", tag="ollama"):
    """A model that an Ollama server runs. A key is only for what stands in front of it."""

    base_url: Url = "http://localhost:11434"
    api_key: Secret = Secret("")
    fallback_tool_parsing: bool = False

    @property
    def account(self) -> Hashable:
        """The same for every model of one server."""
        return self.provider, self.base_url.rstrip("/"), self.api_key


class Bedrock(Provided, frozen=True, kw_only=True, tag_field="provider", tag="bedrock"):
    """A model of Amazon Bedrock, asked with the credentials of `profile` or, without one, with
    those that AWS finds."""

    region: Region
    profile: Filled | None = None
    tool_images: bool | None = None

    @property
    def account(self) -> Hashable:
        """The same for every model that is asked with the same credentials in one region."""
        return self.provider, self.base_url, self.region, self.profile


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


Llm: TypeAlias = OpenAI | Anthropic | Bedrock | Gemini | Ollama | OpenRouter | Scripted
