"""python -m tests.fuzz PROVIDER SECONDS: look for bytes that a parser does not stand.

What is found is kept in a file whose name is printed; as a seed it becomes a test.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("python -m tests.fuzz needs atheris: pip install atheris")

LONGEST = 8192
"""Bytes of an input: room for some frames, and for one that nests too deeply."""

SLOWEST = 5
"""Seconds that one input may take."""

with atheris.instrument_imports(include=["aura.adapters.models"]):
    targets = importlib.import_module("tests.fuzz.targets")


def main() -> None:
    """Fuzz one parser for a while, from its seeds on."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz a parser.")
    parser.add_argument("provider", choices=sorted(targets.PARSERS))
    parser.add_argument("seconds", type=int)
    given = parser.parse_args()
    seeds = targets.SEEDS / given.provider
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{given.provider}-"))
    (folder / "corpus").mkdir()
    (folder / "words").write_text(words(seeds))
    options = (
        f"-max_total_time={given.seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={SLOWEST}",
        f"-dict={folder / 'words'}",
        f"-artifact_prefix={folder}/",
    )
    atheris.Setup(
        [sys.argv[0], *options, str(folder / "corpus"), str(seeds)],
        lambda data: targets.check(given.provider, data),
    )
    atheris.Fuzz()


def words(seeds: Path) -> str:
    """What is worth writing somewhere, as libFuzzer wants it: the names in the seeds and more."""
    text = b"".join(path.read_bytes() for path in seeds.iterdir())
    names = {match.decode() for match in re.findall(rb'"\w+"', text)}
    punctuation = {"\\ud83d", "data: ", "data:", "event: ", "[DONE]", "},{", "null", "-1", "1e99"}
    found = (each.replace("\\", "\\\\").replace('"', '\\"') for each in names | punctuation)
    return "".join(f'"{each}"\n' for each in [*sorted(found), "\\x0d\\x0a\\x0d\\x0a", "\\x0a\\x0a"])


if __name__ == "__main__":
    main()
