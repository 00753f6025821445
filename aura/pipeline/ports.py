"""What the pipeline needs from the outside: conversations in, events out.

Adapters implement these protocols; nothing here does any work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from anyio.abc import TaskGroup

from aura.events import (
    AnyEvent,
    ScratchpadStored,
    ScratchpadUsage,
    ServerStatus,
    ToolCalled,
    ToolCompleted,
    ToolProgressed,
    ToolStarted,
    TurnUsage,
)


class User(msgspec.Struct, frozen=True):
    """What a person said; `images` are URLs, `data:` URLs included."""

    text: str
    images: tuple[str, ...] = ()


class Assistant(msgspec.Struct, frozen=True):
    """What the model said and which tools it asked for."""

    text: str
    calls: tuple[ToolCalled, ...] = ()


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
    """Everything that one model call depends on."""

    agent_id: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    options: Options = Options()


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
        """Ask once. Gives `TextDelta`, `ReasoningDelta`, `ToolCalled` and `TurnUsage` in the
        provider's order and one `Stopped` as the last event.

        Raises `ProviderError`, before the first event or between two.
        """
        ...


class Outcome(msgspec.Struct, frozen=True):
    """How a tool call ended: the text and the images for the model, and what kind of failure it
    is, if any. Images are `data:` URLs; the text has a placeholder for each.

    `arguments`: the arguments were unusable; `tool`: the tool itself reported an error;
    `transport`: the tool could not be reached or was lost on the way; `timeout`: it took too long.
    """

    text: str
    failure: Literal["arguments", "tool", "transport", "timeout"] | None = None
    images: tuple[str, ...] = ()


class Tool(Protocol):
    """Something that a model can call."""

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        ...

    def call(
        self, call: ToolCalled, arguments: dict[str, object]
    ) -> AsyncIterator[ToolStarted | ToolProgressed | Outcome]:
        """Run the tool. The last item is its `Outcome`; a failure of the tool is one, too.

        Closing the stream early abandons the call and tells the tool so.
        """
        ...


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of an MCP server, as people want to know it.

    `spec` is what the model sees, `own_name` what the server calls it, `changes` how its schema
    was rewritten for the model. `described` is the server's whole description as JSON.
    """

    server_name: str
    own_name: str
    spec: ToolSpec
    changes: tuple[str, ...]
    described: msgspec.Raw


class Toolset(Protocol):
    """The tools that an agent may use, for any caller."""

    def open(self, headers: Mapping[str, str]) -> AbstractContextManager[Toolbox]:
        """The tools for one run, whose caller sent these headers, by lower-case name; what is
        only there for that run is given back at the end of the block."""
        ...


class Toolbox(Protocol):
    """The tools of one run, which can change while it goes on."""

    async def ready(self) -> None:
        """Wait until every source of tools has been tried once. Bounded by the sources' own
        deadlines; returns at once when nothing is being tried."""
        ...

    def tools(self) -> tuple[Tool, ...]:
        """The tools that can be called now, in a stable order and with unique names."""
        ...

    def offers(self) -> tuple[Offer, ...]:
        """Those of the tools that come from MCP servers, in the same order."""
        ...

    def statuses(self) -> tuple[ServerStatus, ...]:
        """How each MCP server behind the toolbox is doing, sorted by name."""
        ...

    def limits(self) -> Mapping[str, int]:
        """Tools whose results belong on the scratchpad, from how many tokens on."""
        ...


class Diverted(NamedTuple):
    """The end of a call as the model gets it, and where its result went, if it did not get that."""

    call: ToolCompleted
    stored: ScratchpadStored | None = None


class Scratchpad(Protocol):
    """Where one agent keeps large results in one run.

    `rounds` are those that it gets to explore them, `guidance` is for its system prompt, `hidden`
    says whether clients are shown nothing of the exploring, and `home` where what is kept can be
    found by the run that goes on with the conversation.
    """

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools to explore with."""
        ...

    @property
    def rounds(self) -> int: ...  # noqa: D102
    @property
    def guidance(self) -> str: ...  # noqa: D102
    @property
    def hidden(self) -> bool: ...  # noqa: D102

    @property
    def home(self) -> Home: ...  # noqa: D102

    def explores(self, tool_name: str) -> bool:
        """Whether a tool is one of these."""
        ...

    def asked(self, prompt: Prompt) -> None:
        """The model is about to be asked this. What earlier runs kept that it speaks of can be
        explored, too."""
        ...

    def reported(self, usage: TurnUsage) -> None:
        """The provider said what the last prompt and its answer took."""
        ...

    async def diverted(self, call: ToolCompleted) -> Diverted:
        """The end of a call as the model gets it. What goes wrong is part of it."""
        ...

    def usage(self) -> ScratchpadUsage | None:
        """What was kept and read so far, unless that is nothing."""
        ...


class Scratchpads(Protocol):
    """The scratchpads of an agent, one for each run."""

    def open(
        self,
        limits: Mapping[str, int],
        *,
        session_id: str,
        run_id: str,
        tasks: TaskGroup,
        log: Log,
    ) -> AbstractContextManager[Scratchpad]:
        """One for a run, whose tasks may count what was only estimated."""
        ...


class Log(Protocol):
    """What we need of a bound structlog logger."""

    def debug(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def info(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def warning(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def error(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def exception(self, event: str, **facts: object) -> object: ...  # noqa: D102
    def bind(self, **facts: object) -> Log: ...  # noqa: D102
