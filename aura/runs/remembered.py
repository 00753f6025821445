"""Ids of runs that are not there any more, for those who still ask."""

from __future__ import annotations

from hashlib import blake2b

MOST = 4096
"""Ids that are remembered; older ones are forgotten."""

BYTES = 8
"""What is kept of each."""


class Remembered:
    """The last `MOST` ids that were added, in a space that is there from the beginning: among
    objects that come and go with runs, thousands of small ones that stay would keep whole blocks
    of memory from being given back."""

    def __init__(self) -> None:
        self._digests = bytearray(MOST * BYTES)
        self._next = 0

    def add(self, run_id: str) -> None:
        """Remember one more."""
        self._digests[self._next : self._next + BYTES] = _digest(run_id)
        self._next = (self._next + BYTES) % len(self._digests)

    def __contains__(self, run_id: str) -> bool:
        return _digest(run_id) in self._digests


def _digest(run_id: str) -> bytes:
    return blake2b(run_id.encode(), digest_size=BYTES).digest()
