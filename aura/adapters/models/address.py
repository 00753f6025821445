"""Where a provider is asked. Pure."""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit


class Address(NamedTuple):
    """The URL to post to, and the `Authorization` for whatever guards the server, if any."""

    url: str
    authorization: str


def located(base_url: str, path: str, *, version: str = "", query: str = "") -> Address:
    """`path` below a base, which may name the `version` of the API already, as other APIs want it.

    A query of the base is kept. Credentials in it are taken out of the URL.
    """
    parts = urlsplit(base_url)
    login, _, host = parts.netloc.rpartition("@")
    root = parts.path.rstrip("/").removesuffix(version)
    queries = "&".join(filter(None, (parts.query, query)))
    url = urlunsplit((parts.scheme, host, root + path, queries, ""))
    credentials = base64.b64encode(unquote(login).encode()).decode()
    return Address(url, f"Basic {credentials}" if login else "")
