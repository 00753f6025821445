"""Environment templates, through a whole load and as a pure function."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura.config.env import UNRESOLVED, resolve
from aura.errors import ConfigError

ONE = {"T_ONE": "1"}

TEXTS = [
    ("C01", "{{ env.T_KEY }}", {"T_KEY": "sek"}, "sek"),
    ("C02", "{{env.T_KEY}}", {"T_KEY": "sek"}, "sek"),
    ("C05", "{{ env.T_KEY }}", {"T_KEY": ""}, ""),
    (
        "C06",
        "http://{{ env.T_HOST | default: '127.0.0.1' }}:9999/v1",
        {},
        "http://127.0.0.1:9999/v1",
    ),
    (
        "C07",
        "http://{{ env.T_HOST | default: 'x' }}:9999/v1",
        {"T_HOST": "gw"},
        "http://gw:9999/v1",
    ),
    ("C08", "http://{{ env.T_HOST | default: 'x' }}/v1", {"T_HOST": ""}, "http:///v1"),
    ("C09", "{{env.T_D|default:'plain'}}", {}, "plain"),
    ("C10", "{{ env.T_D | default: '' }}", {}, ""),
    ("C19", "Use {{ env.lower_case }} literally", {}, "Use {{ env.lower_case }} literally"),
    ("C20", "Hello {{ user }} and {{ENV.X}}", {}, "Hello {{ user }} and {{ENV.X}}"),
    ("C22", "{{ env.T_KEY }}", {"T_KEY": 'a"b\\c'}, 'a"b\\c'),
    (
        "C23",
        "{{ env.T_KEY }}",
        {"T_KEY": 'x"\nbase_url = "http://evil'},
        'x"\nbase_url = "http://evil',
    ),
    ("C24", "{{ env.T_KEY }}", {"T_KEY": "D:\\top"}, "D:\\top"),
    (
        "C25",
        "{{ env.T_A | default: 'none' }}",
        {"T_A": "{{ env.T_SECRET }}", "T_SECRET": "leak"},
        "{{ env.T_SECRET }}",
    ),
    ("two", "{{ env.T_ONE }}-{{ env.T_ONE }}", ONE, "1-1"),
    ("line-breaks", "{{\nenv.T_ONE\n}}", ONE, "1"),
    ("braces", "{{ env.T_D | default: '{{ env.T_ONE }}' }}", ONE, "{{ env.T_ONE }}"),
    ("not-unicode", "{{ env.T_D | default: 'd' }}", {"T_D": "\udcff"}, "d"),
    ("unfinished", "{{ env.T {{ env.T_ONE }}", ONE, "{{ env.T 1"),
]

SUSPECTS = [
    ("C19", "{{ env.lower_case }}", "upper case"),
    ("C21", '{{ env.T_Q | default: "dq" }}', "single quotes"),
    ("open", "{{ env.T_Q", "}} is missing"),
    ("pipe", "{{ env.T_Q | upper }}", "must read"),
]


@pytest.mark.parametrize(
    ("text", "environ", "expected"), [pytest.param(*rest, id=case) for case, *rest in TEXTS]
)
def test_a_text_is_filled_in(text: str, environ: dict[str, str], expected: str) -> None:
    resolved = resolve({"a": [text]}, environ)
    assert ({"a": [expected]}, {}) == (resolved.tree, resolved.missing)


@pytest.mark.parametrize(
    ("text", "reason"), [pytest.param(*rest, id=case) for case, *rest in SUSPECTS]
)
def test_what_only_looks_like_a_template_is_kept_with_one_warning(
    loaded: Any, text: str, reason: str
) -> None:
    result = loaded("SCRIPTED", f"agent.system_prompt = '''{text}'''")
    assert [text] == [config.agent.system_prompt for config in result.configs]
    [warning] = result.warnings
    assert warning.path == "agent.system_prompt"
    assert reason in warning.message


def test_other_braces_are_no_business_of_ours(loaded: Any) -> None:
    assert loaded("SCRIPTED", 'agent.system_prompt = "{{ user }} {{ENV.X}}"').warnings == ()


@pytest.mark.parametrize("template", ["{{ env.T_D | default: '' }}", "{{ env.T_EMPTY }}"])
def test_an_empty_value_is_a_value(loaded: Any, template: str) -> None:
    with pytest.raises(ConfigError, match="LLM API key is required"):
        loaded("OPENAI", f'agent.llm.api_key = "{template}"', T_EMPTY="")


def test_a_missing_variable_is_one_problem_naming_every_use(loaded: Any) -> None:
    snippet = """
        agent.llm.api_key = "{{ env.T_ONE }}"
        agent.llm.model = "{{ env.T_TWO }}"
        agent.description = "{{ env.T_ONE }} {{ env.T_ONE }}"
    """
    with pytest.raises(ConfigError) as caught:
        loaded("OPENAI", snippet)
    assert [problem.kind for problem in caught.value.problems] == ["env", "env"]
    one, two = map(str, caught.value.problems)
    assert [
        each
        for each in ("T_ONE", "agent.llm.api_key", "agent.description", ".env", "export T_ONE=")
        if each not in one
    ] == []
    assert "agent.llm.model: the environment variable T_TWO" in two


def test_a_default_elsewhere_does_not_set_the_variable(loaded: Any) -> None:
    snippet = """
        agent.name = "{{ env.T_N | default: 'fallback' }}"
        agent.alias = "{{ env.T_N }}"
    """
    with pytest.raises(ConfigError, match=r"agent\.alias: the environment variable T_N"):
        loaded("OPENAI", snippet)


def test_a_number_can_come_from_the_environment(loaded: Any) -> None:
    [config] = loaded("OPENAI", 'agent.llm.max_tokens = "{{ env.T_MAX }}"', T_MAX="4096").configs
    assert config.agent.llm.max_tokens == 4096


def test_a_missing_number_is_not_also_a_wrong_one(loaded: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("OPENAI", 'agent.llm.max_tokens = "{{ env.T_MAX }}"')
    assert [problem.kind for problem in caught.value.problems] == ["env"]


def test_a_missing_provider_is_not_also_a_wrong_one(loaded: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("OPENAI", 'agent.llm.provider = "{{ env.T_PROVIDER }}"')
    assert [problem.path for problem in caught.value.problems] == ["agent.llm.provider"]


def test_an_additional_parameter_from_the_environment_stays_a_text(loaded: Any) -> None:
    snippet = 'agent.llm.additional_params.seed = "{{ env.T_SEED }}"'
    [config] = loaded("OPENAI", snippet, T_SEED="12345").configs
    assert config.agent.llm.additional_params == {"seed": "12345"}


def test_the_value_of_a_header_can_be_a_template(loaded: Any) -> None:
    snippet = """
        [mcp.servers.hub]
        transport = "http_streamable"
        url = "http://h/mcp"
        headers.Authorization = "Bearer {{ env.T_TOK }}"
    """
    [config] = loaded("SCRIPTED", snippet, T_TOK="t0k").configs
    headers = config.mcp.servers["hub"].headers
    assert {name: each.reveal() for name, each in headers.items()} == {
        "Authorization": "Bearer t0k"
    }


def test_the_name_of_a_server_can_be_a_template(loaded: Any) -> None:
    snippet = """
        [mcp.servers."{{ env.T_SRV | default: 'hub' }}"]
        transport = "stdio"
        cmd = ["x"]
    """
    [config] = loaded("SCRIPTED", snippet).configs
    assert list(config.mcp.servers) == ["hub"]


def test_two_keys_that_become_one_are_a_problem(loaded: Any) -> None:
    snippet = """
        [mcp.servers.hub]
        transport = "stdio"
        cmd = ["x"]
        [mcp.servers."{{ env.T_SRV | default: 'hub' }}"]
        transport = "stdio"
        cmd = ["y"]
    """
    with pytest.raises(ConfigError, match=r"mcp\.servers\.hub: .* already there"):
        loaded("SCRIPTED", snippet)


NAMES = st.sampled_from(["T_A", "T_B", "T_C"])
PIECES = st.one_of(
    st.text("{}|'\"$\\\n eénv.", max_size=6),
    NAMES.map("{{{{ env.{} }}}}".format),
    st.builds("{{{{ env.{} | default: '{}' }}}}".format, NAMES, st.text('{}|\\"e ', max_size=6)),
)
TREES = st.recursive(
    st.lists(PIECES, max_size=4).map("".join),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
)


def leaves(tree: object) -> list[object]:
    match tree:
        case dict():
            return [leaf for each in tree.values() for leaf in leaves(each)]
        case list():
            return [leaf for each in tree for leaf in leaves(each)]
    return [tree]


@settings(deadline=None)
@given(TREES, st.sets(NAMES))
def test_no_template_is_left_unless_its_variable_is_named(tree: object, names: set[str]) -> None:
    resolved = resolve({"root": tree}, dict.fromkeys(names, "value"))
    assert resolve(resolved.tree, {}).missing == {}
    assert bool(resolved.missing) == (UNRESOLVED in leaves(resolved.tree))
    assert not names & resolved.missing.keys()


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_inserted_text_is_never_looked_at_again(before: str, value: str, after: str) -> None:
    environ = {"T_A": value, "T_B": "leak"}
    text = f"{before.replace('{', '')}{{{{ env.T_A }}}}{after.replace('{', '')}"
    expected = f"{before.replace('{', '')}{value}{after.replace('{', '')}"
    assert {"a": expected} == resolve({"a": text}, environ).tree


@settings(deadline=None)
@given(PIECES, PIECES)
def test_a_variable_that_holds_a_template_is_inserted_as_it_is(first: str, second: str) -> None:
    text = "{{ env.T_OUTER }}"
    resolved = resolve({"a": text}, {"T_OUTER": first + second, "T_A": "leak"})
    assert {"a": first + second} == resolved.tree
