"""Telling calls that a model wrote as text from everything else that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura.pipeline.printed import Parser, PrintedCall

NAMES = ("find_host", "restart_pod", "get-pod.log")

Read = list[Any]


def read(text: str, *, sizes: Sequence[int] = ()) -> Read:
    """The texts and calls in a text that comes in pieces of these sizes, the rest at once; texts
    side by side are one, and a call is its name and its arguments."""
    parser, found = Parser(NAMES), list[str | PrintedCall]()
    for size in sizes:
        found += parser.feed(text[:size])
        text = text[size:]
    found += [*parser.feed(text), *parser.flush()]
    out: Read = []
    for each in found:
        if not isinstance(each, str):
            out.append((each.name, msgspec.json.decode(each.arguments)))
        elif out and isinstance(out[-1], str):
            out[-1] += each
        else:
            out.append(each)
    return out


def one(name: str = "find_host", **arguments: object) -> tuple[str, Any]:
    return name, arguments


DB1 = one(q="db1")
OBJECT = '{"name":"find_host","arguments":{"q":"db1"}}'

CALLS: list[tuple[str, str, Read]] = [
    ("A-arguments", OBJECT, [DB1]),
    (
        "A-in-a-sentence",
        'Let me look. {"name":"find_host","parameters":{"q":"db1"}} ok',
        ["Let me look. ", DB1, " ok"],
    ),
    ("A-args", '{"name": "find_host", "args": {"q": "db1"}}', [DB1]),
    ("A-fence", f"```json\n{OBJECT}\n```", [DB1]),
    ("A-plain-fence", f"Now:\n```\n{OBJECT}\n```\nDone.", ["Now:\n", DB1, "\nDone."]),
    ("A-fence-of-two", f'```json\n{OBJECT}\n{{"name":"find_host"}}\n```', [DB1, one()]),
    ("A-long-fence", f"````json\n{OBJECT}\n````", [DB1]),
    ("A-fence-without-end", f"```json\n{OBJECT}\n", [DB1]),
    ("A-no-arguments", '{"name":"find_host"}', [one()]),
    ("A-null", '{"name":"find_host","arguments":null}', [one()]),
    (
        "A-list",
        '[{"name":"find_host"},{"name":"restart_pod","arguments":{"id":1}}]',
        [one(), one("restart_pod", id=1)],
    ),
    ("A-inner", '{"function":{"name":"find_host","arguments":{"q":"z"}}}', [one(q="z")]),
    (
        "A-as-openai",
        '{"id":"c","type":"function","function":{"name":"find_host","arguments":"{\\"q\\":1}"}}',
        [one(q=1)],
    ),
    ("A-twice-the-same", f"{OBJECT}\n{OBJECT}", [DB1, "\n"]),
    ("A-braces-in-text", '{"name":"find_host","arguments":{"q":"}{\\"]"}}', [one(q='}{"]')]),
    ("B", f"<tool_call>\n{OBJECT}\n</tool_call>", [DB1]),
    (
        "B-several",
        f'<tool_call>{OBJECT}</tool_call>\n<tool_call>{{"name":"find_host"}}</tool_call>',
        [DB1, "\n", one()],
    ),
    ("B-two-in-one", f'<tool_call>{OBJECT}\n{{"name":"find_host"}}</tool_call>', [DB1, one()]),
    ("B-without-end", f"<tool_call>{OBJECT}", [DB1]),
    (
        "C",
        "[find_host(q='db1', limit=5, fuzzy=True)]",
        [one(q="db1", limit=5, fuzzy=True)],
    ),
    (
        "C-values",
        'ok [ find_host(a="x\'y", b=-1.5, c=none, d=NULL, e=Warm, f=[1,{"k":(2,)}]) ]',
        ["ok ", one(a="x'y", b=-1.5, c=None, d=None, e="warm", f=[1, {"k": [2]}])],
    ),
    ("C-several", "[find_host(), restart_pod(id=1)]", [one(), one("restart_pod", id=1)]),
    ("C-odd-name", "[get-pod.log(n=1)]", [one("get-pod.log", n=1)]),
    (
        "D",
        (
            "<function=restart_pod><parameter=id>7</parameter><parameter=force>true</parameter>"
            "</function>"
        ),
        [one("restart_pod", id=7, force=True)],
    ),
    (
        "D-lines",
        (
            "Go.\n<tool_call>\n<function=restart_pod>\n<parameter=id>\n7\n</parameter>\n</function>\n"
            "</tool_call>"
        ),
        ["Go.\n", one("restart_pod", id=7)],
    ),
    (
        "D-several",
        "<function=find_host></function><function=restart_pod></function>",
        [one(), one("restart_pod")],
    ),
    (
        "D-open-parameters",
        "<function=restart_pod> <parameter=id> 7 <parameter=why> stuck </tool_call>",
        [one("restart_pod", id=7, why="stuck")],
    ),
    (
        "D-stray-end",
        "<function=find_host><parameter=q>a < b</parameter></function>\n</tool_call> ok",
        [one(q="a < b"), " ok"],
    ),
    (
        "D-values",
        (
            "<function=find_host><parameter=a>-1.5</parameter><parameter=b>None</parameter>"
            "<parameter=c>007</parameter><parameter=d>[1, 2]</parameter><parameter=e>[x</parameter>"
            "<parameter=f>1e3</parameter></function>"
        ),
        [one(a=-1.5, b=None, c="007", d=[1, 2], e="[x", f=1000.0)],
    ),
]

TEXTS = {
    "two-argument-keys": '{"name":"find_host","args":{},"arguments":{}}',
    "broken": '{"name":"find_host","arguments":{"q":}}',
    "unfinished": '{"name":"find_host","arguments":{"q":',
    "no-name": '{"tool":"find_host","arguments":{}}',
    "unknown-name": '{"name":"find_hosts","arguments":{}} then',
    "arguments-of-another-kind": '{"name":"find_host","arguments":[1]}',
    "a-description": '{"name":"find_host","description":"Finds","parameters":{"type":"object"}}',
    "data": '{"hosts":[{"name":"find_host"},{"name":"restart_pod"}]}',
    "a-person": 'Her record is {"name":"Ada","args":{}}.',
    "a-list-of-data": '[{"name":"find_host","ip":"1"}] and [1, 2, {"name":"find_host"}]',
    "code": f"Call it with `{OBJECT}`, or `` {OBJECT} ``.",
    "a-sample": f"```python\n{OBJECT}\n[find_host(q='x')]\n```\nThat is all.",
    "a-sample-of-json": f"```json\n[1, {OBJECT}]\n{OBJECT}\n```\n",
    "a-sample-with-words": f"```\nExample: {OBJECT}\n```",
    "quoted": f"You wrote \"{OBJECT}\" and '{OBJECT}'.",
    "a-quotation": f"> {OBJECT}\n>> [find_host()]\nSo you said.",
    "prose": "Use find_host(q='x') and [find_host] or <function> {find_host}; x<y, [1] (2).",
    "links": "[find_host](https://x/find_host(a=1)) [find_host](x)",
    "positional": "[find_host('db1')]",
    "not-only-calls": "[find_host(q='x'), 3]",
    "an-expression": "[find_host(q=open('x'))]",
    "unknown-function": "<function=other><parameter=a>1</parameter></function>",
    "function-without-end": "<function=find_host><parameter=q>1</parameter>",
    "words-in-tool-call": "<tool_call>please</tool_call>",
    "a-name-that-begins-alike": "[find_ho(q=1)] <function=find_ho>",
    "mathematics": "Let {x | x > 0} and [0, 1) be sets; `{` is a brace.",
    "unclosed-code": f"`{OBJECT}",
}


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*r, id=case) for case, *r in CALLS])
def test_a_call_is_read(text: str, expected: Read) -> None:
    assert expected == read(text)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_no_call_is_text(text: str) -> None:
    assert [text] == read(text)


@given(st.data(), st.sampled_from([text for _, text, _ in CALLS] + list(TEXTS.values())))
def test_the_pieces_in_which_it_comes_change_nothing(data: st.DataObject, text: str) -> None:
    sizes = data.draw(st.lists(st.integers(1, 9), max_size=len(text)))
    assert read(text) == read(text, sizes=sizes)


PROSE = st.sampled_from(
    [
        "Let me look.",
        "The set {a, b} is small.",
        "See [the page](http://x/y).",
        "1 < 2, and `code` too.",
        '{"status": "ok", "hosts": ["a", "b"]}',
        "```python\nprint({'a': 1})\n```",
        "Grüße 👋 & <b>bold</b>",
        "[ ] a box",
        "{ and <tool",
        "",
    ]
)


FORMS = (
    '{{"name": "restart_pod", "arguments": {{"id": {0}, "why": "}}{{"}}}}',
    '```json\n{{"name": "restart_pod", "args": {{"id": {0}, "why": "}}{{"}}}}\n```',
    '<tool_call>{{"name": "restart_pod", "parameters": {{"id": {0}, "why": "}}{{"}}}}</tool_call>',
    "[restart_pod(id={0}, why='}}{{')]",
    "<function=restart_pod><parameter=id>{0}</parameter><parameter=why>}}{{</parameter></function>",
)


@given(st.lists(st.tuples(PROSE, st.sampled_from(FORMS)), max_size=6), PROSE, st.data())
def test_nothing_between_calls_is_lost(
    pieces: list[tuple[str, str]], end: str, data: st.DataObject
) -> None:
    """Each call stands on lines of its own, as models write them."""
    written = "".join(f"{prose}\n\n{form.format(n)}\n\n" for n, (prose, form) in enumerate(pieces))
    out = read(written + end, sizes=data.draw(st.lists(st.integers(1, 30), max_size=60)))
    texts = "".join(each for each in out if isinstance(each, str))
    assert texts == "".join(f"{prose}\n\n\n\n" for prose, _ in pieces) + end
    assert [each for each in out if not isinstance(each, str)] == [
        one("restart_pod", id=number, why="}{") for number in range(len(pieces))
    ]


@given(st.text(alphabet="{}[]()<>`\"'\\\n/=_.,: aefinsmt01", max_size=80))
def test_any_text_is_read_and_none_of_it_lost(text: str) -> None:
    said = "".join(each if isinstance(each, str) else "!" for each in read(text))
    assert "!" in said or said == text


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        (["Hello ", "there"], ["Hello ", "there"]),
        (["a {", "x}"], ["a ", "{x}"]),
        (['{"na', 'mes": 1'], ["", '{"names": 1']),
        (['{"name": "fi', "le"], ["", '{"name": "file']),
        (["[fin", "al]"], ["", "[final]"]),
        (["<to", "p>"], ["", "<top>"]),
        (["``", "`python\nx = {"], ["", "```python\nx = {"]),
    ],
)
def test_text_is_let_go_as_soon_as_it_is_no_call(pieces: list[str], given: list[str]) -> None:
    parser = Parser(NAMES)
    assert given == ["".join(map(str, parser.feed(piece))) for piece in pieces]


def test_not_everything_is_held_back_for_ever() -> None:
    parser = Parser(NAMES)
    begin = '{"name":"find_host","arguments":{"q":"'
    assert parser.feed(begin) == []
    said = "".join(map(str, parser.feed("x" * 70_000)))
    assert said == begin + "x" * 70_000
    assert parser.feed('"}} and') == ['"}} and']
