"""Where a model is asked, and what of it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from aura.adapters.models.openai import OpenAIModel


class Unused:
    """A transport for models that are only looked at."""

    async def post(self, *_: object) -> Any:
        raise NotImplementedError


def model(url: str | None) -> OpenAIModel:
    return OpenAIModel(
        model="gpt-5.2", transport=Unused(), ids=str, base_url=url, api_key="sk-secret"
    )


def test_the_key_is_not_shown() -> None:
    shown = repr(model(None))
    assert shown == (
        "OpenAIModel(name='openai/gpt-5.2',"
        " url='https://api.openai.com/v1/chat/completions', api_key='***')"
    )


@pytest.mark.parametrize(
    ("url", "official"),
    [
        (None, True),
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://api.openai.com.example.org/v1", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_who_is_openai(url: str | None, official: bool) -> None:
    assert model(url)._settings.official is official
