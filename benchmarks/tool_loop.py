"""The tool loop without Aura: rounds with a model and the client of the `mcp` package, by hand."""

from __future__ import annotations

from time import perf_counter_ns, process_time_ns

import msgspec
from mcp import Client
from mcp_types import CallToolResult, TextContent, Tool

from benchmarks.client import Connection
from benchmarks.tool_upstream import DEPTH, TOKENS
from benchmarks.upstream import text

SYSTEM = "You are measured."
QUESTION = "How many bolts and nuts are there?"

ANSWER = text(TOKENS)
"""What the model says in the end."""


class Function(msgspec.Struct):
    """What to call, or a piece of it."""

    name: str = ""
    arguments: str = ""


class Call(msgspec.Struct):
    """A call, or a piece of it."""

    function: Function
    id: str = ""
    type: str = "function"


class Delta(msgspec.Struct):
    """The calls of a chunk."""

    tool_calls: list[Call] = []


class Choice(msgspec.Struct):
    """The one choice of a chunk."""

    delta: Delta


class Chunk(msgspec.Struct):
    """The part of a chunk that makes a call."""

    choices: list[Choice]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Chunk).decode
_decode_arguments = msgspec.json.Decoder(dict[str, object]).decode


class Taken(msgspec.Struct, frozen=True):
    """What one request took, in milliseconds: all of it, its calls of tools, CPU time."""

    whole: float
    tools: float
    cpu: float


class Loop:
    """The loop over a connection to a model and a client that is connected already."""

    def __init__(self, connection: Connection, client: Client, tools: list[Tool]) -> None:
        self._connection = connection
        self._client = client
        self._tools = [_offered(tool) for tool in tools]

    async def ask(self) -> Taken:
        """The question, and everything that it takes to answer it."""
        messages: list[object] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": QUESTION},
        ]
        begun, cpu, tools = perf_counter_ns(), process_time_ns(), 0
        for _ in range(DEPTH):
            call = await self._asked(messages)
            called = perf_counter_ns()
            result = await self._client.call_tool(
                call.function.name, _decode_arguments(call.function.arguments)
            )
            tools += perf_counter_ns() - called
            messages += [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": call.id, "content": _said(result)},
            ]
        heard = await self._connection.ask(_body(messages))
        whole, cpu = heard.times[-1] - begun, process_time_ns() - cpu
        insist(heard.text())
        return Taken(whole / 1e6, tools / 1e6, cpu / 1e6)

    async def _asked(self, messages: list[object]) -> Call:
        """The call that the model asks for."""
        heard = await self._connection.ask(_body(messages, tools=self._tools))
        chunks = [_decode(data) for data in heard.events() if data != b"[DONE]"]
        choices = [choice for chunk in chunks for choice in chunk.choices]
        call, *pieces = [call for choice in choices for call in choice.delta.tool_calls]
        call.function.arguments = "".join(piece.function.arguments for piece in pieces)
        return call


def insist(answer: str) -> None:
    """Raises when the answer is another one, as it is after a call that failed."""
    if answer != ANSWER:
        message = f"an answer is not what it should be: {answer!r}"
        raise RuntimeError(message)


def _body(messages: list[object], **more: object) -> bytes:
    """A request as Aura makes it."""
    return _encode(
        {
            "model": "gpt-4o-mini",
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            **more,
        }
    )


def _offered(tool: Tool) -> object:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.input_schema,
        },
    }


def _said(result: CallToolResult) -> str:
    return "".join(block.text for block in result.content if isinstance(block, TextContent))
