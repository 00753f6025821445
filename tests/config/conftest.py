"""A base document, a snippet merged over it, and what loading the two gives."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aura.config import Loaded, load

# A scripted model stands for "some provider that needs no key".
BASES: dict[str, Any] = {
    "SCRIPTED": {
        "agent": {
            "name": "Solo",
            "system_prompt": "Be brief.",
            "llm": {"provider": "scripted", "script": "replies.toml"},
        }
    },
    "OPENAI": {
        "agent": {
            "name": "Solo",
            "system_prompt": "Be brief.",
            "llm": {"provider": "openai", "api_key": "k-1", "model": "gpt-test"},
        }
    },
    "ORC": {
        "agent": {
            "name": "Lead",
            "system_prompt": "Route work.",
            "llm": {"provider": "openai", "api_key": "k-1", "model": "gpt-test"},
        },
        "orchestration": {
            "enabled": True,
            "worker": {"ops": {"description": "Operations", "preamble": "You run checks."}},
        },
    },
    "RAW": {},
}


def merged(base: Any, over: Any) -> Any:
    """Tables merge, everything else is replaced."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


def written(value: Any) -> str:
    """The value as inline TOML."""
    match value:
        case dict():
            return f"{{{', '.join(f'{json.dumps(k)} = {written(v)}' for k, v in value.items())}}}"
        case list():
            return f"[{', '.join(map(written, value))}]"
        case bool() | str():
            return json.dumps(value)
    return str(value)


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Loaded]:
    def load_merged(base: str, snippet: str = "", **environ: str) -> Loaded:
        document = merged(BASES[base], tomllib.loads(snippet))
        lines = (f"{json.dumps(key)} = {written(value)}" for key, value in document.items())
        file = tmp_path / "case.toml"
        file.write_text("\n".join(lines))
        return load(file, environ)

    return load_merged
