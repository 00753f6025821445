"""The [mcp] table and its servers."""

from __future__ import annotations

from typing import Any

import pytest

from aura.config import HttpStreamable, Mcp, Secret, Sse, Stdio, Tools, as_toml
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
        "E05-mapped",
        HUB + '[mcp.servers.hub.headers_from_request]\n"Authorization" = "x-user-token"',
        {
            "hub": HttpStreamable(
                url="http://h/mcp", headers_from_request={"Authorization": "x-user-token"}
            )
        },
    ),
    (
        "E06",
        HUB.replace("http_streamable", "sse") + "idle_timeout_secs = 9\nrequired = true",
        {"hub": Sse(url="http://h/mcp", idle_timeout_secs=9.0, required=True)},
    ),
    (
        "per-request",
        LOC + 'cmd = ["x"]\nper_request = "true"\ntools_ttl_secs = 0',
        {"loc": Stdio(cmd=("x",), per_request=True, tools_ttl_secs=0.0)},
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
        "mapped-name",
        HUB + 'headers_from_request = { A = "x y" }',
        "validation",
        ["headers_from_request.A", "HTTP header name"],
    ),
    (
        "mapped-twice",
        HUB + 'headers_from_request = { A = "x", a = "y" }',
        "validation",
        ["headers_from_request", "different case"],
    ),
    (
        "required-mapped",
        HUB + 'required = true\nheaders = { b = "x" }\nheaders_from_request = { A = "x", B = "y" }',
        "validation",
        ["mcp.servers.hub.required", "only a request brings its header 'A'", "`headers`"],
    ),
    (
        "required-each",
        LOC + 'cmd = ["x"]\nrequired = true\nper_request = true',
        "validation",
        ["mcp.servers.loc.required", "`per_request`"],
    ),
    (
        "header-twice",
        HUB + 'headers = { A = "x", a = "y" }',
        "validation",
        ["headers", "different case"],
    ),
]

WARNED = [
    ("E17", HUB + "timeout = 5", ["mcp.servers.hub.timeout"]),
    (
        "idle-of-stdio",
        LOC + 'cmd = ["x"]\nidle_timeout_secs = 5',
        ["idle_timeout_secs", "transport = 'http_streamable' or 'sse'"],
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


def test_schemas_are_sanitized_unless_it_is_switched_off(loaded: Any) -> None:
    [default] = loaded("SCRIPTED", "[mcp]").configs
    [off] = loaded("SCRIPTED", '[mcp]\nsanitize_schemas = "false"').configs
    assert (default.mcp.sanitize_schemas, off.mcp.sanitize_schemas) == (True, False)


def test_built_in_tools(loaded: Any) -> None:
    [config] = loaded("SCRIPTED", '[tools]\nfilesystem = true\nroot = "/srv"').configs
    assert config.tools == Tools(filesystem=True, root="/srv")
    [without] = loaded("SCRIPTED", "[tools]").configs
    assert without.tools == Tools()


def test_custom_tools_have_no_effect_and_say_so(loaded: Any) -> None:
    [warning] = loaded("SCRIPTED", '[tools]\ncustom_tools = ["calc"]').warnings
    assert "tools.custom_tools" in str(warning)
    assert "no effect" in str(warning)


def test_names_of_headers_are_shown_although_their_values_are_secret(loaded: Any) -> None:
    mapped = HUB + '[mcp.servers.hub.headers_from_request]\nAuthorization = "X-Token"'
    [config] = loaded("SCRIPTED", mapped).configs
    assert 'Authorization = "X-Token"' in as_toml(config)
