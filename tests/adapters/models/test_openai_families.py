"""What is sent to OpenAI's own models of what is asked: one parameter too many, and they refuse."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aura.adapters.models._openai_messages import Settings, request
from aura.pipeline.ports import Options, Prompt, ToolSpec, User

TOOL = ToolSpec("f", "", msgspec.Raw(b'{"type":"object"}'))
ALL = Options(temperature=0.5, top_p=0.9, stop=("END",), parallel_tool_calls=False, seed=7)
PARAMETERS = {"temperature", "top_p", "stop", "parallel_tool_calls", "seed"}
SAMPLING = {"temperature", "top_p"}


def asked(model: str, *, tools: bool = True, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """The body, and what is left out of it."""
    prompt = Prompt(
        agent_id="main",
        system="",
        messages=(User("Hi"),),
        tools=(TOOL,) if tools else (),
        options=fields.pop("options", ALL),
    )
    settings = Settings(model=model, **{"official": True, **fields})
    body, left_out = request(prompt, settings)
    return msgspec.json.decode(body), left_out


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("gpt-4o", set()),
        ("gpt-4.1-mini-2025-04-14", set()),
        ("chatgpt-4o-latest", set()),
        ("gpt-3.5-turbo", set()),
        ("ft:gpt-4o-mini-2024-07-18:acme::id", set()),
        ("model-of-tomorrow", set()),
        ("gpt-5-chat-latest", set()),
        ("gpt-4o-mini-search-preview", SAMPLING | {"parallel_tool_calls"}),
        ("gpt-5-search-api", SAMPLING | {"parallel_tool_calls"}),
        ("o1", SAMPLING | {"stop", "parallel_tool_calls"}),
        ("o3-mini-2025-01-31", SAMPLING | {"stop", "parallel_tool_calls"}),
        ("ft:o4-mini-2025-04-16:acme::id", SAMPLING | {"stop", "parallel_tool_calls"}),
        ("gpt-5", SAMPLING | {"stop"}),
        ("gpt-5-nano-2025-08-07", SAMPLING | {"stop"}),
        ("gpt-5.1", {"stop"}),
        ("gpt-5.4-mini", {"stop"}),
        ("gpt-5.2-chat-latest", SAMPLING | {"stop"}),
        ("gpt-5.5", SAMPLING | {"stop"}),
    ],
)
def test_what_a_model_refuses_is_left_out(model: str, missing: set[str]) -> None:
    sent, names = asked(model)
    assert sent.keys() & PARAMETERS == PARAMETERS - missing
    assert sorted(missing) == names


@pytest.mark.parametrize(
    ("model", "asks", "sends"),
    [
        ("gpt-4o", "low", None),
        ("gpt-5-chat-latest", "high", None),
        ("o3", "none", "low"),
        ("o3", "xhigh", "high"),
        ("o4-mini", "medium", "medium"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5-mini", "minimal", "minimal"),
        ("gpt-5.1", "none", "none"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5.1", "xhigh", "high"),
        ("gpt-5.2", "xhigh", "xhigh"),
        ("gpt-5.5", "none", "none"),
        ("gpt-5.6-mini", "high", "high"),
        ("gpt-5.10", "none", "none"),
        ("model-of-tomorrow", "minimal", "minimal"),
        ("gpt-5", None, None),
    ],
)
def test_an_effort_is_the_next_that_the_model_knows(
    model: str, asks: str | None, sends: str | None
) -> None:
    sent, names = asked(model, tools=False, reasoning_effort=asks, options=Options())
    assert sent.get("reasoning_effort") == sends
    assert names == ([] if asks == sends else ["reasoning_effort"])


@pytest.mark.parametrize(
    ("effort", "taken"), [(None, True), ("none", True), ("low", False), ("xhigh", False)]
)
def test_a_model_that_can_do_both_is_not_sampled_while_it_thinks(
    effort: str | None, taken: bool
) -> None:
    sent, names = asked("gpt-5.2", reasoning_effort=effort)
    assert SAMPLING & sent.keys() == (SAMPLING if taken else set())
    assert SAMPLING & set(names) == (set() if taken else SAMPLING)


@pytest.mark.parametrize("effort", [None, "low"])
def test_a_model_that_cannot_think_with_tools_does_not(effort: str | None) -> None:
    sent, names = asked("gpt-5.6", reasoning_effort=effort, options=Options())
    assert (sent["reasoning_effort"], names) == ("none", ["reasoning_effort"])
    sent, names = asked("gpt-5.6", reasoning_effort="none", options=Options())
    assert (sent["reasoning_effort"], names) == ("none", [])


def test_additional_parameters_are_sent_whatever_the_model_takes() -> None:
    sent, names = asked(
        "gpt-5.2",
        tools=False,
        options=Options(),
        temperature=0.3,
        reasoning_effort="none",
        additional_params={"reasoning_effort": "high", "top_p": 0.1, "stop": "END"},
    )
    assert names == ["temperature"]
    assert (sent["reasoning_effort"], sent["top_p"], sent["stop"]) == ("high", 0.1, "END")
    sent, names = asked("o3", options=Options(top_p=0.2), additional_params={"top_p": 0.1})
    assert (sent["top_p"], names) == (0.1, [])


def test_a_model_of_others_is_sent_everything() -> None:
    sent, names = asked("gpt-5", official=False, reasoning_effort="none")
    assert sent.keys() >= PARAMETERS
    assert (sent["reasoning_effort"], names) == ("none", [])


def test_azure_has_the_models_of_openai() -> None:
    sent, names = asked("my-gpt-5-mini", official=False, azure=True, max_tokens=9)
    assert names == ["stop", "temperature", "top_p"]
    assert (sent["max_completion_tokens"], sent["stream_options"]) == (9, {"include_usage": True})
