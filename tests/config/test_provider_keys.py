"""The [agent.llm] tables of the providers beside OpenAI."""

from __future__ import annotations

from typing import Any

import pytest

from aura.config import Secret
from aura.errors import ConfigError

MODELS = {
    "anthropic": 'api_key = "a"\nmodel = "claude-x"\n',
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
    ("B35-plain", "bedrock", "", {"profile": None, "tool_images": None, "base_url": None}),
]

REFUSED = [
    ("B32", "anthropic", 'reasoning_effort = "low"', ["unknown field", "provider = 'openai'"]),
    ("B36", "bedrock", "region", ["missing required key `region`"]),
    ("B37", "bedrock", 'region = ""', ["`region` of [agent.llm]", "name of an AWS region"]),
    ("host", "bedrock", 'region = "eu.example.com/"', ["name of an AWS region"]),
    ("B38", "bedrock", 'api_key = "k"', ["unknown field `api_key`", "`profile`"]),
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
