"""What becomes of a run whose client has gone."""

from __future__ import annotations

import re

_GRACE = re.compile(r"grace:(\d{1,8}(?:\.\d{1,6})?)", re.ASCII)


def lingering(policy: str) -> float | None:
    """How many seconds a run goes on when nobody watches it: `cancel` is none, `detach` gives
    `None`, for as long as it takes, and `grace:SECS` says it. Raises `ValueError`."""
    if policy == "cancel":
        return 0.0
    if policy == "detach":
        return None
    given = _GRACE.fullmatch(policy)
    if given is None:
        message = f"{policy!r} is not one of cancel, detach, grace:SECS"
        raise ValueError(message)
    return float(given[1])
