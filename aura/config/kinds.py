"""Values with limits of their own, as the tables of the schema use them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeAlias

from msgspec import Meta

from aura.config.secret import Secret


class Rule(NamedTuple):
    """What a value has to fulfil beyond its type; `otherwise` ends a sentence that names it."""

    holds: Callable[[Any], object]
    otherwise: str


def _rule(holds: Callable[[Any], object], otherwise: str, pattern: str | None = None) -> Meta:
    schema = {"pattern": pattern} if pattern else {}
    return Meta(extra={"rule": Rule(holds, otherwise)}, extra_json_schema=schema)


def _is_filled(secret: Secret) -> bool:
    return bool(secret.reveal().strip())


def _is_one_line(secret: Secret) -> bool:
    return not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", secret.reveal())


def _are_distinct(headers: dict[str, object]) -> bool:
    return len({name.lower() for name in headers}) == len(headers)


Filled: TypeAlias = Annotated[str, _rule(str.strip, "must not be empty", r"\S")]
Url: TypeAlias = Annotated[
    str,
    _rule(re.compile("https?://").match, "must start with http:// or https://", "^https?://"),
]
ApiKey: TypeAlias = Annotated[
    Secret, _rule(_is_filled, "must not be empty: an LLM API key is required", r"\S")
]
HeaderName: TypeAlias = Annotated[
    str,
    _rule(
        re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII).fullmatch,
        "must be a valid HTTP header name",
    ),
]
HeaderValue: TypeAlias = Annotated[
    Secret, _rule(_is_one_line, "must not have line breaks or control characters")
]
Headers: TypeAlias = Annotated[
    dict[HeaderName, HeaderValue],
    _rule(_are_distinct, "must not have one header twice in different case"),
]
HeaderMap: TypeAlias = Annotated[
    dict[HeaderName, HeaderName],
    _rule(_are_distinct, "must not have one header twice in different case"),
]
Region: TypeAlias = Annotated[
    str,
    _rule(
        re.compile(r"[a-z0-9-]+", re.ASCII).fullmatch,
        "must be the name of an AWS region, such as eu-central-1",
        "^[a-z0-9-]+$",
    ),
]
Command: TypeAlias = Annotated[tuple[Filled, ...], _rule(bool, "must name an executable")]

Count: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Temperature: TypeAlias = Annotated[float, Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=0.95)]
SecondsOrNever: TypeAlias = Annotated[float, Meta(ge=0)]

OnDisconnect: TypeAlias = Annotated[
    str,
    _rule(
        re.compile(r"cancel|detach|grace:\d{1,8}(\.\d{1,6})?", re.ASCII).fullmatch,
        "must be cancel, detach or grace:SECS",
        r"^(cancel|detach|grace:[0-9]{1,8}([.][0-9]{1,6})?)$",
    ),
]
