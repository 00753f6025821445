"""All seeds, and what was once found, through the targets of the fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import PARSERS, SEEDS, check, pieces

EACH = [(provider, path) for provider in PARSERS for path in sorted(SEEDS.glob(f"{provider}/*"))]


@pytest.mark.parametrize(
    ("provider", "path"), EACH, ids=[f"{provider}-{path.stem}" for provider, path in EACH]
)
def test_a_seed_has_the_same_outcome_however_it_is_cut(provider: str, path: Path) -> None:
    data = path.read_bytes()
    for cutting in (data[:1], b"\x00", b"\x07", b"\xff"):
        check(provider, cutting + data[1:])


def test_every_provider_has_seeds() -> None:
    assert {provider for provider, _ in EACH} == PARSERS.keys()
    assert {path.name for path in SEEDS.iterdir()} == PARSERS.keys()


def test_pieces_are_the_whole() -> None:
    stream = bytes(range(256))
    cut = [list(pieces(stream, bytes([cutting]))) for cutting in (0, 3, 255)]
    assert [b"".join(each) for each in cut] == [stream] * 3
    assert [len(each) for each in cut] == sorted({len(each) for each in cut}, reverse=True)
    assert len(cut[0]) == 256
