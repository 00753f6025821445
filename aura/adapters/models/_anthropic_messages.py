"""A prompt as the body of a request to Anthropic's messages API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from aura.adapters.models._anthropic_families import (
    UNKNOWN_TOKENS,
    binds_thoughts,
    most_tokens,
    sampling,
)
from aura.adapters.models._anthropic_turns import CACHED, add, mark, turns
from aura.events import Json
from aura.pipeline.ports import Options, Prompt, ToolSpec

_Object: TypeAlias = dict[str, object]

_encode = msgspec.json.Encoder().encode


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says about a model; `additional_params` wins over all else."""

    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    additional_params: Mapping[str, Json] = {}

    @property
    def thinks(self) -> bool:
        """Whether thinking is switched on, with which some other parameters are refused."""
        thinking = self.additional_params.get("thinking")
        return isinstance(thinking, dict) and thinking.get("type") not in {None, "disabled"}

    @property
    def budget(self) -> int:
        """Tokens that thinking may take; answers need more than that."""
        thinking = self.additional_params.get("thinking")
        tokens = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
        return tokens if self.thinks and isinstance(tokens, int) else 0


class Said(msgspec.Struct, frozen=True):
    """What was said before a pause, for the request to go on; `container` is where the provider's
    own tools ran, if they did."""

    blocks: Sequence[msgspec.Raw] = ()
    container: str = ""


NOTHING_SAID = Said()


def request_body(prompt: Prompt, settings: Settings, said: Said = NOTHING_SAID) -> bytes:
    """The JSON to post. Raises `Rejected` for an image that cannot be shown."""
    options = prompt.options
    body: _Object = {
        "model": settings.model,
        "max_tokens": _limit(options.max_tokens, settings),
        "stream": True,
        "messages": _messages(prompt, settings, said),
    }
    if prompt.system.strip():
        body["system"] = [{"type": "text", "text": prompt.system, **CACHED}]
    if prompt.tools:
        *others, last = map(_tool, prompt.tools)
        body["tools"] = [*others, {**last, **CACHED}]
        body["tool_choice"] = _choice(options, settings)
    if stop := [each for each in options.stop or () if each.strip()]:
        body["stop_sequences"] = stop
    if form := _form(options.response_format):
        body["output_config"] = {"format": form}
    body.update(_sampled(options, settings)[0])
    return _encode(_with(body, settings.additional_params, said.container))


def left_out(options: Options, settings: Settings) -> list[str]:
    """What is configured or asked for, but would be refused by this model or with thinking."""
    names = _sampled(options, settings)[1]
    if settings.thinks and _asked(options.tool_choice).get("type") in {"any", "tool"}:
        names.append("tool_choice")
    return names


def _with(body: _Object, additional: Mapping[str, Json], container: str) -> _Object:
    """The body with what the operator adds. The form that a request asks for and the effort that
    the operator wants share a parameter, so that one is joined."""
    ours, theirs = body.get("output_config"), additional.get("output_config")
    body.update(additional)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        body["output_config"] = {**ours, **theirs}
    if container:
        given = body.get("container")
        same = {"id": container}
        body["container"] = {**given, **same} if isinstance(given, dict) else container
    return body


def _messages(prompt: Prompt, settings: Settings, said: Said) -> list[object]:
    """The conversation, marked for the cache, and what was said before a pause.

    A model that binds its thoughts to the tools that it had gets none back without them.
    """
    found = turns(
        prompt.messages, thoughts=bool(prompt.tools) or not binds_thoughts(settings.model)
    )
    if "cache_control" not in settings.additional_params:  # with it, the API sets a mark itself
        mark(found)
    add(found, "assistant", said.blocks)
    return list(found)


def _limit(asked: int | None, settings: Settings) -> int:
    """What was asked for, but never more than the operator allows.

    A limit that leaves no room beside the thinking would be refused; one that small is taken for
    that of the answer alone.
    """
    most = settings.max_tokens
    if most is None:
        known = most_tokens(settings.model)
        most = known if known > settings.budget else settings.budget + UNKNOWN_TOKENS
    if asked is None:
        return most
    return min(most, asked if asked > settings.budget else settings.budget + asked)


def _sampled(options: Options, settings: Settings) -> tuple[dict[str, float], list[str]]:
    """The sampling parameters to send, and the names of those that have to be left out.

    Where only one is taken, what the request asks for comes before what is configured.
    """
    asked = {"temperature": options.temperature, "top_p": options.top_p}
    given = {name: value for name, value in asked.items() if value is not None}
    configured = settings.temperature
    takes = "none" if settings.thinks else sampling(settings.model)
    if configured is not None and (takes != "one" or not given):
        given.setdefault("temperature", configured)
    most = {"none": 0, "one": 1, "both": 2}[takes]
    sent = dict(list(given.items())[:most])
    if "temperature" in sent:  # OpenAI's scale, which clients know, ends at 2
        sent["temperature"] = min(sent["temperature"], 1.0)
    missing = {*given, *(("temperature",) if configured is not None else ())} - sent.keys()
    return sent, sorted(missing)


def _tool(tool: ToolSpec) -> _Object:
    sent: _Object = {"name": tool.name, "input_schema": tool.parameters}
    if tool.description:
        sent["description"] = tool.description
    if tool.strict:
        sent["strict"] = True
    return sent


def _choice(options: Options, settings: Settings) -> _Object:
    """Which tools the model may and must call; it cannot be forced while it thinks."""
    choice = _asked(options.tool_choice)
    if settings.thinks and choice["type"] in {"any", "tool"}:
        choice = {"type": "auto"}
    if options.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def _asked(choice: msgspec.Raw | None) -> _Object:
    """A choice in OpenAI's words in those of this API."""
    match msgspec.json.decode(choice) if choice is not None else None:
        case "none":
            return {"type": "none"}
        case "required":
            return {"type": "any"}
        case {"function": {"name": str(name)}}:
            return {"type": "tool", "name": name}
        case _:
            return {"type": "auto"}


def _form(response_format: msgspec.Raw | None) -> _Object | None:
    """The schema that the answer has to follow, if there is one: this API knows no other form."""
    match msgspec.json.decode(response_format) if response_format is not None else None:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"type": "json_schema", "schema": schema}
        case _:
            return None
