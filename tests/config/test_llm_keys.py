"""The [agent.llm] table."""

from __future__ import annotations

from typing import Any

import pytest

from aura.config import Secret
from aura.errors import ConfigError

AGENT = '[agent]\nname = "A"\nsystem_prompt = "p"\n[agent.llm]\n'

ACCEPTED = [
    ("B06-base_url", 'base_url = "http://gw:4000/v1"', "base_url", "http://gw:4000/v1"),
    (
        "B06-params",
        'additional_params = { seed = 11, tier = "flex" }',
        "additional_params",
        {"seed": 11, "tier": "flex"},
    ),
    ("B07-base_url", "", "base_url", None),
    ("B07-max_tokens", "", "max_tokens", None),
    ("B07-context_window", "", "context_window", None),
    ("B07-temperature", "", "temperature", None),
    ("B07-reasoning_effort", "", "reasoning_effort", None),
    ("B07-params", "", "additional_params", None),
    ("B07-provider", "", "provider", "openai"),
    ("B07-api_key", "", "api_key", Secret("k-1")),
    *[
        (f"B11-B16-{word}", f'reasoning_effort = "{word}"', "reasoning_effort", word)
        for word in ("none", "minimal", "low", "medium", "high", "xhigh")
    ],
    ("B28", "fallback_tool_parsing = true", "fallback_tool_parsing", True),
    ("max-calls", "", "max_concurrent_calls", 0),
    ("max-calls-set", 'max_concurrent_calls = "4"', "max_concurrent_calls", 4),
    ("B19", "max_tokens = 8000.0", "max_tokens", 8000),
    ("B20", 'max_tokens = "8000"', "max_tokens", 8000),
    ("B21", "context_window = 128_000", "context_window", 128000),
    ("B24", "temperature = 1", "temperature", 1.0),
    ("B25", 'temperature = "0.3"', "temperature", 0.3),
    (
        "date",
        "additional_params = { day = 2026-01-02, at = [07:30:00] }",
        "additional_params",
        {"day": "2026-01-02", "at": ["07:30:00"]},
    ),
    (
        "no-coercion",
        'additional_params = { a = "1", b = [2.0, "true"] }',
        "additional_params",
        {"a": "1", "b": [2.0, "true"]},
    ),
]

REFUSED = [
    ("B09", 'api_key = ""', "validation", ["LLM API key is required", "[agent.llm]"]),
    ("B10", 'api_key = "   "', "validation", ["LLM API key is required", "[agent.llm]"]),
    ("B17", 'reasoning_effort = "max"', "parse", ["'max'", "low", "medium", "high"]),
    ("B18", 'reasoning_effort = "High"', "parse", ["'High'"]),
    ("B22", "context_window = 0.5", "parse", ["whole number", "0.5"]),
    ("B23", "context_window = -1", "parse", ["non-negative", "-1"]),
    ("B26", "temperature = -3.0", "validation", ["temperature", "at least 0", "-3.0"]),
    ("B26-nan", "temperature = nan", "validation", ["temperature", "finite number"]),
    ("B26-inf", 'temperature = "1e999"', "validation", ["temperature", "finite number"]),
    ("B26-bool", "temperature = true", "parse", ["temperature", "boolean"]),
    ("B26-word", 'temperature = "warm"', "parse", ["temperature", "'warm'"]),
    ("max-calls", "max_concurrent_calls = -1", "parse", ["max_concurrent_calls", "non-negative"]),
    (
        "per-call",
        "per_call_timeout_secs = 60",
        "parse",
        ["unknown field `per_call_timeout_secs`", "it belongs in [agent]"],
    ),
    ("B27", "shiny = true", "parse", ["unknown field `shiny`", "context_window"]),
    ("B29", 'region = "eu-west-1"', "parse", ["unknown field `region`", "bedrock"]),
    ("B30", 'additional_params = "fast"', "parse", ["additional_params", "must be a table"]),
    (
        "B41",
        "num_ctx = 8192",
        "parse",
        ["unknown field `num_ctx`", "[agent.llm.additional_params]"],
    ),
    (
        "B42",
        "num_predict = 64",
        "parse",
        ["unknown field `num_predict`", "[agent.llm.additional_params]"],
    ),
    ("B46", 'model = ""', "validation", ["`model` of [agent.llm] must not be empty"]),
    ("sibling", 'script = "x"', "parse", ["unknown field `script`", "provider = 'scripted'"]),
    (
        "nan-param",
        "additional_params = { x = [nan] }",
        "validation",
        ["agent.llm.additional_params.x.0", "JSON"],
    ),
    ("scheme", 'base_url = "gw:4000"', "validation", ["base_url", "http://", "https://"]),
]

