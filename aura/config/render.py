"""A loaded configuration as text for people, with everything secret masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from aura.config.schema import Config, Document
from aura.config.secret import MASK, Secret
from aura.config.source import KeyPath, dotted

_SECRET_NAME: Final = re.compile(
    r"(?:^|[^a-z])(?:(?:api|access|private|secret)[-_]?key|auth(?:orization)?|credentials?|key"
    r"|pass(?:word|wd|phrase)?|pat|secret|sig(?:nature)?|token)s?$",
    re.IGNORECASE,
)
_NAMES_ONLY: Final = frozenset({"headers_from_request"})
"""Tables whose values are names of headers, however secret those headers are."""

_USERINFO: Final = re.compile(r"(?<=://)[^/?#\s@]+(?=@)")
_ASSIGNED: Final = re.compile(r"([\w.-]+)=([^&#\s]+)")


def as_json(config: Config) -> str:
    """The configuration, defaults included, as a JSON document."""
    return json.dumps(_masked(config), indent=2, ensure_ascii=False)


def as_toml(config: Config) -> str:
    """The configuration, defaults included, as a TOML document; keys that are not set are left
    out."""
    return "\n\n".join("\n".join(table) for table in _tables(_masked(config), ())) + "\n"


def _masked(config: Config) -> dict[str, Any]:
    plain = {
        name: msgspec.to_builtins(getattr(config, name), enc_hook=_mask)
        for name in Document.__struct_fields__
    }
    return {name: _hidden(value) for name, value in plain.items()}


def _mask(value: object) -> str:
    if isinstance(value, Secret):
        return MASK
    raise NotImplementedError(f"no plain form of {type(value).__name__}")


def _hidden_entry(key: str, value: object) -> object:
    return MASK if _SECRET_NAME.search(key) and _may_be_secret(value) else _hidden(value)


def _hidden(value: object) -> object:
    """The value with what looks secret masked: by the name of its key, or inside a text."""
    match value:
        case Mapping():
            return {
                key: each if key in _NAMES_ONLY else _hidden_entry(key, each)
                for key, each in value.items()
            }
        case str():
            return _ASSIGNED.sub(_hidden_assignment, _USERINFO.sub(MASK, value))
        case Sequence():
            return _hidden_items(value)
    return value


def _hidden_items(items: Sequence[object]) -> list[object]:
    """As in a command line: what follows an option with a secret name is masked."""
    before = ["", *items]
    return [
        MASK
        if isinstance(last, str) and last[:1] == "-" and _SECRET_NAME.search(last)
        else _hidden(each)
        for last, each in zip(before, items, strict=False)
    ]


def _hidden_assignment(match: re.Match[str]) -> str:
    return f"{match[1]}={MASK}" if _SECRET_NAME.search(match[1]) else match.group()


def _may_be_secret(value: object) -> bool:
    """Numbers such as `max_tokens` are limits, not secrets."""
    return isinstance(value, str | list | tuple)


def _tables(table: Mapping[str, Any], path: KeyPath) -> Iterator[list[str]]:
    """The lines of a table that has any, then those of its tables."""
    pairs = [
        f"{dotted((key,))} = {_literal(value)}"
        for key, value in table.items()
        if value is not None and not isinstance(value, Mapping)
    ]
    if pairs:
        yield [f"[{dotted(path)}]", *pairs] if path else pairs
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _tables(value, (*path, key))


def _literal(value: object) -> str:
    match value:
        case Mapping():
            pairs = (f"{dotted((key,))} = {_literal(each)}" for key, each in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Sequence():
            return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value)
