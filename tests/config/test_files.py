"""Files, directories, and agents that have to be told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura.config import Config, checks, load
from aura.errors import ConfigError, Problem


def toml(name: str, alias: str = "", *, extra: str = "") -> str:
    return (
        f'[agent]\nname = "{name}"\nsystem_prompt = "p"\n'
        + (f'alias = "{alias}"\n' if alias else "")
        + f'{extra}[agent.llm]\nprovider = "openai"\napi_key = "k"\nmodel = "m"\n'
    )


def written(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text)
    return directory


def ids(path: Path) -> list[str]:
    return [config.id for config in load(path, {}).configs]


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return caught.value.problems


def test_i01_a_file_is_one_config(tmp_path: Path) -> None:
    assert ids(written(tmp_path, a=toml("A")) / "a.toml") == ["A"]


def test_i02_a_file_that_is_named_directly_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "settings.conf").write_text(toml("A"))
    assert ids(tmp_path / "settings.conf") == ["A"]


def test_i03_a_directory_gives_its_toml_files_sorted_by_name(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("no")
    assert ids(written(tmp_path, b=toml("B"), a=toml("A"))) == ["A", "B"]


@pytest.mark.parametrize("name", [".keep", "notes.md"], ids=["I04", "I05"])
def test_a_directory_without_configs_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    [problem] = problems(tmp_path)
    assert "No .toml configuration files found" in problem.message
    assert str(tmp_path) == problem.file


def test_i06_a_path_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    [problem] = problems(tmp_path / "nope.toml")
    assert ("io", str(tmp_path / "nope.toml")) == (problem.kind, problem.file)
    assert "CONFIG_PATH" in problem.message


def test_a_path_through_a_file_is_named(tmp_path: Path) -> None:
    [problem] = problems(written(tmp_path, a=toml("A")) / "a.toml" / "b.toml")
    assert (problem.kind, problem.message) == ("io", "cannot be read: Not a directory")


@pytest.mark.parametrize(
    "other", ["sub/b.toml", "A.TOML", "old.toml/x", ".draft.toml"], ids=["I07", "I08", "I09", "I10"]
)
def test_other_entries_of_a_directory_are_left_alone(tmp_path: Path, other: str) -> None:
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).write_text("not toml")
    assert ids(written(tmp_path, a=toml("A"))) == ["A"]


def test_i11_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(toml("A"))
    (tmp_path / "a.toml").symlink_to(tmp_path / "elsewhere")
    assert ids(tmp_path) == ["A"]


def test_a_link_that_leads_nowhere_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "b.toml").symlink_to(tmp_path / "nowhere")
    [warning] = load(written(tmp_path, a=toml("A")), {}).warnings
    assert str(tmp_path / "b.toml") == warning.file


def test_i12_the_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    empty_key = toml("C").replace('"k"', '""')
    directory = written(tmp_path, a=toml("A"), b=toml("B", extra="shiny = 1\n"), c=empty_key)
    assert [
        (Path(problem.file).name, problem.path, problem.line) for problem in problems(directory)
    ] == [("b.toml", "agent.shiny", 4), ("c.toml", "agent.llm.api_key", 6)]


def test_i13_the_problems_of_all_steps_are_told_at_once(tmp_path: Path) -> None:
    text = toml("{{ env.T_ONE }}", extra="shiny = 1\n").replace('"k"', '""')
    assert [(problem.line, problem.kind) for problem in problems(written(tmp_path, a=text))] == [
        (2, "env"),
        (4, "parse"),
        (7, "validation"),
    ]


def test_i14_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    text = toml("A").replace("\n", "\r\n")
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert ids(tmp_path) == ["A"]


def test_i15_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(toml("A").encode() + b"# \xff")
    [problem] = problems(tmp_path)
    assert ("io", str(tmp_path / "a.toml")) == (problem.kind, problem.file)


@pytest.mark.parametrize(
    ("first", "second", "mentions"),
    [
        pytest.param(("Bot", ""), ("Bot", ""), ("same agent name", "Bot", "alias"), id="I16"),
        pytest.param(("A", "one"), ("B", "one"), ("unique alias", "one"), id="I17"),
        pytest.param(("one", ""), ("B", "one"), ("same agent name", "one"), id="I18"),
        pytest.param(("A", "one"), ("one", ""), ("same agent name", "one"), id="I19"),
    ],
)
def test_two_agents_with_one_id_are_refused_with_both_files(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], mentions: tuple[str, ...]
) -> None:
    [problem] = problems(written(tmp_path, a=toml(*first), b=toml(*second)))
    assert [each for each in (*mentions, "a.toml", "b.toml") if each not in str(problem)] == []


def test_i20_one_name_may_have_two_aliases(tmp_path: Path) -> None:
    assert ids(written(tmp_path, a=toml("Bot", "b1"), b=toml("Bot", "b2"))) == ["b1", "b2"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("B", "b"), ("C", "B"), id="I21"),
        pytest.param(("Bot", ""), ("bot", ""), id="I22"),
    ],
)
def test_ids_that_differ_only_in_case_are_one_warning(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str]
) -> None:
    loaded = load(written(tmp_path, a=toml(*first), b=toml(*second)), {})
    assert len(loaded.configs) == 2
    [warning] = loaded.warnings
    assert "differs only in case" in warning.message


def bounded(name: str, calls: int | None, *, key: str = "k") -> str:
    bound = "" if calls is None else f"max_concurrent_calls = {calls}\n"
    return toml(name).replace('api_key = "k"\n', f'api_key = "{key}"\n{bound}')


@pytest.mark.parametrize(
    ("bounds", "warned"),
    [
        ((4, 4), None),
        ((None, 0), None),
        ((4, 8), "B"),
        ((8, 4), "A"),
        ((4, None), "B"),
        ((0, 4), "A"),
        ((8, 4, 2), "A"),
        ((4, 4, 8), "C"),
    ],
)
def test_agents_that_share_an_account_but_not_its_bound_are_one_warning(
    tmp_path: Path, bounds: tuple[int | None, ...], warned: str | None
) -> None:
    names = "ABC"[: len(bounds)]
    files = {name: bounded(name, calls) for name, calls in zip(names, bounds, strict=True)}
    files["other"] = bounded("other", 99, key="k2")
    warnings = load(written(tmp_path, **files), {}).warnings
    assert [warned] * (warned is not None) == [Path(each.file).stem for each in warnings]
    assert all(each.path == "agent.llm.max_concurrent_calls" for each in warnings)


def test_the_warning_names_both_agents_and_the_bound_that_counts(tmp_path: Path) -> None:
    files = written(tmp_path, a=bounded("A", 8), b=bounded("B", 4))
    [warning] = load(files, {}).warnings
    assert (warning.line, warning.file) == (7, str(tmp_path / "a.toml"))
    assert warning.message == (
        f"agents 'A' and 'B' of {tmp_path / 'b.toml'} share a provider account, so the lower bound"
        " is that of both: 4 calls at a time; give both the same"
    )


def test_i23_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    [problem] = problems(written(tmp_path, a=toml("A", "x", extra='alias = "y"\n')))
    assert (problem.kind, problem.line) == ("parse", 5)


def test_i24_a_hidden_agent_is_loaded_like_any_other(tmp_path: Path) -> None:
    directory = written(tmp_path, a=toml("A", extra="hidden = true\n"), b=toml("B"))
    assert [config.agent.hidden for config in load(directory, {}).configs] == [True, False]


def test_a06_broken_toml_is_refused_with_line_and_column(tmp_path: Path) -> None:
    [problem] = problems(written(tmp_path, a='\n[agent\nname = "broken"'))
    assert (problem.kind, problem.line) == ("parse", 2)
    assert "column 7" in problem.message


def test_c13_a_template_in_a_comment_is_nothing(tmp_path: Path) -> None:
    assert ids(written(tmp_path, a="# {{ env.T_COMMENT }}\n" + toml("A"))) == ["A"]


def test_c14_a_template_outside_quotes_is_refused_with_the_remedy(tmp_path: Path) -> None:
    text = toml("A", extra="turn_depth = {{ env.T_DEPTH }}\n")
    [problem] = problems(written(tmp_path, a=text))
    assert (problem.kind, problem.line) == ("parse", 4)
    assert "put the template in quotes" in problem.message


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    [problem] = problems(written(tmp_path, a="a = " + "[" * 10_000))
    assert "nested too deeply" in problem.message


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Config, ...]:
    night = toml("Night", extra="hidden = true\n")
    return load(written(tmp_path, a=toml("Desk Agent", "desk"), b=night), {}).configs


@pytest.mark.parametrize(
    "name", ["desk", "Night", None, "", "  "], ids=["J05", "J14", "unset", "J13", "blank"]
)
def test_a_default_agent_that_is_loaded_or_not_set_is_fine(
    pair: tuple[Config, ...], name: str | None
) -> None:
    assert checks.default_agent(pair, name) == []


@pytest.mark.parametrize("loaded", [1, 2], ids=["J12", "J11"])
def test_a_default_agent_that_is_not_loaded_is_refused_with_the_ids(
    pair: tuple[Config, ...], loaded: int
) -> None:
    [problem] = checks.default_agent(pair[:loaded], "ghost")
    assert "DEFAULT_AGENT: there is no agent 'ghost'" in str(problem)
    assert "'desk'" in problem.message
