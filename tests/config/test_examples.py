"""The shipped configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec.inspect
import pytest

from aura.config import Document, OpenAI, load

EXAMPLES = Path(__file__).parents[2] / "examples"
REFERENCE = EXAMPLES / "reference.toml"
KEYS = {f"{name}_API_KEY": "k" for name in ("ANTHROPIC", "GEMINI", "OPENAI", "OPENROUTER")}


def keys(kind: object) -> set[str]:
    """Every key that can be written somewhere below a type of the schema."""
    match kind:
        case msgspec.inspect.StructType():
            own = {field.encode_name for field in kind.fields} | {kind.tag_field}
            return own.union(*(keys(field.type) for field in kind.fields)) - {None}
        case msgspec.inspect.UnionType():
            return set().union(*map(keys, kind.types))
        case msgspec.inspect.Metadata():
            return keys(kind.type)
        case msgspec.inspect.DictType():
            return keys(kind.value_type)
    return set()


def test_the_reference_loads_without_any_variable() -> None:
    loaded = load(REFERENCE, {})
    assert loaded.warnings == ()
    assert [type(config.agent.llm) for config in loaded.configs] == [OpenAI]


def test_the_reference_has_every_key_of_the_schema() -> None:
    lines = [line.lstrip("# ") for line in REFERENCE.read_text().splitlines()]
    written = {line.split(" = ")[0] for line in lines}
    headers = {part for line in lines for part in line.strip("[]").split(".")}
    assert keys(msgspec.inspect.type_info(Document)) - written - headers == set()


@pytest.mark.parametrize(
    "key",
    [
        "turn_depth",
        "hidden",
        "allow_request_overrides",
        "parallel_tool_calls",
        "max_parallel_tool_calls",
    ],
)
def test_the_reference_spells_out_the_defaults_of_the_agent(key: str) -> None:
    [config] = load(REFERENCE, {}).configs
    [field] = [each for each in agent_fields() if each.name == key]
    assert getattr(config.agent, key) == field.default


def agent_fields() -> tuple[Any, ...]:
    schema: Any = msgspec.inspect.type_info(Document)
    return tuple(schema.fields[0].type.fields)


def test_the_other_models_of_the_reference_load(tmp_path: Path) -> None:
    text, *others = REFERENCE.read_text().split("# [agent.llm]\n")
    file, before, providers = tmp_path / "a.toml", text.split("[agent.llm]\n")[0], []
    for other in others:
        block, _ = other.split("\n\n", 1)
        table = "".join(line.removeprefix("# ") for line in block.splitlines(keepends=True))
        file.write_text(f"{before}[agent.llm]\n{table}")
        [config] = load(tmp_path, KEYS).configs
        providers.append(config.agent.llm.provider)
    assert providers == ["anthropic", "bedrock", "gemini", "ollama", "openrouter", "scripted"]


@pytest.mark.parametrize(
    "file", sorted((EXAMPLES / "minimal").glob("*.toml")), ids=lambda f: f.name
)
def test_a_minimal_example_needs_one_key(file: Path) -> None:
    [config] = load(file, KEYS).configs
    assert config.agent.llm.provider == file.stem
