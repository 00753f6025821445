"""A model that answers from a script: for the demo, for tests and for benchmarks.

It keeps no state: a reply depends on the prompt alone, so requests do not disturb each other.
Replies with `when` are tried first, in the order of the script. The others are ordered: the first
answers the first model call of a conversation, the second the second, whether an earlier call was
a round of tools or an answer. Calls are counted by the assistant messages in the prompt; clients
of an OpenAI-compatible server do not send rounds of tools back, so scripts for several turns with
tools use `when`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from fnmatch import fnmatchcase

import anyio
import msgspec

from aura.adapters.models._placeholders import Values, filled, filled_value
from aura.adapters.models._script import (
    Call,
    Fault,
    Reply,
    ReplyUsage,
    Script,
    When,
    check,
    load_script,
)
from aura.errors import CutOff, ScriptError
from aura.events import (
    AnyEvent,
    ReasoningDelta,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCalled,
    TurnUsage,
)
from aura.pipeline.ports import Assistant, Prompt, ToolReply, User

__all__ = ["Call", "Fault", "Reply", "ReplyUsage", "Script", "Scripted", "When", "load_script"]

_WORD = re.compile(r"\S+\s*|\s+")


class Scripted:
    """The model. `path` names the script in errors; `ids` makes the ids of tool calls.

    Without `ids` calls are numbered through the conversation: `call_1`, `call_2`.
    Raises `ScriptError` for a reply that could not be given.
    """

    def __init__(
        self,
        replies: Sequence[Reply],
        *,
        name: str = "scripted/demo",
        ids: Callable[[str], str] | None = None,
        path: str = "",
    ) -> None:
        self._replies = tuple(replies)
        self._name = name
        self._ids = ids
        self._path = path
        check(self._replies, path)

    @property
    def most_tools(self) -> int | None:
        """Any number."""
        return None

    @property
    def name(self) -> str:
        """The model as clients see it."""
        return self._name

    async def stream(self, prompt: Prompt) -> AsyncGenerator[AnyEvent, None]:
        """The reply that the script has for this prompt. Raises `ScriptError` when it has none."""
        scene = Scene(prompt)
        reply, values = self._chosen(scene)
        pieces = self._pieces(reply, scene, values)
        left = len(pieces) if reply.cut_after is None else reply.cut_after
        if reply.first_delay:
            await anyio.sleep(reply.first_delay)
        for piece in pieces[:left]:
            if reply.delay and not isinstance(piece, ToolCalled):
                await anyio.sleep(reply.delay)
            yield piece
        if reply.cut_after is not None:
            raise CutOff(f"The scripted model {self._name} was told to break off here.")
        if reply.error is not None:
            raise reply.error.error(self._name)
        yield _usage(reply.usage, prompt, pieces)
        reason = reply.finish or ("tool_calls" if reply.calls else "stop")
        yield Stopped(agent_id=prompt.agent_id, reason=reason)

    def _chosen(self, scene: Scene) -> tuple[Reply, Values]:
        ordered: list[Reply] = []
        for reply in self._replies:
            if reply.when is None:
                ordered.append(reply)
            elif (groups := scene.groups(reply.when)) is not None:
                return reply, scene.values(groups)
        if scene.calls_before < len(ordered):
            return ordered[scene.calls_before], scene.values({})
        raise ScriptError(
            f"{self._path or self._name}: no reply to {scene}. Add a [[reply]] with a `when` that"
            f" matches, or one without `when` (there are {len(ordered)}, and this is model call"
            f" {scene.calls_before + 1} of the conversation)."
        )

    def _pieces(self, reply: Reply, scene: Scene, values: Values) -> list[AnyEvent]:
        agent_id = scene.prompt.agent_id
        thought, text = filled(reply.reasoning, values), filled(reply.text, values)
        words = _WORD.findall if reply.delay else lambda whole: [whole] if whole else []
        return [
            *(ReasoningDelta(agent_id=agent_id, content=piece) for piece in words(thought)),
            *(TextDelta(agent_id=agent_id, text=piece) for piece in words(text)),
            *(
                piece
                for number, call in enumerate(reply.calls)
                for piece in self._call(call, number, scene, values, words)
            ),
        ]

    def _call(
        self,
        call: Call,
        index: int,
        scene: Scene,
        values: Values,
        words: Callable[[str], list[str]],
    ) -> Iterator[AnyEvent]:
        """A call, in pieces before if they are wanted."""
        prompt, number = scene.prompt, scene.tools_before + 1 + index
        arguments = msgspec.json.encode(filled_value(call.arguments, values)).decode()
        for piece in words(arguments) if call.name in prompt.live else ():
            yield ToolCallDelta(
                agent_id=prompt.agent_id, tool_name=call.name, index=index, arguments=piece
            )
        yield ToolCalled(
            agent_id=prompt.agent_id,
            tool_id=self._ids("call_") if self._ids else f"call_{number}",
            tool_name=call.name,
            arguments=arguments,
        )


class Scene:
    """What a prompt looks like from inside a script."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.message = ""
        self.results: list[ToolReply] = []
        self.calls_before = self.tools_before = 0
        for message in prompt.messages:
            match message:
                case User(text=text):
                    self.message = text
                    self.results.clear()
                case Assistant(calls=calls):
                    self.calls_before += 1
                    self.tools_before += len(calls)
                case ToolReply():
                    self.results.append(message)
        last = prompt.messages[-1] if prompt.messages else None
        self.result = last if isinstance(last, ToolReply) else None

    def __str__(self) -> str:
        offered = ", ".join(tool.name for tool in self.prompt.callable_tools) or "none"
        heard = f"the message {_short(self.message)!r}"
        if self.result:
            heard = f"the result {_short(self.result.text)!r} of {self.result.tool_name!r}, after"
            heard += f" the message {_short(self.message)!r}"
        return f"{heard} (agent {self.prompt.agent_id!r}, tools offered: {offered})"

    def groups(self, when: When) -> dict[str, str] | None:
        """The regex groups by name and number if the condition holds; those of `result` win."""
        wants_result = when.tool is not None or when.result is not None
        if wants_result is not (self.result is not None):
            return None
        if self.result and not fnmatchcase(self.result.tool_name, when.tool or "*"):
            return None
        if not fnmatchcase(self.prompt.agent_id, when.agent or "*"):
            return None
        if when.offers and all(tool.name != when.offers for tool in self.prompt.callable_tools):
            return None
        groups: dict[str, str] = {}
        heard = self.result.text if self.result else ""
        for pattern, text in ((when.message, self.message), (when.result, heard)):
            if pattern is None:
                continue
            if (found := re.search(pattern, text)) is None:
                return None
            groups |= {str(number): found[number] or "" for number in range(found.re.groups + 1)}
            groups |= found.groupdict("")
        return groups

    def values(self, groups: dict[str, str]) -> Values:
        """What stands for a placeholder: a group, or a fact of the scene."""
        texts = [result.text for result in self.results]
        facts = {
            "message": self.message,
            "agent": self.prompt.agent_id,
            "result": texts[-1] if texts else "",
            "results": "\n".join(texts),
            **{f"result.{result.tool_name}": result.text for result in self.results},
            **groups,
        }
        return lambda name: facts.get(name, "")


