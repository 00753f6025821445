"""What a lane found, as rows that are printed and saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure. `direct` and `through` are what it was taken from, without and with Aura."""

    what: str
    value: float
    unit: str
    target: float | None = None
    direct: float | None = None
    through: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the direct figure."""
        if self.through is None or not self.direct:
            return None
        return self.through / self.direct


HEADER = ("", "value", "unit", "target", "direct", "through", "ratio", "")


def show(title: str | None, rows: Sequence[Row]) -> None:
    """Print one table."""
    lines = [HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    print(f"\n{(title or '').splitlines()[0]}")
    for line in lines:
        cells = [
            cell.ljust(width) if column in (0, 2, 7) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    return (
        row.what,
        number(row.value),
        row.unit,
        number(row.target),
        number(row.direct),
        number(row.through),
        ratio,
        row.note,
    )


def number(value: float | None) -> str:
    """A figure with about three digits that matter."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def middle(values: Iterable[float]) -> float:
    """The median."""
    return median(values)
