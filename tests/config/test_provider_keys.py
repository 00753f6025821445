"""The [agent.llm] tables of the providers beside OpenAI."""

from __future__ import annotations

from typing import Any

import pytest

from aura.config import Secret
from aura.errors import ConfigError

MODELS = {
    "anthropic": 'api_key = "a"\nmodel = "claude-x"\n',
    "gemini": 'api_key = "g"\nmodel = "gemini-x"\n',
    "ollama": 'model = "qwen3"\n',
    "openrouter": 'api_key = "o"\nmodel = "vendor/model"\n',
    "bedrock": 'model = "vendor.model-v1:0"\nregion = "eu-west-1"\n',
}

ACCEPTED = [
    (
        "B31",
        "anthropic",
        """max_tokens = 4000
        additional_params.thinking = { type = "enabled", budget_tokens = 2000 }""",
        {
            "provider": "anthropic",
            "api_key": Secret("a"),
            "base_url": None,
            "max_tokens": 4000,
            "additional_params": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        },
    ),
    (
        "B35",
        "bedrock",
        'profile = "team"\ntool_images = false\nbase_url = "http://127.0.0.1:9"',
        {
            "provider": "bedrock",
            "region": "eu-west-1",
            "profile": "team",
            "tool_images": False,
            "base_url": "http://127.0.0.1:9",
        },
    ),
    (
        "B33",
        "gemini",
        "temperature = 0.1\nmax_tokens = 300",
        {"provider": "gemini", "temperature": 0.1, "max_tokens": 300},
    ),
    (
        "B39",
        "ollama",
        "",
        {
            "base_url": "http://localhost:11434",
            "fallback_tool_parsing": False,
            "additional_params": None,
            "api_key": Secret(""),
        },
    ),
    (
        "B40",
        "ollama",
        """base_url = "http://box:11434"
        fallback_tool_parsing = true
        temperature = 0.7
        additional_params = { num_ctx = 4096, num_predict = 256, top_p = 0.9, think = true }""",
        {
            "base_url": "http://box:11434",
            "fallback_tool_parsing": True,
            "max_tokens": None,
            "additional_params": {
                "num_ctx": 4096,
                "num_predict": 256,
                "top_p": 0.9,
                "think": True,
            },
        },
    ),
    ("B43", "ollama", 'api_key = "unused"', {"api_key": Secret("unused")}),
    ("B44", "openrouter", "", {"provider": "openrouter", "base_url": None}),
    ("B35-plain", "bedrock", "", {"profile": None, "tool_images": None, "base_url": None}),
]

REFUSED = [
    ("B32", "anthropic", 'reasoning_effort = "low"', ["unknown field", "provider = 'openai'"]),
    ("B36", "bedrock", "region", ["missing required key `region`"]),
    ("B37", "bedrock", 'region = ""', ["`region` of [agent.llm]", "name of an AWS region"]),
    ("host", "bedrock", 'region = "eu.example.com/"', ["name of an AWS region"]),
    ("B38", "bedrock", 'api_key = "k"', ["unknown field `api_key`", "`profile`"]),
    ("B34", "gemini", 'api_key = ""', ["LLM API key is required", "[agent.llm]"]),
    ("B41", "ollama", "num_ctx = 8192", ["unknown field", "[agent.llm.additional_params]"]),
    ("B42", "ollama", "num_predict = 9", ["unknown field", "[agent.llm.additional_params]"]),
    ("B45", "openrouter", 'api_key = ""', ["LLM API key is required", "[agent.llm]"]),
    (
        "fallback",
        "gemini",
        "fallback_tool_parsing = true",
        ["unknown field", "'openai' or 'ollama'"],
    ),
    ("profile", "bedrock", 'profile = " "', ["`profile` of [agent.llm] must not be empty"]),
    ("elsewhere", "anthropic", 'profile = "x"', ["unknown field", "provider = 'bedrock'"]),
]


def table(provider: str, snippet: str) -> str:
    """The table of a model with a snippet; one that is only a key's name takes that key out."""
    lines = MODELS[provider].splitlines()
    key = snippet.partition(" = ")[0]
    kept = [line for line in lines if line.partition(" = ")[0] != key]
    more = [snippet] if " = " in snippet else []
    head = f'[agent]\nname = "A"\nsystem_prompt = "p"\n[agent.llm]\nprovider = "{provider}"'
    return "\n".join([head, *kept, *more])


@pytest.mark.parametrize(
    ("provider", "snippet", "expected"), [pytest.param(*rest, id=case) for case, *rest in ACCEPTED]
)
def test_the_table_of_a_provider_is_read(
    loaded: Any, provider: str, snippet: str, expected: dict[str, object]
) -> None:
    [config] = loaded("RAW", table(provider, snippet)).configs
    assert expected == {key: getattr(config.agent.llm, key) for key in expected}


@pytest.mark.parametrize(
    ("provider", "snippet", "mentions"), [pytest.param(*rest, id=case) for case, *rest in REFUSED]
)
def test_a_wrong_key_of_a_provider_is_one_problem(
    loaded: Any, provider: str, snippet: str, mentions: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("RAW", table(provider, snippet))
    [problem] = caught.value.problems
    assert [each for each in mentions if each not in str(problem)] == []


@pytest.mark.parametrize(
    ("provider", "snippet", "same"),
    [
        ("anthropic", 'base_url = "https://api.anthropic.com"', True),
        ("anthropic", 'api_key = "b"', False),
        ("gemini", 'base_url = "https://gw"', False),
        ("ollama", 'base_url = "http://localhost:11434/"', True),
        ("ollama", 'api_key = "k"', False),
        ("openrouter", 'base_url = "https://openrouter.ai/api/v1"', True),
        ("bedrock", 'model = "another"', True),
        ("bedrock", 'region = "us-east-1"', False),
        ("bedrock", 'profile = "team"', False),
        ("bedrock", 'base_url = "http://127.0.0.1:9"', False),
    ],
)
def test_an_account_is_where_credentials_are_used(
    loaded: Any, provider: str, snippet: str, same: bool
) -> None:
    [one] = loaded("RAW", table(provider, "")).configs
    [other] = loaded("RAW", table(provider, snippet)).configs
    assert (one.agent.llm.account == other.agent.llm.account) == same


TOOLS = "[mcp.servers.s]\ntransport = 'stdio'\ncmd = ['x']"


@pytest.mark.parametrize(("more", "warned"), [("", True), (TOOLS, False)])
def test_looking_for_calls_without_tools_is_one_warning(
    loaded: Any, more: str, warned: bool
) -> None:
    text = table("ollama", "fallback_tool_parsing = true") + f"\n{more}"
    warnings = [each.path for each in loaded("RAW", text).warnings]
    assert warnings == (["agent.llm.fallback_tool_parsing"] if warned else [])
