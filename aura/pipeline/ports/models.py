"""Conversations, and the models that go on with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, TypeAlias

import msgspec

from aura.events import AnyEvent, Thought, ToolCalled


class User(msgspec.Struct, frozen=True):
    """What a person said; `images` are URLs, `data:` URLs included."""

    text: str
    images: tuple[str, ...] = ()


class Assistant(msgspec.Struct, frozen=True):
    """What the model said and which tools it asked for; `thoughts` are for who gave them."""

    text: str
    calls: tuple[ToolCalled, ...] = ()
    thoughts: tuple[Thought, ...] = ()


class Home(msgspec.Struct, frozen=True):
    """The run whose scratchpad has a file."""

    session_id: str
    run_id: str


class ToolReply(msgspec.Struct, frozen=True):
    """What a tool answered to the call `tool_id`; `images` are `data:` URLs. `kept_in` is there
    when the text only says where the answer is."""

    tool_id: str
    tool_name: str
    text: str
    images: tuple[str, ...] = ()
    kept_in: Home | None = None


Message: TypeAlias = User | Assistant | ToolReply


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as the model sees it; `parameters` is a JSON Schema, already encoded.

    `strict` is what the one who brought the tool asked of providers that can keep to a schema.
    """

    name: str
    description: str
    parameters: msgspec.Raw
    strict: bool | None = None


NO_TOOL = msgspec.Raw(b'"none"')
"""The `tool_choice` that shows tools to a model and lets it call none."""


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request may ask of a single model call; missing means the configured value."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    response_format: msgspec.Raw | None = None
    tool_choice: msgspec.Raw | None = None
    parallel_tool_calls: bool | None = None


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one model call depends on. `live` names the tools of which the pieces of a
    call are wanted while the model writes them."""

    agent_id: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    options: Options = Options()
    live: frozenset[str] = frozenset()

    @property
    def callable_tools(self) -> tuple[ToolSpec, ...]:
        """The tools that the model may call; it can be shown some that it may not."""
        return () if self.options.tool_choice == NO_TOOL else self.tools


class Model(Protocol):
    """A language model behind some provider."""

    @property
    def name(self) -> str:
        """The model as clients see it: `provider/model`."""
        ...

    @property
    def most_tools(self) -> int | None:
        """How many tools it takes, if there is a limit."""
        ...

    def stream(self, prompt: Prompt) -> AsyncIterator[AnyEvent]:
        """Ask once. Gives `TextDelta`, `ReasoningDelta`, `Thought`, `ToolCallDelta`, `ToolCalled`
        and `TurnUsage` in the provider's order and one `Stopped` as the last event.

        Raises `ProviderError`, before the first event or between two.
        """
        ...
