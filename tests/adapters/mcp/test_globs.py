"""Globs over tool names: filters, and which results are too large."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.adapters.mcp.globs import longest, matches

NAMES = st.text(st.sampled_from("ab_"), max_size=8)
GLOBS = st.text(st.sampled_from("ab_*?"), max_size=6)


@given(GLOBS, NAMES)
def test_a_glob_fits_what_the_same_expression_fits(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    assert matches(pattern, name) == bool(re.fullmatch(expression, name, re.DOTALL))


@given(st.lists(st.tuples(GLOBS, st.integers(0, 5))), NAMES)
def test_the_longest_glob_counts_and_of_equal_ones_the_smaller_limit(
    limits: list[tuple[str, int]], name: str
) -> None:
    best: tuple[str, int] | None = None
    for pattern, limit in limits:
        if not matches(pattern, name):
            continue
        longer = best is None or len(pattern) > len(best[0])
        if longer or (best and len(pattern) == len(best[0]) and limit < best[1]):
            best = (pattern, limit)
    assert longest(limits, name) == (best and best[1])


@pytest.mark.parametrize(
    ("name", "limit"),
    [("k8s_list_service_monitors", 384), ("k8s_list_namespaces", 512), ("get_log_histogram", 256)],
)
def test_the_worked_example(name: str, limit: int) -> None:
    limits = [("*", 256), ("k8s_list_*", 512), ("k8s_list_service_monitors", 384)]
    assert longest(limits, name) == limit
