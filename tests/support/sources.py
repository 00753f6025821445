"""Time, ids and chance that are the same in every test."""

from __future__ import annotations

from collections import Counter

from aura.pipeline.run import Sources

NEW_YEAR = 1767225600.0
"""The only moment that tests know: 2026-01-01T00:00:00Z."""


def fixed_sources() -> Sources:
    """A clock that stands still, ids that count per prefix, and no luck."""
    counts: Counter[str] = Counter()

    def ids(prefix: str) -> str:
        counts[prefix] += 1
        return f"{prefix}{counts[prefix]}"

    return Sources(clock=lambda: 0.0, now=lambda: NEW_YEAR, ids=ids, chance=lambda: 0.0)
