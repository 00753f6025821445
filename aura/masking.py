"""Secrets kept out of the words of others, who may repeat what we sent them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK = "***"

SHORTEST = 4
"""Characters; what is shorter is part of too many words."""


class Mask:
    """Puts `***` where one of the secrets is in a text, in any of the ways to write it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        written = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        longest_first = sorted(written, key=len, reverse=True)
        self._written = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, words: str) -> str:
        """The words without the secrets."""
        return self._written.sub(MASK, words)


NOTHING_SECRET = Mask()


def in_url(url: str) -> tuple[str, ...]:
    """What may be secret in a URL: the login, its password, and the values of the query."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    found = (login, login.partition(":")[2])
    return (*found, *map(unquote, found), *(value for _, value in parse_qsl(parts.query)))


def _forms(secret: str) -> set[str]:
    """As it is, in JSON, in what Python prints, and in URLs."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
    }
