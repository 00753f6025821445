"""The command line, in process: what it prints and how it exits."""

from __future__ import annotations

import io
import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from aura import log
from aura.catalog import Catalog
from aura.cli import announce, main
from aura.server.settings import Settings
from tests.support.mcp.processes import SCRIPT as SERVER
from tests.test_build import AGENT, SCRIPT


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of its own with one agent, and logging as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG_PATH", "DEFAULT_AGENT", "HOST", "PORT", "AURA_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "script").write_text(SCRIPT)
    (tmp_path / "config.toml").write_text(AGENT.format(name="A", folder=tmp_path, more=""))
    yield tmp_path
    structlog.reset_defaults()


def test_check_prints_the_configuration_that_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    told = capsys.readouterr()
    assert 'name = "A"' in told.out
    assert told.err == "config.toml: 1 agent(s): A; 0 warning(s)\n"


def test_check_reports_every_problem_with_its_place(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "config.toml").write_text('[agent]\nname = ""\nturn_dept = 3\n')
    assert main(["check"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: config.toml:") for line in lines)
    assert any("did you mean `turn_depth`?" in line for line in lines)
    assert len(lines) == 4


def test_check_can_be_strict_about_warnings(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = place / "config.toml"
    config.write_text(config.read_text() + "[agents]\n")
    assert (main(["check"]), main(["check", "--strict"])) == (0, 1)
    assert "did you mean `agent`?" in capsys.readouterr().err


def test_check_can_reach_the_servers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = place / "config.toml"
    command = json.dumps([sys.executable, str(SERVER)])
    server = '[mcp.servers.{name}]\ntransport = "stdio"\ncmd = {command}\n'
    reachable = config.read_text() + server.format(name="test", command=command)
    config.write_text(reachable)
    assert main(["check", "--connect"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(
        re.fullmatch(r"# agent 'A': \d+ tool\(s\), about [\d,]+ tokens", line) for line in lines
    )
    assert any(
        re.match(r"#   test \(stdio\): \d+ tool\(s\), about \d+ tokens$", line) for line in lines
    )
    assert any(
        line.startswith("#     odd_name (on the server 'odd name!'): about ") for line in lines
    )
    config.write_text(reachable + server.format(name="gone", command='["/no/such"]'))
    assert main(["check", "--connect"]) == 1
    out = capsys.readouterr().out
    assert "#   gone (stdio): Connection failed: its command was not found\n" in out


def test_check_tells_how_schemas_are_rewritten(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = place / "config.toml"
    text = config.read_text().split("[agent.llm]")[0]
    text += '[agent.llm]\nprovider = "openai"\nmodel = "m"\napi_key = "k"\n'
    command = json.dumps([sys.executable, str(SERVER)])
    config.write_text(text + f'[mcp.servers.test]\ntransport = "stdio"\ncmd = {command}\n')
    assert main(["check", "--connect"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"#     wait: .*\n#       properties\.seconds: .*null", told)


def test_run_answers_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "Hello?"]) == 0
    assert capsys.readouterr().out == "Hi.\n"


def test_run_prints_events_as_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--events", "Hello?"]) == 0
    kinds = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert (kinds[0], kinds[-1]) == ("aura.session_info", "run_completed")


def test_run_names_the_agents_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEFAULT_AGENT", "B")
    assert main(["run", "Hello?"]) == 1
    assert "there is no agent 'B'; the loaded ones are 'A'" in capsys.readouterr().err


def test_dotenv_is_read_first(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / ".env").write_text("PORT=abc\nnonsense\n")
    assert main(["serve"]) == 1
    told = capsys.readouterr().err
    assert "error: PORT: 'abc' is not a whole number" in told
    assert ".env:2" in told


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.test"])
def test_strangers_are_not_served_without_a_token(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", host]) == 1
    assert "--auth-token" in capsys.readouterr().err


def test_an_address_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    told = capsys.readouterr().err
    assert f"error: --port: cannot listen on 127.0.0.1:{port}: Address already in use" in told


@pytest.mark.parametrize("arguments", [[], ["fly"], ["serve", "--conf", "x"], ["run"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_the_line_to_try_fits_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    announce(Catalog(()), settings=Settings(host="::1", auth_tokens=("t",)))
    assert "http://[::1]:8080" in capsys.readouterr().err


@pytest.mark.parametrize(("level", "lines"), [("warning", 1), ("info", 2), ("debug", 3)])
def test_log_lines_are_json_where_nobody_watches(level: str, lines: int) -> None:
    out = io.StringIO()
    log.configure(level, stream=out)
    logger = structlog.get_logger()
    for write in (logger.debug, logger.info, logger.warning):
        write("happened", run_id="run_1")
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["run_id"]) for line in told] == [("happened", "run_1")] * lines