WORDS = [
    ("B03", 'model = "m"', ["agent.llm.provider", "missing", "openai", "scripted"]),
    (
        "B04",
        'provider = "mistral"',
        ["'mistral'", "openai", "anthropic", "bedrock", "gemini", "ollama"],
    ),
    ("B05", 'provider = "OpenAI"', ["'OpenAI'", "openai"]),
    ("not-a-word", "provider = 3", ["agent.llm.provider", "must be a string", "openai"]),
    ("B08", 'provider = "openai"\nmodel = "m"', ["agent.llm.api_key", "missing"]),
    ("no-script", 'provider = "scripted"', ["agent.llm.script", "missing"]),
]


@pytest.mark.parametrize(
    ("snippet", "key", "expected"), [pytest.param(*rest, id=case) for case, *rest in ACCEPTED]
)
def test_a_key_of_the_model_is_read(loaded: Any, snippet: str, key: str, expected: object) -> None:
    [config] = loaded("OPENAI", snippet and f"[agent.llm]\n{snippet}").configs
    assert getattr(config.agent.llm, key) == expected


@pytest.mark.parametrize(
    ("snippet", "kind", "mentions"), [pytest.param(*rest, id=case) for case, *rest in REFUSED]
)
def test_a_wrong_key_of_the_model_is_one_problem(
    loaded: Any, snippet: str, kind: str, mentions: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("OPENAI", f"[agent.llm]\n{snippet}")
    [problem] = caught.value.problems
    assert problem.kind == kind
    assert [each for each in mentions if each not in str(problem)] == []


@pytest.mark.parametrize(
    ("text", "mentions"), [pytest.param(*rest, id=case) for case, *rest in WORDS]
)
def test_a_table_that_selects_no_model_is_one_problem(
    loaded: Any, text: str, mentions: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("RAW", AGENT + text)
    [problem] = caught.value.problems
    assert [each for each in mentions if each not in str(problem)] == []


@pytest.mark.parametrize(
    ("base", "snippet"),
    [
        pytest.param("RAW", AGENT.replace("agent.llm", "llm") + 'provider = "openai"', id="B01"),
        pytest.param("SCRIPTED", 'llm.model = "m2"', id="B02"),
    ],
)
def test_a_top_level_llm_is_refused_with_the_way_to_move_it(
    loaded: Any, base: str, snippet: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(base, snippet)
    [problem] = [each for each in caught.value.problems if each.path == "llm"]
    mentions = [
        "legacy top-level [llm]",
        "[agent.llm]",
        "additional_params",
        "orchestration.worker",
    ]
    assert problem.kind == "validation"
    assert [each for each in mentions if each not in problem.message] == []


def test_a_scripted_model_needs_only_its_script(loaded: Any) -> None:
    [config] = loaded("SCRIPTED").configs
    llm = config.agent.llm
    assert (llm.provider, llm.model, llm.script) == ("scripted", "scripted", "replies.toml")


def test_a_scripted_model_can_be_bounded_too(loaded: Any) -> None:
    [config] = loaded("SCRIPTED", "[agent.llm]\nmax_concurrent_calls = 2").configs
    assert config.agent.llm.max_concurrent_calls == 2


@pytest.mark.parametrize(
    ("snippet", "same"),
    [
        ('base_url = "https://api.openai.com/v1/"', True),
        ('model = "another"\nmax_tokens = 9', True),
        ('api_key = "k-2"', False),
        ('base_url = "https://gw/v1"', False),
    ],
)
def test_an_account_is_where_a_key_is_used(loaded: Any, snippet: str, same: bool) -> None:
    [one] = loaded("OPENAI").configs
    [other] = loaded("OPENAI", f"[agent.llm]\n{snippet}").configs
    assert (one.agent.llm.account == other.agent.llm.account) == same


def test_an_account_does_not_show_its_key(loaded: Any) -> None:
    [config] = loaded("OPENAI", 'agent.llm.api_key = "very-secret"').configs
    assert "very-secret" not in repr(config.agent.llm.account)


def test_a_reply_as_long_as_the_window_is_one_warning(loaded: Any) -> None:
    [warning] = loaded("OPENAI", "[agent.llm]\nmax_tokens = 9\ncontext_window = 9").warnings
    assert warning.path == "agent.llm.max_tokens"
