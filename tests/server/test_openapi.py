"""The document that describes the API is true of the application."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from litestar.routes import HTTPRoute

from tests.server.test_routes import CHAT, application, client, question

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def document() -> dict[str, Any]:
    async with client() as http:
        answer = await http.get("/schema/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    shown: dict[str, Any] = answer.json()
    return shown


async def test_every_route_is_described_and_no_other() -> None:
    described = {
        (path, method.upper())
        for path, operations in (await document())["paths"].items()
        for method in operations
    }
    routes = [route for route in application().routes if isinstance(route, HTTPRoute)]
    served = {
        (re.sub(r"\{run_id:str\}", "{id}", route.path), method)
        for route in routes
        for method in route.methods
        if method != "OPTIONS"
    }
    assert described == served


async def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    shown = await document()
    schemas = shown["components"]["schemas"]
    text = str(shown)
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    names = [op["operationId"] for path in shown["paths"].values() for op in path.values()]
    assert len(set(names)) == len(names)


async def test_answers_are_what_the_document_says() -> None:
    shown = await document()
    async with client() as http:
        answers = {
            ("/v1/models", "get"): await http.get("/v1/models"),
            ("/aura/info", "get"): await http.get("/aura/info"),
            (CHAT, "post"): await http.post(CHAT, json=question()),
            ("/aura/runs", "get"): await http.get("/aura/runs"),
            ("/aura/runs/{id}", "get"): await http.get("/aura/runs/run_1"),
            ("/health", "get"): await http.get("/health"),
        }
    for (path, method), answer in answers.items():
        described = shown["paths"][path][method]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"]
        whole = {**schema, "components": shown["components"]}
        assert list(Draft202012Validator(whole).iter_errors(answer.json())) == []
