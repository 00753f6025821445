"""The [mcp] table and its servers."""

from __future__ import annotations

from typing import Any

import pytest

from aura.config import HttpStreamable, Mcp, Secret, Stdio
from aura.errors import ConfigError

HUB = '[mcp.servers.hub]\ntransport = "http_streamable"\nurl = "http://h/mcp"\n'
LOC = '[mcp.servers.loc]\ntransport = "stdio"\n'

ACCEPTED = [
    ("E02", HUB, {"hub": HttpStreamable(url="http://h/mcp")}),
    (
        "E05",
        HUB + 'description = "Hub"\nheaders = { X-Static = "s" }',
        {
            "hub": HttpStreamable(
                url="http://h/mcp", description="Hub", headers={"X-Static": Secret("s")}
            )
        },
    ),
    (
        "E07",
        LOC + 'cmd = ["uvx"]\nargs = ["some-mcp@latest"]\nenv = { AWS_REGION = "eu-west-1" }',
        {
            "loc": Stdio(
                cmd=("uvx",), args=("some-mcp@latest",), env={"AWS_REGION": Secret("eu-west-1")}
            )
        },
    ),
    ("E08", LOC + 'cmd = ["python3", "/srv/w.py"]', {"loc": Stdio(cmd=("python3", "/srv/w.py"))}),
    (
        "timeouts",
        LOC + 'cmd = ["x"]\ncwd = "/srv"\nconnect_timeout_secs = 1\ncall_timeout_secs = "2.5"',
        {"loc": Stdio(cmd=("x",), cwd="/srv", connect_timeout_secs=1.0, call_timeout_secs=2.5)},
    ),
    ("no-servers", "[mcp.servers]", {}),
]

REFUSED = [
    ("E09", LOC + 'cmd = "npx"', "parse", ["mcp.servers.loc.cmd", "array"]),
    ("E10", LOC + "cmd = []", "validation", ["`cmd` of [mcp.servers.loc] must name an executable"]),
    ("E10-blank", LOC + 'cmd = [""]', "validation", ["mcp.servers.loc.cmd.0", "must not be empty"]),
    ("E11", LOC, "parse", ["mcp.servers.loc.cmd", "missing"]),
    (
        "E12",
        LOC + 'cmd = ["x"]\nenv = { PORT = 8080 }',
        "parse",
        ["mcp.servers.loc.env.PORT", "must be a string"],
    ),
    (
        "E13",
        '[mcp.servers.hub]\ntransport = "http_streamable"',
        "parse",
        ["mcp.servers.hub.url", "missing"],
    ),
    (
        "E14",
        '[mcp.servers.hub]\nurl = "http://h/mcp"',
        "parse",
        ["mcp.servers.hub.transport", "missing"],
    ),
    (
        "E15",
        HUB.replace("http_streamable", "http"),
        "parse",
        ["'http'", "stdio", "http_streamable", "sse"],
    ),
    (
        "E06",
        HUB.replace("http_streamable", "sse"),
        "parse",
        ["'sse' is not supported by this version"],
    ),
    (
        "E16",
        HUB.replace("http://", ""),
        "validation",
        ["url", "[mcp.servers.hub]", "http://", "https://"],
    ),
    (
        "zero",
        HUB + "connect_timeout_secs = 0",
        "validation",
        ["connect_timeout_secs", "greater than 0"],
    ),
    ("forever", HUB + "call_timeout_secs = inf", "validation", ["call_timeout_secs", "finite"]),
    (
        "header-name",
        HUB + 'headers = { "a b" = "x" }',
        "validation",
        ['headers."a b"', "HTTP header name"],
    ),
    ("header-value", HUB + 'headers = { A = "x\\ny" }', "validation", ["headers.A", "line breaks"]),
    (
        "header-twice",
        HUB + 'headers = { A = "x", a = "y" }',
        "validation",
        ["headers", "different case"],
    ),
]

WARNED = [
    (
        "E01",
        "[mcp]\nsanitize_schemas = true",
        ["mcp.sanitize_schemas", "not supported by this version"],
    ),
    ("E17", HUB + "timeout = 5", ["mcp.servers.hub.timeout"]),
    (
        "E05",
        HUB + "headers_from_request = {}",
        ["headers_from_request", "not supported by this version"],
    ),
    (
        "E18",
        HUB + "scratchpad = {}",
        ["mcp.servers.hub.scratchpad", "not supported by this version"],
    ),
    ("other-transport", HUB + 'cmd = ["x"]', ["mcp.servers.hub.cmd", "transport = 'stdio'"]),
]


@pytest.mark.parametrize(
    ("snippet", "expected"), [pytest.param(*rest, id=case) for case, *rest in ACCEPTED]
)
def test_servers_are_read(loaded: Any, snippet: str, expected: dict[str, object]) -> None:
    [config] = loaded("SCRIPTED", snippet).configs
    assert config.mcp.servers == expected


@pytest.mark.parametrize(
    ("snippet", "kind", "mentions"), [pytest.param(*rest, id=case) for case, *rest in REFUSED]
)
def test_a_wrong_server_is_one_problem(
    loaded: Any, snippet: str, kind: str, mentions: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("SCRIPTED", snippet)
    [problem] = caught.value.problems
    assert problem.kind == kind
    assert [each for each in mentions if each not in str(problem)] == []


@pytest.mark.parametrize(
    ("snippet", "mentions"), [pytest.param(*rest, id=case) for case, *rest in WARNED]
)
def test_an_idle_key_of_a_server_is_one_warning(
    loaded: Any, snippet: str, mentions: list[str]
) -> None:
    [warning] = loaded("SCRIPTED", snippet).warnings
    assert [each for each in mentions if each not in str(warning)] == []


def test_mcp_is_optional(loaded: Any) -> None:
    [config] = loaded("SCRIPTED").configs
    assert Mcp() == config.mcp


def test_servers_keep_the_order_of_the_file(loaded: Any) -> None:
    [config] = loaded("SCRIPTED", LOC.replace("loc", "zed") + 'cmd = ["z"]\n' + HUB).configs
    assert list(config.mcp.servers) == ["zed", "hub"]
