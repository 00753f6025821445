"""One turn of an agent: model, tools, model, until it answers or has had its rounds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from aura.events import (
    AnyEvent,
    CompletionEnded,
    CompletionStarted,
    FinishReason,
    Stopped,
    ToolCalled,
)
from aura.pipeline.agent import Agent
from aura.pipeline.begun import Begun
from aura.pipeline.calls import calls
from aura.pipeline.compose import Events, Failure, opened, settled
from aura.pipeline.delegation import NO_CLIENT_TOOLS, ClientTools, Handover
from aura.pipeline.fallback import spelled_out
from aura.pipeline.manner import PLAIN, Manner, parts
from aura.pipeline.ports import NO_TOOL, Message, Options, Prompt, Scratchpad, Tool, Toolbox
from aura.pipeline.rounds import Gathered, Heard, distinct, noticed, tool_usage
from aura.pipeline.run import Run


async def completion(
    agent: Agent, prompt: Prompt, index: int, run: Run
) -> AsyncGenerator[AnyEvent, None]:
    """One model call: started, what the model says, ended. Raises what the model raised."""
    yield CompletionStarted(agent_id=agent.agent_id, index=index)
    reason: FinishReason | None = None
    failure: Failure | None = None
    answer: Events = Begun(
        lambda: agent.model.stream(prompt),
        run,
        of=agent.model.name,
        account=agent.account,
        seconds=agent.first_chunk_timeout,
        limit=agent.per_call_timeout,
        silence=agent.silence_timeout,
        agent_id=agent.agent_id,
        index=index,
    )
    if agent.fallback_tool_parsing:
        answer = spelled_out(answer, prompt, run.sources.ids)
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
    history: list[Message],
    run: Run,
    *,
    options: Options,
    client: ClientTools = NO_CLIENT_TOOLS,
    pad: Scratchpad | None = None,
    manner: Manner = PLAIN,
) -> AsyncGenerator[AnyEvent, None]:
    """Ask, run the tools that were asked for, ask again; `history` grows by what is said.

    Exactly `agent.turn_depth` rounds of tools; the completion after the last may call none but
    those that decide, so it has to answer with what was gathered. A round that asks for tools of
    the client is the last one: what the turn has gathered is handed over, for the request that
    brings the client's part.
    """
    begun = len(history)
    agent = agent if pad is None else _equipped(agent, pad)
    options = _one_at_a_time(options) if agent.parallel_calls == 1 else options
    asking = Asking(agent, run, options, client, pad, manner, set())
    for index in range(agent.turn_depth + 1):
        left = agent.turn_depth - index
        tools = _own(toolbox, client, pad)
        heard, gathered = Heard(pad), Gathered(pad)
        async with opened(asking.heard(heard, history, tools, index)) as events:
            async for event in events:
                yield event
        asked = heard.message()
        if asked.calls:
            async with opened(asking.gathered(gathered, asked.calls, tools)) as events:
                async for event in events:
                    yield event
            if (used := tool_usage(asked.calls, heard.usage)) is not None:
                yield used
        if any(call.delegated for call in asked.calls):
            replies = [gathered.replies[call.tool_id] for call in asked.calls if not call.delegated]
            client.hand_over(Handover(tuple(history[begun:]), asked, tuple(replies)))
            return
        results = [gathered.reply(call) for call in asked.calls]
        history += [asked, *noticed(results, agent.nudges.notice(left))]
        if not asked.calls or manner.decided():
            return


@dataclass(frozen=True, slots=True)
class Asking:
    """What is the same in every round of a turn; `seen` are the ids of its calls."""

    agent: Agent
    run: Run
    options: Options
    client: ClientTools
    pad: Scratchpad | None
    manner: Manner
    seen: set[str]

    async def heard(
        self, heard: Heard, history: Sequence[Message], tools: Mapping[str, Tool], index: int
    ) -> AsyncGenerator[AnyEvent, None]:
        """A completion of the turn, numbered from 0; also puts it into `heard`."""
        agent, manner, last = self.agent, self.manner, index == self.agent.turn_depth
        shown = (*(tool.spec for tool in tools.values()), *self.client.specs)
        prompt = Prompt(
            agent_id=agent.agent_id,
            system=agent.system,
            messages=tuple(history),
            tools=shown,
            options=self.options,
            live=manner.live,
        )
        if last:
            prompt = _last(prompt, manner.deciding)
        heard.asked(prompt)
        number = index if manner.index is None else manner.index()
        async with opened(completion(agent, prompt, number, self.run)) as events:
            async for event in events:
                if isinstance(event, ToolCalled):
                    if last and event.tool_name not in manner.deciding:
                        self.run.log.warning("model asked for a tool in its last round", tool=event)
                        continue
                    event = self._taken(manner.taken(event))  # noqa: PLW2901 - as it goes on
                heard.add(event)
                yield event

    async def gathered(
        self, gathered: Gathered, asked: Sequence[ToolCalled], tools: Mapping[str, Tool]
    ) -> AsyncGenerator[AnyEvent, None]:
        """The calls of one completion, within the limits of the agent; also puts what came of them
        into `gathered`."""
        for together in parts(asked, self.manner.deciding):
            happens = calls(
                together,
                tools=tools,
                run=self.run,
                parallel=self.agent.parallel_calls,
                timeout=self.agent.per_call_timeout,
                pad=self.pad,
                finished=self.manner.finished,
            )
            async with opened(happens) as events:
                async for event in events:
                    gathered.add(event)
                    yield event
            if self.manner.decided():
                return

    def _taken(self, call: ToolCalled) -> ToolCalled:
        """A call as it goes on: with an id of its own, and hidden if it only explores the
        scratchpad.

        The id of a call that goes to the client is ours and cannot be guessed: who sends it back
        gets the rest of the turn.
        """
        if self.client.runs(call.tool_name):
            tool_id = self.run.sources.ids("call_")
            call = msgspec.structs.replace(call, tool_id=tool_id, delegated=True)
        elif self.pad is not None and self.pad.hidden and self.pad.explores(call.tool_name):
            call = msgspec.structs.replace(call, hidden=True)
        return distinct(call, self.seen)


def _one_at_a_time(options: Options) -> Options:
    return msgspec.structs.replace(options, parallel_tool_calls=False)


def _last(prompt: Prompt, deciding: frozenset[str]) -> Prompt:
    """The last completion of a turn: only tools that decide can be called. Where there are none,
    all stay in the prompt, or what providers keep of it would not fit any more."""
    if tools := tuple(tool for tool in prompt.tools if tool.name in deciding):
        return msgspec.structs.replace(prompt, tools=tools)
    options = msgspec.structs.replace(prompt.options, tool_choice=NO_TOOL)
    return msgspec.structs.replace(prompt, options=options)


def _equipped(agent: Agent, pad: Scratchpad) -> Agent:
    """The agent, told of its scratchpad and with more rounds to use it."""
    system = f"{agent.system}\n\n{pad.guidance}".lstrip()
    return replace(agent, system=system, turn_depth=agent.turn_depth + pad.rounds)


def _own(toolbox: Toolbox, client: ClientTools, pad: Scratchpad | None) -> dict[str, Tool]:
    """The tools that run here. One that turned up under the name of a client's tool is left out:
    a request that collides from its start was refused."""
    tools = (*toolbox.tools(), *(pad.tools if pad else ()))
    return {tool.spec.name: tool for tool in tools if not client.runs(tool.spec.name)}
