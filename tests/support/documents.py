"""JSON documents of every shape, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

KEYS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["a.b", "a[0]", "0", "", "$", "a b", 'q"q', "\\", "é", "items"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)
DOCUMENTS = st.lists(VALUES, max_size=4) | st.dictionaries(KEYS, VALUES, max_size=4)
