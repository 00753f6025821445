"""How many runs there may be at the same time, in all and for one caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aura.errors import RequestError

RETRY_AFTER = 1.0
"""Seconds after which it makes sense to ask again."""


class Admission:
    """Counts what is under way: at most `most` in all and `most_each` for one owner, 0 for as
    many as come."""

    def __init__(self, *, most: int = 0, most_each: int = 0) -> None:
        self._most = most
        self._most_each = most_each
        self._all = 0
        self._each: Counter[str] = Counter()

    @contextmanager
    def slot(self, owner: str) -> Iterator[None]:
        """Take one place for the block. Raises `RequestError` (429) when there is none."""
        if self._most and self._all >= self._most:
            raise _refused(
                f"The server already answers {self._most} requests, as many as it is allowed to"
                " (--max-concurrent-requests)."
            )
        if self._most_each and self._each[owner] >= self._most_each:
            raise _refused(
                f"{self._most_each} requests with your token are being answered, as many as a"
                " token may have at the same time (--max-concurrent-requests-per-token)."
            )
        self._all += 1
        self._each[owner] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._each[owner] -= 1
            if not self._each[owner]:
                del self._each[owner]


def _refused(reason: str) -> RequestError:
    return RequestError(
        f"{reason} Try again.",
        status=429,
        type="rate_limit_error",
        code="too_many_requests",
        retry_after=RETRY_AFTER,
    )
