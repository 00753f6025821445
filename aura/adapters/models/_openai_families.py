"""What the families of OpenAI's own models take, as far as the name of a model tells. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

import msgspec
from msgspec.structs import replace

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
"""How much a model may think, from the least on."""

SAMPLING = frozenset({"temperature", "top_p"})


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken: the `efforts`, and all parameters but those in `refuses` and, unless the
    effort is `none`, in `refuses_thinking`. `effort` is how much is thought when nobody says, and
    `with_tools` what it has to be where there are tools.
    """

    efforts: tuple[str, ...] = ()
    effort: Literal["none", "medium"] = "none"
    with_tools: Literal["none"] | None = None
    refuses: frozenset[str] = frozenset()
    refuses_thinking: frozenset[str] = frozenset()


UNKNOWN = Family(efforts=EFFORTS)
_TALKS = Family()
_SEARCHES = Family(refuses=SAMPLING | {"parallel_tool_calls"})
_ADAPTS = Family(refuses=SAMPLING | {"stop"})
_O_SERIES = Family(
    efforts=("low", "medium", "high"),
    effort="medium",
    refuses=SAMPLING | {"stop", "parallel_tool_calls"},
)
_GPT_5 = Family(
    efforts=("minimal", "low", "medium", "high"), effort="medium", refuses=SAMPLING | {"stop"}
)
_GPT_5_1 = Family(
    efforts=("none", "low", "medium", "high"),
    refuses=frozenset({"stop"}),
    refuses_thinking=SAMPLING,
)
_GPT_5_2 = replace(_GPT_5_1, efforts=("none", "low", "medium", "high", "xhigh"))
_GPT_5_5 = replace(_GPT_5_2, effort="medium")
_GPT_5_6 = replace(_GPT_5_5, with_tools="none", refuses=SAMPLING | {"stop"})

_FAMILIES = tuple(
    (re.compile(rf"(?<![a-z0-9.]){pattern}"), family)
    for pattern, family in (
        (r"gpt-\w+(-mini)?-search", _SEARCHES),
        (r"gpt-5-chat", _TALKS),
        (r"gpt-5\.\d-chat", _ADAPTS),
        (r"o[134](?![a-z0-9])", _O_SERIES),
        (r"gpt-5(?![.\d])", _GPT_5),
        (r"gpt-5\.1(?!\d)", _GPT_5_1),
        (r"gpt-5\.[234](?!\d)", _GPT_5_2),
        (r"gpt-5\.5(?!\d)", _GPT_5_5),
        (r"gpt-5\.\d", _GPT_5_6),
        (r"(chat)?gpt-[34]", _TALKS),
    )
)
"""The first that fits; fine-tuned models and deployments have something around it."""


@cache
def family(model: str) -> Family:
    """The family of a model; one that takes everything for a name that says nothing."""
    return next((found for names, found in _FAMILIES if names.search(model)), UNKNOWN)


def effort(taken: Family, asked: str | None, *, tools: bool) -> str | None:
    """The effort to ask for: what was asked, or where the family does not know that, the next
    that it knows; nothing where it knows none."""
    if tools and taken.with_tools:
        return taken.with_tools
    if asked not in EFFORTS or asked in taken.efforts:
        return asked
    more = [each for each in EFFORTS[EFFORTS.index(asked) :] if each in taken.efforts]
    return more[0] if more else next(reversed(taken.efforts), None)


def refused(taken: Family, effort: str | None) -> frozenset[str]:
    """The parameters that are refused with this effort."""
    thinks = (effort or taken.effort) != "none"
    return taken.refuses | taken.refuses_thinking if thinks else taken.refuses
