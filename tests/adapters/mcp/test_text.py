"""The pure parts: results as text, names, globs."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from aura.adapters.mcp.globs import allowed, matches
from aura.adapters.mcp.names import LONGEST, cleaned, distinct
from aura.adapters.mcp.results import (
    LONGEST_ERROR,
    LONGEST_RESOURCE,
    outcome,
    refused,
    shortened,
    text_of,
)
from aura.pipeline.ports import Outcome

SAID = TextContent(type="text", text="said")
PICTURE = ImageContent(type="image", data="AAAA", mime_type="image/png")


def resource(**fields: str) -> EmbeddedResource:
    kind = TextResourceContents if "text" in fields else BlobResourceContents
    return EmbeddedResource(type="resource", resource=kind(uri="file:///r", **fields))


def blob(data: bytes, mime_type: str) -> EmbeddedResource:
    return resource(blob=base64.b64encode(data).decode(), mime_type=mime_type)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], ""),
        ([SAID, SAID], "said\nsaid"),
        ([PICTURE], "[Image: image/png (4)]"),
        ([resource(text="inside")], "inside"),
        ([blob(b"<a/>", "application/xml")], "<a/>"),
        ([blob(b"a: 1", "text/yaml; charset=utf-8")], "a: 1"),
        ([blob(b"\xff", "text/plain")], "[Binary resource: file:///r (not valid UTF-8)]"),
        ([blob(b"PK", "application/zip")], "[Binary resource: file:///r (mime: application/zip)]"),
        (
            [resource(blob="?", mime_type="text/plain")],
            "[Binary resource: file:///r (invalid base64)]",
        ),
        (
            [ResourceLink(type="resource_link", name="log", uri="file:///l")],
            "[Resource link: log (file:///l)]",
        ),
        (
            [AudioContent(type="audio", data="AAAA", mime_type="audio/wav")],
            "[Audio: audio/wav (4)]",
        ),
    ],
)
def test_content_becomes_text(content: list[object], expected: str) -> None:
    assert text_of(CallToolResult(content=content)) == expected


def said(*texts: str) -> list[TextContent]:
    return [TextContent(type="text", text=text) for text in texts]


@pytest.mark.parametrize(
    ("structured", "content", "expected"),
    [
        ({"a": [1]}, said('{"a": [1]}'), '{\n  "a": [\n    1\n  ]\n}'),
        ({"a": 1}, said("One."), '{\n  "a": 1\n}\nOne.'),
        ({"result": "plain"}, said("plain"), "plain"),
        ({"result": "plain"}, said('{"result": "plain"}'), "plain"),
        ({"result": "plain"}, [], "plain"),
        ({"result": "plain", "b": 1}, [], '{\n  "result": "plain",\n  "b": 1\n}'),
        ({"result": 7}, said("7"), '{\n  "result": 7\n}'),
        ({"result": ["x"]}, said("x"), '{\n  "result": [\n    "x"\n  ]\n}'),
        ({"result": ["x"]}, said('["x"]'), '{\n  "result": [\n    "x"\n  ]\n}'),
        ({"result": [1, "x"]}, said("1", "x"), '{\n  "result": [\n    1,\n    "x"\n  ]\n}'),
        ({"result": []}, [], '{\n  "result": []\n}'),
        (
            {"a": "ü"},
            [*said('{"a":"ü"}'), PICTURE],
            '{\n  "a": "ü"\n}\n[Image: image/png (4)]',
        ),
        ({"a": 1}, said("[" * 100_000), '{\n  "a": 1\n}\n' + "[" * 100_000),
    ],
)
def test_structured_content_replaces_only_the_text_that_repeats_it(
    structured: dict[str, object], content: list[object], expected: str
) -> None:
    result = CallToolResult(content=content, structured_content=structured)
    assert text_of(result) == expected


def test_an_error_is_marked_as_one() -> None:
    result = CallToolResult(content=[SAID], is_error=True)
    assert outcome(result) == Outcome("Tool returned an error: said", failure="tool")


def test_a_text_that_looks_like_an_error_is_none() -> None:
    found = outcome(CallToolResult(content=[TextContent(type="text", text="ToolCallError: no")]))
    assert found.failure is None


@given(
    st.sampled_from("aä€😀"),
    st.text(max_size=3),
    st.text(max_size=3),
    st.integers(LONGEST_ERROR // 5, 3 * LONGEST_ERROR),
)
def test_a_long_error_keeps_head_and_tail_within_the_limit(
    filling: str, start: str, end: str, length: int
) -> None:
    text = start + filling * length + end
    short = shortened(text)
    assert len(short.encode()) <= LONGEST_ERROR
    if len(text.encode()) <= LONGEST_ERROR:
        assert short == text
        return
    notice = re.compile(r"\n\[tool error truncated: (\d+) of (\d+) bytes omitted\]\n")
    head, omitted, total, tail = notice.split(short)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert int(total) == len(text.encode())
    assert int(omitted) == int(total) - len((head + tail).encode())
    assert 2 < len(head.encode()) / len(tail.encode()) < 4


@pytest.mark.parametrize(
    ("code", "failure"), [(-32602, "arguments"), (-32603, "transport"), (-32001, "transport")]
)
def test_a_refusal_is_told_with_its_kind(code: int, failure: str) -> None:
    expected = Outcome("ToolCallError: Tool execution failed: no", failure=failure)  # type: ignore[arg-type]
    assert refused(MCPError(code, "no")) == expected


def test_a_long_resource_is_cut_with_a_notice() -> None:
    text = text_of(CallToolResult(content=[resource(text="é" * LONGEST_RESOURCE)]))
    assert text.endswith(f"[Resource truncated: {LONGEST_RESOURCE} of 200000 bytes shown]")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("disk usage", "disk_usage"),
        ("repo/search", "repo_search"),
        ("9lives", "tool_9lives"),
        ("__x__", "x"),
        ("***", "tool_"),
        ("größe", "gr__e"),
        ("a" * 63 + "__b", "a" * 63),
    ],
)
def test_names_are_cleaned(name: str, expected: str) -> None:
    assert cleaned(name) == expected


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=70)), max_size=30))
def test_names_are_valid_and_each_is_given_once(tools: list[tuple[str, str]]) -> None:
    names = distinct(tools)
    assert len(set(names)) == len(names) == len(tools)
    assert all(re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{LONGEST}}}", name) for name in names)


def test_the_second_tool_of_a_name_carries_its_server() -> None:
    tools = [("a", "list"), ("b", "list"), ("b", "list"), ("c", "b_list")]
    assert distinct(tools) == ["list", "b_list", "b_list_2", "c_b_list"]


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_globs_match_like_the_regular_expression_they_stand_for(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(letter, letter) for letter in pattern)
    assert matches(pattern, name) == bool(re.fullmatch(expression, name))


def test_a_hostile_glob_is_answered_at_once() -> None:
    assert not matches("a*" * 60 + "b", "a" * 2000)


@pytest.mark.parametrize(
    ("patterns", "expected"), [(None, True), ((), False), (("x", "[ab]*"), False), (("b?",), True)]
)
def test_a_filter_lets_through_what_it_names(
    patterns: tuple[str, ...] | None, expected: bool
) -> None:
    assert allowed(patterns, "bo") is expected
