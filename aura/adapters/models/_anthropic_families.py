"""What the families of Claude take, as far as the name of a model tells. Pure."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Sampling: TypeAlias = Literal["both", "one", "none"]

UNKNOWN_TOKENS = 8192
"""Tokens of an answer that every model behind this API can be expected to give."""

_KNOWN = {"opus", "sonnet", "haiku", "fable", "mythos", "instant"}

_NAMES = (
    re.compile(r"claude-(?P<kind>[a-z]+)-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)"),
    re.compile(r"claude-(?P<major>\d)(?:[-.](?P<minor>\d))?(?:-(?P<kind>[a-z]+))"),
)
"""`claude-sonnet-4-5-20250929`, and the older `claude-3-5-sonnet-20241022`; gateways put something
before it, or write the version with a dot."""


def most_tokens(model: str) -> int:
    """How long an answer may get when nobody says: as long as the model can make it."""
    kind, version = _family(model)
    if kind not in _KNOWN:
        return UNKNOWN_TOKENS
    if version >= (4, 6):
        return 128_000
    if version >= (4, 0):
        return 32_000 if kind == "opus" and version < (4, 5) else 64_000
    if version >= (3, 7):
        return 64_000
    return 8192 if version >= (3, 5) else 4096


def sampling(model: str) -> Sampling:
    """Whether `temperature` and `top_p` are taken together, one at a time, or not at all."""
    kind, version = _family(model)
    if version >= (4, 7) or "claude-mythos" in model:
        return "none"
    return "one" if kind and version >= (4, 1) else "both"


def binds_thoughts(model: str) -> bool:
    """Whether a thought is refused where other tools are offered than when it was had."""
    kind, version = _family(model)
    return kind in {"fable", "mythos"} and version >= (5, 1)


def _family(model: str) -> tuple[str, tuple[int, int]]:
    """The family and its version; empty and 0.0 for a name that does not say."""
    for names in _NAMES:
        if found := names.search(model):
            return found["kind"], (int(found["major"]), int(found["minor"] or 0))
    return "", (0, 0)
