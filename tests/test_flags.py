from __future__ import annotations

import argparse

import pytest

from aura.errors import ConfigError
from aura.flags import OPTIONS, add_options, settings
from aura.server.settings import Settings


def test_nothing_set_means_the_defaults() -> None:
    assert settings({}, {}) == Settings()


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ({}, {"PORT": "1"}, 1),
        ({}, {"PORT": "1", "AURA_PORT": "2"}, 2),
        ({"port": "3"}, {"PORT": "1", "AURA_PORT": "2"}, 3),
        ({}, {"PORT": ""}, 8080),
        ({}, {"AURA_PORT": "", "PORT": "1"}, 1),
    ],
)
def test_a_flag_wins_over_the_prefixed_name_over_the_plain_one(
    given: dict[str, str], environ: dict[str, str], expected: int
) -> None:
    assert settings(given, environ).port == expected


@pytest.mark.parametrize("word", ["1", "TRUE", "t", "Yes", "y", "on"])
def test_yes_has_many_spellings(word: str) -> None:
    assert settings({"aura_custom_events": word}, {}).aura_custom_events


@pytest.mark.parametrize("word", ["0", "False", "f", "NO", "n", "off"])
def test_so_has_no(word: str) -> None:
    assert not settings({"aura_custom_events": word}, {}).aura_custom_events


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("PORT", "abc", "'abc' is not a whole number"),
        ("PORT", "70000", "70000 is out of range: it must be from 0 to 65535"),
        ("STREAMING_BUFFER_SIZE", "0", "must be at least 1"),
        ("STREAMING_TIMEOUT_SECS", "-1", "'-1' is not a number of seconds"),
        ("FIRST_CHUNK_TIMEOUT_SECS", "nan", "is not a number of seconds"),
        ("AURA_CUSTOM_EVENTS", "maybe", "'maybe' is neither true nor false"),
        ("TOOL_RESULT_MODE", "loud", "'loud' is not one of none, open-web-ui, aura"),
    ],
)
def test_a_value_that_cannot_be_read_names_its_variable(name: str, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings({}, {name: text})
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


def test_every_bad_value_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        settings({"port": "x"}, {"AURA_CUSTOM_EVENTS": "x"})
    assert [problem.file for problem in caught.value.problems] == ["--port", "AURA_CUSTOM_EVENTS"]


def test_several_tokens_and_no_agent() -> None:
    found = settings({"auth_tokens": "a, b,"}, {"DEFAULT_AGENT": "  "})
    assert (found.auth_tokens, found.default_agent) == (("a", "b"), None)


def test_every_setting_can_be_set() -> None:
    assert {option.field for option in OPTIONS} == set(Settings.__struct_fields__)


def test_help_names_environment_and_default_of_every_option() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    told = " ".join(parser.format_help().split())
    assert "[AURA_FIRST_CHUNK_TIMEOUT_SECS; default 30]" in told
    assert all(option.envs[0] in told for option in OPTIONS)
