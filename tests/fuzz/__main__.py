"""python -m tests.fuzz PROVIDER SECONDS: look for bytes that a parser does not stand.

What is found is kept in a file whose name is printed; as a seed it becomes a test.
"""

from __future__ import annotations

import argparse
import importlib
import random
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

VALUE = re.compile(rb':("(?:[^"\\]|\\.)*"|-?\d+|null|true|\[\]|\{\})')

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
        custom_mutator=mutated,
    )
    atheris.Fuzz()


def mutated(data: bytes, most: int, seed: int) -> bytes:
    """Another input, made by bytes or, as often, by whole frames and values: most of what the
    former gives is no JSON."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        return atheris.Mutate(data, most)
    frames = data[1:].split(b"\n\n")
    place = chance.randrange(len(frames))
    match chance.choice(("repeat", "remove", "swap", "value")):
        case "repeat":
            frames.insert(place, chance.choice(frames))
        case "remove":
            del frames[place]
        case "swap":
            other = chance.randrange(len(frames))
            frames[place], frames[other] = frames[other], frames[place]
        case _:
            frames[place] = with_another_value(frames[place], VALUE.findall(data), chance)
    return (data[:1] + b"\n\n".join(frames))[:most]


def with_another_value(frame: bytes, values: list[bytes], chance: random.Random) -> bytes:
    """The frame, in which one JSON value is one of these, if there are any."""
    found = list(VALUE.finditer(frame))
    if not found or not values:
        return frame
    start, end = chance.choice(found).span(1)
    return frame[:start] + chance.choice(values) + frame[end:]


def words(seeds: Path) -> str:
    """What is worth writing somewhere, as libFuzzer wants it: the names in the seeds and more."""
    text = b"".join(path.read_bytes() for path in seeds.iterdir())
    names = {match.decode() for match in re.findall(rb'"\w+"', text)}
    punctuation = {"\\ud83d", "data: ", "data:", "event: ", "[DONE]", "},{", "null", "-1", "1e99"}
    found = (each.replace("\\", "\\\\").replace('"', '\\"') for each in names | punctuation)
    return "".join(f'"{each}"\n' for each in [*sorted(found), "\\x0d\\x0a\\x0d\\x0a", "\\x0a\\x0a"])


if __name__ == "__main__":
    main()
