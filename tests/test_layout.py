"""How the code is laid out: who imports whom, how big things are, that nothing is undocumented."""

from __future__ import annotations

import ast
import re
import typing
from pathlib import Path

import pytest

import aura
from aura.events import AnyEvent

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "aura").rglob("*.py"))

LONGEST_FILE = 300
LONGEST_FUNCTION = 60

ALLOWED = {
    "errors": set(),
    "log": set(),
    "events": {"aura.events"},
    "pipeline": {"aura.events", "aura.errors", "aura.pipeline"},
    "config": {"aura.errors", "aura.config"},
    "adapters.models": {
        "aura.events",
        "aura.errors",
        "aura.pipeline.ports",
        "aura.pipeline.compose",
        "aura.masking",
        "aura.adapters.models",
    },
    "adapters.filesystem": {
        "aura.events",
        "aura.errors",
        "aura.pipeline.ports",
        "aura.pipeline.compose",
        "aura.adapters.filesystem",
    },
    "adapters.tokens": set(),
    "adapters.places": set(),
    "adapters.patterns": set(),
    "adapters.records": {
        "aura.pipeline.ports",
        "aura.adapters.places",
        "aura.adapters.records",
    },
    "adapters.scratchpad": {
        "aura.events",
        "aura.errors",
        "aura.pipeline.ports",
        "aura.pipeline.compose",
        "aura.adapters.patterns",
        "aura.adapters.places",
        "aura.adapters.scratchpad",
    },
    "adapters.mcp": {
        "aura.events",
        "aura.errors",
        "aura.pipeline.ports",
        "aura.pipeline.compose",
        "aura.masking",
        "aura.adapters.mcp",
    },
    "runs": {
        "aura.events",
        "aura.errors",
        "aura.pipeline.run",
        "aura.pipeline.backlog",
        "aura.pipeline.ports",
        "aura.pipeline.compose",
        "aura.pipeline.totals",
        "aura.runs",
    },
    "catalog": {"aura.errors", "aura.pipeline.agent", "aura.pipeline.team"},
    "build": {
        "aura.errors",
        "aura.events",
        "aura.catalog",
        "aura.config",
        "aura.adapters",
        "aura.pipeline",
        "aura.runs.lingering",
        "aura.build",
    },
    "server": {
        "aura.events",
        "aura.errors",
        "aura.catalog",
        "aura.pipeline.run",
        "aura.pipeline.backlog",
        "aura.pipeline.lanes",
        "aura.pipeline.compose",
        "aura.pipeline.ports",
        "aura.pipeline.answered",
        "aura.pipeline.delegation",
        "aura.runs",
        "aura.server",
    },
    "flags": {"aura.errors", "aura.server.settings", "aura.values"},
    "values": set(),
    "masking": set(),
    "oneshot": {"aura.events", "aura.pipeline"},
}
"""Part of the package to the parts that it may import. What is not named is free: the command
line and the public names."""

OWNERS = {
    "aiostream": "aura.pipeline.compose",
    "litestar": "aura.server",
    "granian": "aura.server.listen",
    "mcp": "aura.adapters.mcp",
    "mcp_types": "aura.adapters.mcp",
    "jsonschema": "aura.adapters.mcp",
    "referencing": "aura.adapters.mcp",
    "prometheus_client": "aura.server.metrics",
    "re2": "aura.adapters.patterns",
    "tiktoken": "aura.adapters.tokens",
    "aiohappyeyeballs": "aura.adapters.models.http1_transport",
    "httptools": "aura.adapters.models._http1_link",
    "botocore": "aura.adapters.models",
    "dotenv": "aura.config.dotenv",
}
"""Third-party package to the only place that may import it."""

ON_ASYNCIO = ("aura.adapters.models._http1_link", "aura.adapters.models.http1_transport")
"""What runs on asyncio alone; on other back ends something else has its place."""


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(node: ast.AST) -> set[str]:
    found: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            found |= {alias.name for alias in each.names}
        elif isinstance(each, ast.ImportFrom) and each.module:
            found.add(each.module)
    return found


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(tree(path))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


each_source = pytest.mark.parametrize("path", SOURCES, ids=module_of)


@each_source
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    module = module_of(path)
    parts = [part for part in ALLOWED if within(module, f"aura.{part}")]
    for part in parts:
        ours = {name for name in imports(tree(path)) if within(name, "aura")}
        allowed = ALLOWED[part]
        assert not {name for name in ours if not any(within(name, good) for good in allowed)}


@each_source
def test_a_library_is_imported_only_where_it_belongs(path: Path) -> None:
    module = module_of(path)
    for name in imports(tree(path)):
        owner = OWNERS.get(name.partition(".")[0])
        assert owner is None or within(module, owner)


@each_source
def test_only_the_composition_root_imports_inside_functions(path: Path) -> None:
    hidden = set().union(*(imports(function) for function in functions(path)))
    assert not hidden or within(module_of(path), "aura.build")


@each_source
def test_files_and_functions_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION]
    assert not long


@each_source
def test_nothing_starts_a_task_behind_the_back_of_a_task_group(path: Path) -> None:
    banned = r"\b(create_task\(|ensure_future|asyncio\.Queue|wait_for\()"
    assert not re.search(banned, path.read_text())


@each_source
def test_only_the_transport_for_asyncio_needs_it(path: Path) -> None:
    module = module_of(path)
    assert "asyncio" not in imports(tree(path)) or any(within(module, each) for each in ON_ASYNCIO)


def test_every_event_is_shown_in_a_snapshot() -> None:
    stored = "".join(
        path.read_text() for path in (ROOT / "tests").rglob("*") if path.suffix in (".ambr", ".sse")
    )
    hidden = [
        event.__name__
        for event in typing.get_args(AnyEvent)
        if f"{event.__name__}(" not in stored and f"event: {event.wire}\n" not in stored
    ]
    assert not hidden


def test_every_wire_event_is_described() -> None:
    page = (ROOT / "aura" / "events" / "README.md").read_text()
    wires = [event.wire for event in typing.get_args(AnyEvent) if event.wire]
    assert not [wire for wire in wires if f"`{wire}`" not in page]


def test_the_public_names_are_these() -> None:
    expected = [
        "AnyEvent",
        "Assistant",
        "AuraError",
        "ConfigError",
        "PlannedTask",
        "User",
        "answer",
        "create_app",
        "load",
        "open_agents",
        "open_run",
    ]
    assert sorted(aura.__all__) == expected
    assert all(hasattr(aura, name) for name in expected)
