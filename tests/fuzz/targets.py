"""The parsers that are fuzzed, and what has to be true of each of them, for any bytes.

To add a provider, add a line to `PARSERS` and a folder of seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from aura.adapters.models._anthropic_events import MessageParser
from aura.adapters.models._bedrock_events import EventParser
from aura.adapters.models._gemini_chunks import ChunkParser as GeminiParser
from aura.adapters.models._ollama_lines import LineParser
from aura.adapters.models._openai_chunks import ChunkParser
from aura.adapters.models.exchange import Parser
from aura.adapters.models.joined import joined
from aura.errors import ProviderError
from aura.events import AnyEvent, ToolCalled

SEEDS = Path(__file__).with_name("seeds")

PARSERS: dict[str, Callable[[], Parser]] = {
    "anthropic": lambda: MessageParser("main", model="anthropic/model", ids=str, live={"f"}),
    "bedrock": lambda: EventParser("main", model="bedrock/model", ids=str, live={"f"}),
    "gemini": lambda: GeminiParser("main", model="gemini/model", ids=str, live={"f"}),
    "ollama": lambda: LineParser("main", model="ollama/model", ids=str, live={"f"}),
    "openrouter": lambda: ChunkParser(
        "main", model="openrouter/model", ids=str, live={"f"}, keeps="details"
    ),
    "openai": lambda: ChunkParser("main", model="openai/model", ids=str, live={"f"}, keeps="text"),
}

Outcome: TypeAlias = tuple[list[AnyEvent], tuple[type[ProviderError], str, str] | None]
"""The events, and the error at their end: its class, its words and those of the provider."""


def check(provider: str, data: bytes) -> None:
    """Parse `data` as a stream, at once and in pieces, and as a whole body.

    The first byte says where the stream that follows it is cut. Raises what a parser raises,
    unless it is a `ProviderError`, and `AssertionError` when the pieces change the outcome.
    """
    cutting, stream = data[:1], data[1:]
    at_once = outcome(PARSERS[provider](), [stream])
    in_pieces = outcome(PARSERS[provider](), pieces(stream, cutting))
    assert at_once == in_pieces
    whole = PARSERS[provider]()
    _finished(whole, whole.whole(stream))


def pieces(stream: bytes, cutting: bytes) -> Iterator[bytes]:
    """The stream, cut the same way each time: byte by byte for 0, elsewhere at random for others,
    the larger the rarer."""
    longest = 1 + (cutting[0] if cutting else 0)
    lengths = random.Random(longest)
    start = 0
    while start < len(stream):
        end = start + lengths.randint(1, longest)
        yield stream[start:end]
        start = end


def outcome(parser: Parser, reads: Iterable[bytes]) -> Outcome:
    """What one parser makes of the reads."""
    return _finished(parser, [event for read in reads for event in parser.feed(read)])


def _finished(parser: Parser, events: list[AnyEvent]) -> Outcome:
    """All events with neighbouring pieces of a kind joined, and the error if there is one."""
    failure = None
    try:
        events = events + parser.finish()
    except ProviderError as error:
        failure = (type(error), str(error), error.detail)
    if isinstance(parser, MessageParser):  # goes into the next request
        assert all(parser.said.blocks)
    for event in events:
        assert not isinstance(event, ToolCalled) or (event.tool_id and event.arguments)
    return joined(events), failure
