"""The command line: `aura serve`, `aura check`, `aura run`."""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import anyio
import structlog

from aura import log
from aura.build import open_agents, problems
from aura.catalog import Catalog
from aura.config.checks import default_agent
from aura.config.dotenv import Environment, read_dotenv
from aura.config.load import Loaded, load
from aura.config.render import as_toml
from aura.errors import AuraError, ConfigError, Problem
from aura.flags import add_options, settings
from aura.oneshot import ask
from aura.reach import reached
from aura.server.app import create_app
from aura.server.drain import Drain
from aura.server.listen import listen
from aura.server.settings import Settings

DEFAULT_CONFIG = "config.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Gives the exit code: 0, 1 for a failure, 2 for a wrong command line."""
    given = _parser().parse_args(arguments)
    log.configure("debug" if given.debug else "info" if given.verbose else "warning")
    environment = read_dotenv(Path.cwd(), os.environ)
    for warning in environment.warnings:
        _complain(f"warning: {warning}")
    try:
        return int(given.command(given, environment))
    except AuraError as error:
        for line in str(error).splitlines():
            _complain(f"error: {line}")
        return 1
    except KeyboardInterrupt:
        return 130


def web_server() -> int:
    """`aura serve` under the name that existing deployments call."""
    return main(["serve", *sys.argv[1:]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aura", description="TOML in, streaming AI agents out.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"aura {version('aura')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help="log what happens")
    common.add_argument("-d", "--debug", action="store_true", help="log everything")

    path = argparse.ArgumentParser(add_help=False)
    path.add_argument(
        "-c",
        "--config",
        metavar="PATH",
        help=f"TOML file, or directory of them [CONFIG_PATH; default {DEFAULT_CONFIG}]",
    )

    serve = commands.add_parser(
        "serve", parents=[common, path], allow_abbrev=False, help="serve agents over HTTP"
    )
    add_options(serve)
    serve.add_argument(
        "--allow-unauthenticated",
        action="store_true",
        help="accept requests from other machines without a token",
    )
    serve.set_defaults(command=_serve)

    check = commands.add_parser(
        "check", parents=[common], allow_abbrev=False, help="find every problem of a configuration"
    )
    check.add_argument("path", nargs="?", metavar="PATH", help="file or directory [CONFIG_PATH]")
    check.add_argument("--strict", action="store_true", help="treat warnings as errors")
    check.add_argument(
        "--connect", action="store_true", help="reach the MCP servers and list their tools, too"
    )
    check.set_defaults(command=_check)

    run = commands.add_parser(
        "run", parents=[common, path], allow_abbrev=False, help="ask one question and exit"
    )
    run.add_argument("question")
    run.add_argument("--agent", metavar="ID", help="who to ask, when there are several")
    run.add_argument("--events", action="store_true", help="print every event as a line of JSON")
    run.set_defaults(command=_run)
    return parser


def _config_path(given: str | None, environment: Environment) -> Path:
    return Path(given or environment.variables.get("CONFIG_PATH") or DEFAULT_CONFIG)


def _load(path: Path, environment: Environment, *, default: str | None = None) -> Loaded:
    loaded = load(path, environment.variables)
    for warning in loaded.warnings:
        _complain(f"warning: {warning}")
    if found := [*default_agent(loaded.configs, default), *problems(loaded.configs)]:
        raise ConfigError(found)
    return loaded


def _check(given: argparse.Namespace, environment: Environment) -> int:
    path = _config_path(given.path, environment)
    loaded = _load(path, environment)
    for config in loaded.configs:
        print(as_toml(config))
    lines, fine = anyio.run(reached, loaded.configs) if given.connect else ([], True)
    for line in lines:
        print(f"# {line}")
    warnings = len(loaded.warnings)
    agents = ", ".join(config.id for config in loaded.configs)
    _complain(f"{path}: {len(loaded.configs)} agent(s): {agents}; {warnings} warning(s)")
    return int(not fine or (given.strict and warnings > 0))


def _run(given: argparse.Namespace, environment: Environment) -> int:
    default = (environment.variables.get("DEFAULT_AGENT") or "").strip() or None
    loaded = _load(_config_path(given.config, environment), environment, default=default)

    async def run() -> int:
        async with open_agents(loaded.configs, default=default) as catalog:
            served = catalog.find(given.agent)
            report = _complain if sys.stderr.isatty() else _quiet
            return await ask(
                served.agent, given.question, events=given.events, out=sys.stdout, report=report
            )

    return anyio.run(run)


def _serve(given: argparse.Namespace, environment: Environment) -> int:
    chosen = settings(vars(given), environment.variables)
    path = _config_path(given.config, environment)
    loaded = _load(path, environment, default=chosen.default_agent)
    _refuse_strangers(chosen, allowed=given.allow_unauthenticated)
    _refuse_taken(chosen)
    drain = Drain()
    agents = partial(
        open_agents,
        loaded.configs,
        default=chosen.default_agent,
        first_chunk_timeout=chosen.first_chunk_timeout_secs,
        scratchpad_events=chosen.aura_emit_scratchpad_tool_events,
        escape_hatch=chosen.aura_escape_hatch,
        provider_details=chosen.debug_provider_errors,
        prompt_journal=chosen.aura_prompt_journal,
    )
    app = create_app(agents, chosen, drain=drain, on_ready=partial(announce, settings=chosen))
    anyio.run(listen, app, drain, chosen, backend_options={"use_uvloop": True})
    return 0


def _refuse_strangers(chosen: Settings, *, allowed: bool) -> None:
    """Raise `ConfigError` rather than serve other machines without asking who they are."""
    if chosen.auth_tokens or allowed or _loopback(chosen.host):
        return
    message = (
        f"{chosen.host} can be reached from other machines: set --auth-token (AURA_AUTH_TOKEN),"
        " or --allow-unauthenticated if something else guards this server"
    )
    raise ConfigError([Problem("--host", 0, "", message)])


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_taken(chosen: Settings) -> None:
    """Raise `ConfigError` when the address cannot be bound.

    Granian shares a port with whoever listens on it already, so it would not notice.
    """
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((chosen.host, chosen.port))
        except OSError as error:
            message = (
                f"cannot listen on {chosen.host}:{chosen.port}: {error.strerror}; choose another"
                " address with --host and --port"
            )
            raise ConfigError([Problem("--port", 0, "", message)]) from None


def announce(catalog: Catalog, *, settings: Settings) -> None:
    """Say where the server is and what to type."""
    for served in catalog:
        structlog.get_logger().info("agent", id=served.id, model=served.model)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    _complain(f"Aura serves {len(catalog)} agent(s) on {url}. Try:\n")
    names = [served.id for served in catalog.visible()]
    if names:
        token = " -H 'authorization: Bearer '$AURA_AUTH_TOKEN" if settings.auth_tokens else ""
        _complain(
            f"""  curl -N {url}/v1/chat/completions -H 'content-type: application/json'{token} \\
    -d '{{"model": "{names[0]}", "stream": true,"""
            """ "messages": [{"role": "user", "content": "What can you do?"}]}'\n"""
        )


def _complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _quiet(line: str) -> None:
    del line