def _split(text: str, reply: Reply) -> list[str]:
    """The words of a reply that takes its time, or all of it."""
    if reply.delay:
        return _WORD.findall(text)
    return [text] if text else []


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _usage(usage: ReplyUsage, prompt: Prompt, pieces: Sequence[AnyEvent]) -> TurnUsage:
    """The usage; what the script leaves open is estimated at four characters a token."""
    thought = sum(len(piece.content) for piece in pieces if isinstance(piece, ReasoningDelta))
    said = sum(map(len, _spoken(pieces)))
    read = len(prompt.system) + sum(len(spec.parameters) for spec in prompt.tools)
    read += sum(map(_length, prompt.messages))
    return TurnUsage(
        agent_id=prompt.agent_id,
        prompt_tokens=_or(usage.prompt, read),
        completion_tokens=_or(usage.completion, thought + said),
        cached_tokens=usage.cached,
        reasoning_tokens=_or(usage.reasoning, thought),
    )


def _or(tokens: int | None, characters: int) -> int:
    return -(-characters // 4) if tokens is None else tokens


def _spoken(pieces: Sequence[AnyEvent]) -> Iterator[str]:
    for piece in pieces:
        if isinstance(piece, TextDelta):
            yield piece.text
        elif isinstance(piece, ToolCalled):
            yield piece.tool_name + piece.arguments


def _length(message: User | Assistant | ToolReply) -> int:
    if isinstance(message, Assistant):
        return len(message.text) + sum(map(len, _spoken(message.calls)))
    return len(message.text)
