"""How long it took from one piece of text to the next, for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

GAPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper bounds for the time between two pieces of text."""


class Gaps(Collector):
    """The histogram of the time between two pieces of text. The library's own takes longer for
    one observation than everything else that we do to a piece."""

    def __init__(self) -> None:
        self._agents: dict[str, GapCounts] = {}

    def of(self, agent: str) -> GapCounts:
        """The counts of one agent."""
        return self._agents.setdefault(agent, GapCounts())

    def collect(self) -> Iterator[Metric]:
        """The histogram as it is now."""
        family = HistogramMetricFamily(
            "aura_text_gap_seconds", "Between two pieces of text of one run.", labels=["agent"]
        )
        bounds = [*map(floatToGoString, GAPS), "+Inf"]
        for agent, gaps in tuple(self._agents.items()):  # scrapes have a thread
            buckets = list(zip(bounds, accumulate(gaps.counts), strict=True))
            family.add_metric([agent], buckets, gaps.seconds)
        yield family


class GapCounts:
    """How many gaps there were of each length, and how long all of them were."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(GAPS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(GAPS, seconds)] += 1
        self.seconds += seconds
