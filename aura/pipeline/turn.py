"""One turn of an agent: model, tools, model, until it answers or has had its rounds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

import msgspec

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    FinishReason,
    ScratchpadStored,
    Stopped,
    TextDelta,
    ToolCalled,
    ToolCompleted,
    ToolUsage,
    TurnUsage,
)
from aura.pipeline.agent import Agent
from aura.pipeline.begun import Begun
from aura.pipeline.calls import calls
from aura.pipeline.compose import Failure, opened, settled
from aura.pipeline.delegation import NO_CLIENT_TOOLS, ClientTools, Handover
from aura.pipeline.nudges import with_notice
from aura.pipeline.ports import (
    Assistant,
    Home,
    Message,
    Options,
    Prompt,
    Scratchpad,
    Tool,
    Toolbox,
    ToolReply,
)
from aura.pipeline.run import Run


async def completion(
    agent: Agent, prompt: Prompt, index: int, run: Run
) -> AsyncGenerator[AnyEvent, None]:
    """One model call: started, what the model says, ended. Raises what the model raised."""
    yield CompletionStarted(agent_id=agent.agent_id, index=index)
    reason: FinishReason | None = None
    failure: Failure | None = None
    answer = Begun(
        lambda: agent.model.stream(prompt),
        run,
        of=agent.model.name,
        account=agent.account,
        seconds=agent.first_chunk_timeout,
        limit=agent.per_call_timeout,
        agent_id=agent.agent_id,
        index=index,
    )
    async with opened(settled(answer)) as events:
        async for event in events:
            if isinstance(event, Failure):
                failure, reason = event, None
                break
            if isinstance(event, Stopped):
                reason = event.reason
            yield event
    yield CompletionEnded(agent_id=agent.agent_id, index=index, reason=reason)
    if failure is not None:
        raise failure.error


async def turn(
    agent: Agent,
    toolbox: Toolbox,
    messages: Sequence[Message],
    run: Run,
    *,
    options: Options,
    client: ClientTools = NO_CLIENT_TOOLS,
    pad: Scratchpad | None = None,
) -> AsyncGenerator[AnyEvent, None]:
    """Ask, run the tools that were asked for, ask again.

    Exactly `agent.turn_depth` rounds of tools; the completion after the last is offered none, so
    it has to answer with what was gathered. A round that asks for tools of the client is the last
    one: what the turn has gathered is handed over, for the request that brings the client's part.
    """
    history = list(messages)
    agent = agent if pad is None else _equipped(agent, pad)
    options = _one_at_a_time(options) if agent.parallel_calls == 1 else options
    seen: set[str] = set()
    for index in range(agent.turn_depth + 1):
        last = index == agent.turn_depth
        tools = {} if last else _own(toolbox, client, pad)
        specs = () if last else (*(tool.spec for tool in tools.values()), *client.specs)
        prompt = Prompt(
            agent_id=agent.agent_id,
            system=agent.system,
            messages=tuple(history),
            tools=specs,
            options=options,
        )
        heard = Heard(pad)
        heard.asked(prompt)
        async with opened(completion(agent, prompt, index, run)) as events:
            async for event in events:
                if isinstance(event, ToolCalled):
                    if last:
                        run.log.warning("model asked for a tool in its last round", tool=event)
                        continue
                    event = _taken(event, seen, client, run, pad)  # noqa: PLW2901 - as it goes on
                heard.add(event)
                yield event
        if not heard.calls:
            return
        gathered = Gathered(pad)
        async with opened(_ran(heard.calls, tools, agent, run, pad)) as events:
            async for event in events:
                gathered.add(event)
                yield event
        shown = [call for call in heard.calls if not call.hidden]
        if heard.usage is not None and shown:
            yield tool_usage(shown, heard.usage)
        asked = Assistant(text="".join(heard.text), calls=tuple(heard.calls))
        results = [gathered.replies[call.tool_id] for call in asked.calls if not call.delegated]
        if len(results) < len(asked.calls):
            client.hand_over(Handover(tuple(history[len(messages) :]), asked, tuple(results)))
            return
        history += [asked, *noticed(results, agent.nudges.notice(agent.turn_depth - index))]


def _one_at_a_time(options: Options) -> Options:
    return msgspec.structs.replace(options, parallel_tool_calls=False)


def _equipped(agent: Agent, pad: Scratchpad) -> Agent:
    """The agent, told of its scratchpad and with more rounds to use it."""
    system = f"{agent.system}\n\n{pad.guidance}".lstrip()
    return replace(agent, system=system, turn_depth=agent.turn_depth + pad.rounds)


def _own(toolbox: Toolbox, client: ClientTools, pad: Scratchpad | None) -> dict[str, Tool]:
    """The tools that run here. One that turned up under the name of a client's tool is left out:
    a request that collides from its start was refused."""
    tools = (*toolbox.tools(), *(pad.tools if pad else ()))
    return {tool.spec.name: tool for tool in tools if not client.runs(tool.spec.name)}


def _ran(
    requested: Sequence[ToolCalled],
    tools: Mapping[str, Tool],
    agent: Agent,
    run: Run,
    pad: Scratchpad | None,
) -> AsyncGenerator[AnyEvent, None]:
    """The calls of one completion, within the limits of the agent."""
    parallel, timeout = agent.parallel_calls, agent.per_call_timeout
    return calls(requested, tools=tools, run=run, parallel=parallel, timeout=timeout, pad=pad)


def _taken(
    call: ToolCalled, seen: set[str], client: ClientTools, run: Run, pad: Scratchpad | None
) -> ToolCalled:
    """A call as it goes on: with an id of its own, and hidden if it only explores the scratchpad.

    The id of a call that goes to the client is ours and cannot be guessed: who sends it back gets
    the rest of the turn.
    """
    if client.runs(call.tool_name):
        tool_id = run.sources.ids("call_")
        call = msgspec.structs.replace(call, tool_id=tool_id, delegated=True)
    elif pad is not None and pad.hidden and pad.explores(call.tool_name):
        call = msgspec.structs.replace(call, hidden=True)
    return distinct(call, seen)


class Heard:
    """What one completion said, as far as the next one and the scratchpad need it."""

    def __init__(self, pad: Scratchpad | None = None) -> None:
        self._pad = pad
        self.text: list[str] = []
        self.calls: list[ToolCalled] = []
        self.usage: TurnUsage | None = None

    def asked(self, prompt: Prompt) -> None:
        """The completion is about to begin."""
        if self._pad is not None:
            self._pad.asked(prompt)

    def add(self, event: AnyEvent) -> None:
        """Count one event of the completion."""
        match event:
            case TextDelta():
                self.text.append(event.text)
            case ToolCalled():
                self.calls.append(event)
            case TurnUsage():
                self.usage = event
                if self._pad is not None:
                    self._pad.reported(event)
            case _:
                pass


class Gathered:
    """What the tools of one round gave."""

    def __init__(self, pad: Scratchpad | None) -> None:
        self.replies: dict[str, ToolReply] = {}
        self._pad = pad
        self._kept: set[str] = set()

    def add(self, event: AnyEvent) -> None:
        """Count one event of the round."""
        match event:
            case ScratchpadStored():
                self._kept.add(event.tool_id)
            case ToolCompleted():
                home = self._pad.home if self._pad and event.tool_id in self._kept else None
                self.replies[event.tool_id] = reply(event, home)
            case _:
                pass


def distinct(call: ToolCalled, seen: set[str]) -> ToolCalled:
    """The call under an id that no other call of the run has; adds it to `seen`.

    Some servers number calls from 0 in every completion; events are correlated by this id.
    """
    tool_id, copy = call.tool_id, 1
    while tool_id in seen:
        copy += 1
        tool_id = f"{call.tool_id}_{copy}"
    seen.add(tool_id)
    return call if tool_id == call.tool_id else msgspec.structs.replace(call, tool_id=tool_id)


def reply(event: ToolCompleted, kept_in: Home | None = None) -> ToolReply:
    """What the model is told about a call that is over."""
    text = event.result if event.success else event.error
    return ToolReply(
        tool_id=event.tool_id,
        tool_name=event.tool_name,
        text=text or "",
        images=event.images,
        kept_in=kept_in,
    )


def noticed(replies: list[ToolReply], notice: str | None) -> list[ToolReply]:
    """The replies, with the notice at the end of the last one."""
    *others, last = replies
    return [*others, msgspec.structs.replace(last, text=with_notice(last.text, notice))]


def tool_usage(requested: Sequence[ToolCalled], usage: TurnUsage) -> ToolUsage:
    """What the completion that asked for these tools was billed."""
    return ToolUsage(
        tool_ids=tuple(call.tool_id for call in requested),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
