"""What is secret is not shown, wherever it is printed."""

from __future__ import annotations

import copy
import json
import pickle
import tomllib
from typing import Any

import msgspec
import pytest

from aura.config import Secret, as_json, as_toml

SECRET = Secret("hunter2")

CONFIG = """
    [agent.llm]
    api_key = "private-1"
    base_url = "https://me:private-2@gw/v1?token=private-3&mode=fast"
    max_tokens = 7
    additional_params = { api_key = "private-4", user = "u", deep = [{ auth_token = "private-5" }] }
    [mcp.servers.hub]
    transport = "http_streamable"
    url = "https://private-6@h/mcp?api_key=private-7"
    headers = { X-Any = "private-8" }
    [mcp.servers.loc]
    transport = "stdio"
    cmd = ["run", "--token", "private-9", "--api-key=private-10", "--verbose", "shown"]
    env = { ANY = "private-11" }
"""


@pytest.mark.parametrize("shown", [str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET:>9}"])
def test_printing_shows_a_mask(shown: str) -> None:
    assert "***" in shown
    assert "hunter2" not in shown


def test_a_secret_is_its_text_and_nothing_else() -> None:
    assert SECRET.reveal() == "hunter2"
    assert Secret("hunter2") == SECRET
    assert hash(Secret("hunter2")) == hash(SECRET)
    assert Secret("other") != SECRET
    assert SECRET != "hunter2"


def test_a_secret_does_not_change() -> None:
    with pytest.raises(AttributeError):
        SECRET._text = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del SECRET._text


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, msgspec.to_builtins])
def test_encoders_refuse_a_secret(encode: Any) -> None:
    with pytest.raises(TypeError):
        encode({"key": SECRET})


def test_copies_are_equal() -> None:
    assert copy.deepcopy(SECRET) == SECRET
    assert pickle.loads(pickle.dumps(SECRET)) == SECRET


@pytest.mark.parametrize("render", [as_toml, as_json, repr])
def test_no_secret_is_in_a_rendered_config(loaded: Any, render: Any) -> None:
    [config] = loaded("OPENAI", CONFIG).configs
    text = render(config.agent.llm.api_key if render is repr else config)
    assert "private" not in text
    assert "***" in text


def test_what_is_not_secret_stays(loaded: Any) -> None:
    [config] = loaded("OPENAI", CONFIG).configs
    shown = tomllib.loads(as_toml(config))
    assert shown == prune(json.loads(as_json(config)))
    assert shown["agent"]["llm"]["max_tokens"] == 7
    assert shown["agent"]["llm"]["base_url"] == "https://***@gw/v1?token=***&mode=fast"
    assert shown["agent"]["llm"]["additional_params"]["user"] == "u"
    assert shown["mcp"]["servers"]["loc"]["cmd"][-2:] == ["--verbose", "shown"]


def prune(tree: Any) -> Any:
    """The tree as TOML can say it: without nulls and without empty tables."""
    if isinstance(tree, list):
        return [prune(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    kept = {key: prune(value) for key, value in tree.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}
